import { expect, test } from 'vitest';
import { runAtOnce } from '../../src/registry/run-in-slices.ts';
import { isSameBytes } from '../../src/registry/same-bytes.ts';

const LENGTH = 600_000;

test('equal bytes are the same, none at all among them', () => {
  expect(runAtOnce(isSameBytes(new Uint8Array(LENGTH), Buffer.alloc(LENGTH)))).toBe(true);
  expect(runAtOnce(isSameBytes(new Uint8Array(), new Uint8Array()))).toBe(true);
});

test.each([0, 262_143, 262_144, LENGTH - 1])('another byte at %i is seen', (at) => {
  const other = new Uint8Array(LENGTH);
  other[at] = 1;
  expect(runAtOnce(isSameBytes(new Uint8Array(LENGTH), other))).toBe(false);
});

test('a longer one is another', () => {
  expect(runAtOnce(isSameBytes(new Uint8Array(1), new Uint8Array(2)))).toBe(false);
});
