import { describe, expect, test } from 'vitest';
import { limitFields } from '../../src/http/field-limit.ts';

/** Nine fields of every kind: numbers, a long one, texts, one with a tag of two bytes, and two in a group with its ends. */
const NINE = Buffer.from(
  '0801' +
    '10ffffff7f' +
    '1a00' +
    '22021001' +
    '29' +
    '08'.repeat(8) +
    '3508080808' +
    '820103080808' +
    '3b3c',
  'hex',
);

async function* cut(bytes: Buffer, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) {
    yield await Promise.resolve(bytes.subarray(at, at + length));
  }
}

async function passes(
  bytes: Buffer,
  form: 'message' | 'envelope',
  length: number,
): Promise<boolean> {
  const passed: Uint8Array[] = [];
  try {
    for await (const part of limitFields(cut(bytes, length), form)) passed.push(part);
  } catch {
    return false;
  }
  expect(Buffer.concat(passed).equals(bytes)).toBe(true);
  return true;
}

const most = Buffer.concat([...Array.from({ length: 11_111 }, () => NINE), Buffer.of(8, 1)]);
const more = Buffer.concat([most, Buffer.of(8, 1)]);

function envelope(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

describe.each([1, 7, 1000, 1 << 20])('in pieces of %i bytes', (length) => {
  test('fields of all kinds are counted, and no bytes inside of them', async () => {
    expect(await passes(most, 'message', length)).toBe(true);
    expect(await passes(more, 'message', length)).toBe(false);
  });

  test('each message in an envelope is counted for itself', async () => {
    expect(await passes(Buffer.concat([envelope(most), envelope(most)]), 'envelope', length)).toBe(
      true,
    );
    expect(await passes(Buffer.concat([envelope(most), envelope(more)]), 'envelope', length)).toBe(
      false,
    );
  });
});

test('of a length of more than 32 bits the lower ones count', async () => {
  const long = Buffer.concat([Buffer.from('1a80808080f0ffff01', 'hex'), more]);
  expect(await passes(long, 'message', 1000)).toBe(false);
});
