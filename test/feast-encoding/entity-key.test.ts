import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import {
  compareJoinKeys,
  compileEntityKeyPrefix,
  requireEntityKeyVersion,
  scannedEntityValueSize,
  serializeEntityKey,
  sortJoinKeys,
  writeScannedEntityValue,
  type EntityKeyValue,
  type EntityKeyVersion,
} from '../../src/feast-encoding/entity-key.ts';
import { EncodingError } from '../../src/feast-encoding/encoding-error.ts';
import { parseEntityKey } from '../../src/feast-encoding/parse-entity-key.ts';
import { createScannedValue, scanValue } from '../../src/feast-encoding/value-scan.ts';
import { ValueType, valueTypeNumber } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { describeWithShared } from '../support/shared.ts';
import { goldenLines } from './golden-lines.ts';

interface GoldenKey {
  readonly id: string;
  readonly note: string;
  readonly version: number;
  readonly project: string;
  readonly join_keys: readonly string[];
  readonly values: readonly { type: string; value?: unknown }[];
  readonly serialized_hex?: string;
  readonly redis_key_b64: string;
  readonly prefix_hex: string;
  readonly error?: object;
}

// Feast cuts unequal lists of keys and values silently and lets equal duplicates pass; here both are refused.
const REFUSED_HERE = new Set([
  'fewer values than keys',
  'more values than keys',
  'values but no keys',
  'same key twice (equal values)',
]);

function entityValue(golden: GoldenKey['values'][number]): EntityKeyValue {
  const type = valueTypeNumber(golden.type.replace(/_val$/, '').toUpperCase()) ?? 0;
  if (golden.type === 'bytes_val') {
    const { $bytes } = golden.value as { $bytes: string };
    return { type, value: Buffer.from($bytes, 'base64') };
  }
  // int64 values are decimal strings, int32 values numbers.
  const text = JSON.stringify(golden.value ?? '').replace(/^"|"$/g, '');
  const isInteger = type === 3 || type === 4 || type === 8;
  return { type, value: isInteger ? BigInt(text) : (golden.value as string) };
}

describeWithShared('golden entity keys', () => {
  const lines = goldenLines<GoldenKey>('entity_keys.jsonl').filter((line) => line.version >= 2);

  it('has the vectors', () => {
    expect(lines.length).toBeGreaterThan(300);
  });

  for (const line of lines) {
    const version = line.version as EntityKeyVersion;
    const values = line.values.map(entityValue);
    if (line.error !== undefined || REFUSED_HERE.has(line.note)) {
      it(`${line.id} refuses ${line.note}`, () => {
        expect(() => serializeEntityKey(line.join_keys, values, version)).toThrow(EncodingError);
      });
      continue;
    }
    it(`${line.id} ${line.note}`, () => {
      const expected = line.serialized_hex!;
      expect(hex(serializeEntityKey(line.join_keys, values, version))).toBe(expected);
      const sorted = sortJoinKeys(line.join_keys);
      const prefix = compileEntityKeyPrefix(sorted, version);
      expect(hex(prefix)).toBe(line.prefix_hex);
      expect(hex(serializeFromEncodedValues(prefix, sorted, line, values))).toBe(expected);

      const redisKey = Buffer.from(line.redis_key_b64, 'base64');
      if (version === 2 && line.join_keys.some((name) => /\p{Cc}/u.test(name))) {
        return; // Without lengths, names with control characters cannot be told from tags.
      }
      const parsed = parseEntityKey(redisKey, version, Buffer.from(line.project));
      expect(parsed.joinKeys).toEqual(sorted);
      expect(redisKey.subarray(parsed.end).toString()).toBe(line.project);
      expect(hex(serializeEntityKey(parsed.joinKeys, parsed.values, version))).toBe(expected);
    });
  }
});

/** As the read path does it: a compiled prefix, then each value straight from its encoded `Value`. */
function serializeFromEncodedValues(
  prefix: Uint8Array,
  sorted: readonly string[],
  line: GoldenKey,
  values: readonly EntityKeyValue[],
): Uint8Array {
  const out = new Uint8Array(prefix.length + 1_000_000);
  out.set(prefix);
  let at = prefix.length;
  const scanned = createScannedValue();
  for (const joinKey of sorted) {
    const { type, value } = values[line.join_keys.indexOf(joinKey)]!;
    const encoded = writeValue(type, type === ValueType.INT32 ? Number(value) : value);
    const padded = Buffer.concat([Buffer.of(0xff, 0xff), encoded, Buffer.of(0xff)]);
    expect(scanValue(padded, 2, padded.length - 1, scanned)).toBe(true);
    const next = writeScannedEntityValue(out, at, padded, scanned);
    expect(next - at).toBe(scannedEntityValueSize(scanned));
    at = next;
  }
  return out.subarray(0, at);
}

describe('entity key versions', () => {
  it('takes 2 and 3 and says what is wrong with the others', () => {
    expect(requireEntityKeyVersion(2)).toBe(2);
    expect(requireEntityKeyVersion(3)).toBe(3);
    expect(() => requireEntityKeyVersion(1)).toThrow(/cuts int64 keys/);
    expect(() => requireEntityKeyVersion(4)).toThrow(/does not exist/);
  });
});

describe('sorting of join keys', () => {
  it('goes by code point where UTF-16 order differs', () => {
    expect(['\u{1F600}k', '\uE000k'].sort()).toEqual(['\u{1F600}k', '\uE000k']);
    expect(sortJoinKeys(['\u{1F600}k', '\uE000k'])).toEqual(['\uE000k', '\u{1F600}k']);
    expect(compareJoinKeys('a', 'a')).toBe(0);
  });
});

describe('serializeEntityKey', () => {
  it('keeps int64 exact beyond 2^53 and refuses what does not fit', () => {
    const key = (type: number, value: bigint | number): string =>
      hex(serializeEntityKey(['k'], [{ type, value }], 3)).slice(-16);
    expect(key(4, 9007199254740993n)).toBe('0100000000002000');
    expect(key(4, -(2n ** 63n))).toBe('0000000000000080');
    expect(() => key(4, 2n ** 63n)).toThrow(EncodingError);
    expect(() => key(4, 2 ** 53)).toThrow(EncodingError);
    expect(() => key(3, 2 ** 31)).toThrow(/join key k is no INT32/);
    expect(() => key(4, 1.5)).toThrow(EncodingError);
  });

  it('refuses a value of another kind, and names the join key only', () => {
    expect(() => serializeEntityKey(['k'], [{ type: 2, value: 5 }], 3)).toThrow(
      /^the value of join key k is no STRING$/,
    );
    expect(() => serializeEntityKey(['k'], [{ type: 1, value: 'secret' }], 3)).toThrow(/no BYTES/);
  });
});

describe('parseEntityKey', () => {
  it('refuses every cut of a key', () => {
    const key = serializeEntityKey(
      ['a', 'b'],
      [
        { type: 2, value: 'x' },
        { type: 4, value: 1n },
      ],
      3,
    );
    for (let length = 0; length < key.length; length++) {
      expect(() => parseEntityKey(key.subarray(0, length), 3)).toThrow(EncodingError);
    }
  });

  it('is bounded on hostile version 2 bytes', () => {
    const hostile = Buffer.alloc(100_000, 'aaaa');
    hostile.writeUInt32LE(2, 0);
    const started = performance.now();
    expect(() => parseEntityKey(hostile, 2)).toThrow(EncodingError);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
