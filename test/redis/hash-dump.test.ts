import { Buffer } from 'node:buffer';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeCrc64 } from '../../src/redis/crc64.ts';
import {
  DumpedHash,
  dumpBytes,
  encodeDumpedWord,
  MAX_DUMPED_WORD_BYTES,
} from '../../src/redis/hash-dump.ts';

function crc64(bytes: Uint8Array): bigint {
  const out = Buffer.concat([bytes, Buffer.alloc(8)]);
  expect(writeCrc64(out, 0, bytes.length)).toBe(bytes.length + 8);
  expect(out.subarray(0, bytes.length).equals(bytes)).toBe(true);
  return out.readBigUInt64LE(bytes.length);
}

/** Bit by bit, as the definition has it. */
function slowCrc64(bytes: Uint8Array): bigint {
  let sum = 0n;
  for (const byte of bytes) {
    sum ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      sum = (sum & 1n) === 1n ? (sum >> 1n) ^ 0x95ac_9329_ac4b_c9b5n : sum >> 1n;
    }
  }
  return sum;
}

describe('writeCrc64', () => {
  it('gives the check value of Redis', () => {
    expect(crc64(Buffer.from('123456789'))).toBe(0xe9c6_d914_c4b8_d9can);
  });

  it('equals the definition, at every length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(crc64(bytes)).toBe(slowCrc64(bytes));
      }),
    );
  });
});

describe('DumpedHash', () => {
  it('writes the bytes that Redis 7.0 gives for HSET h field value', () => {
    const out = Buffer.alloc(dumpBytes(2, 10));
    const hash = new DumpedHash(out, 0);
    hash.add(Buffer.from('field'), 0, 5);
    hash.add(Buffer.from('a value b'), 2, 7);
    const end = hash.finish();
    // Redis writes the length of so short a listpack in one byte; both are read.
    expect(out.subarray(0, end - 8).toString('hex')).toBe(
      '1080000000' +
        '15' +
        '15000000' +
        '0200' +
        '856669656c6406' +
        '8576616c756506' +
        'ff' +
        '0a00',
    );
    expect(out.readBigUInt64LE(end - 8)).toBe(slowCrc64(out.subarray(0, end - 8)));
  });

  it('keeps to the room that it asks for, wherever it begins', () => {
    const word = fc.uint8Array({ maxLength: MAX_DUMPED_WORD_BYTES });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), fc.nat(9), (words, start) => {
        const bytes = words.reduce((sum, { length }) => sum + length, 0);
        const room = dumpBytes(words.length, bytes);
        const out = Buffer.alloc(start + room, 0xee);
        const hash = new DumpedHash(out, start);
        for (const [i, each] of words.entries()) {
          if (i % 2 === 0) hash.addEncoded(encodeDumpedWord(each));
          else hash.add(each, 0, each.length);
        }
        expect(hash.finish()).toBe(start + room);
        expect(out.subarray(0, start).every((byte) => byte === 0xee)).toBe(true);
        expect(wordsOf(out.subarray(start))).toEqual(words.map((each) => Buffer.from(each)));
      }),
    );
  });
});

/** Reads a dump as the comment on `DumpedHash` describes it. */
function wordsOf(dump: Buffer): Buffer[] {
  expect(dump[0]).toBe(16);
  expect(dump[1]).toBe(0x80);
  const listpack = dump.subarray(6, 6 + dump.readUInt32BE(2));
  expect(listpack.readUInt32LE(0)).toBe(listpack.length);
  expect(listpack.at(-1)).toBe(0xff);
  const words: Buffer[] = [];
  for (let at = 6; at < listpack.length - 1;) {
    const head = listpack[at]!;
    expect(head >> 6).toBe(2);
    const end = at + 1 + (head & 63);
    words.push(Buffer.from(listpack.subarray(at + 1, end)));
    expect(listpack[end]).toBe(end - at);
    at = end + 1;
  }
  expect(listpack.readUInt16LE(4)).toBe(words.length);
  return words;
}
