import { Buffer } from 'node:buffer';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EncodingError } from '../../src/feast-encoding/encoding-error.ts';
import {
  decodeTimestamp,
  encodeTimestamp,
  isTimestampMessage,
  timestampNanos,
  timestampSeconds,
} from '../../src/feast-encoding/timestamp.ts';
import { judge } from './wire-oracle.ts';

const timestampNs = fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n });

describe('encodeTimestamp', () => {
  it.each([
    [0n, ''],
    [1_735_689_600_000_000_000n, '08808bd2bb06'],
    [1_735_689_600_987_000_000n, '08808bd2bb0610c0d9d1d603'],
  ])('writes %i as Feast does', (ns, expected) => {
    expect(Buffer.from(encodeTimestamp(ns)).toString('hex')).toBe(expected);
  });

  it('equals the protobuf library and reads back, before and after 1970', () => {
    fc.assert(
      fc.property(timestampNs, (ns) => {
        const nanos = Number(((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
        const seconds = (ns - BigInt(nanos)) / 1_000_000_000n;
        fc.pre(seconds >= -(2n ** 63n) && seconds < 2n ** 63n);
        const bytes = encodeTimestamp(ns);
        const oracle = toBinary(TimestampSchema, create(TimestampSchema, { seconds, nanos }));
        expect(Buffer.from(bytes).toString('hex')).toBe(Buffer.from(oracle).toString('hex'));
        expect(decodeTimestamp(bytes)).toBe(ns);
        expect(timestampSeconds(bytes, 0, bytes.length)).toBe(Number(seconds));
        expect(timestampNanos(bytes, 0, bytes.length)).toBe(nanos);
      }),
    );
  });
});

describe('isTimestampMessage', () => {
  it('refuses every cut inside a field', () => {
    const bytes = encodeTimestamp(1_735_689_600_987_000_000n);
    const verdicts = Array.from(bytes, (_, length) => isTimestampMessage(bytes, 0, length));
    // Nothing, the seconds alone and the whole are messages.
    expect(verdicts.flatMap((isMessage, length) => (isMessage ? [length] : []))).toEqual([0, 6]);
    expect(() => decodeTimestamp(bytes.subarray(0, 8))).toThrow(EncodingError);
  });

  it('agrees with the protobuf library on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        const oracle = judge(TimestampSchema, bytes);
        const accepted = isTimestampMessage(bytes, 0, bytes.length);
        // Both are right to refuse; the library alone takes tags and lengths of more than five bytes.
        expect(accepted && !oracle.accepted).toBe(false);
        if (accepted && !oracle.hasForeignWireType) {
          const message = fromBinary(TimestampSchema, bytes);
          const ns = message.seconds * 1_000_000_000n + BigInt(message.nanos);
          expect(decodeTimestamp(bytes)).toBe(ns);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
