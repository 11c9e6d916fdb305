import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import type { FeatureValue } from '../../src/feast-encoding/typed-value.ts';
import { GrowingBytes } from '../../src/feast-encoding/growing-bytes.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { ValueTypeName } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import type { PlainValue } from '../../src/ingestion/plain-value.ts';
import type { JsonTree } from '../../src/ingestion/python-text.ts';
import { compileValueEncoder, encodePlain } from '../../src/ingestion/value-encoder.ts';

/** What is appended of a value that stands between other bytes. */
function fromTyped(type: number, value: Uint8Array): Uint8Array | undefined {
  const out = new GrowingBytes();
  out.put(Buffer.from('before'));
  const around = Buffer.concat([Buffer.from([8, 0x81]), value, Buffer.from([0x81, 8])]);
  const fits = compileValueEncoder(type).appendTyped(out, around, 2, 2 + value.length);
  if (!fits) expect(out.at).toBe('before'.length);
  return fits ? new Uint8Array(out.bytes.subarray('before'.length, out.at)) : undefined;
}

const NOT_A_TIME = -(2n ** 63n);
const object = (...entries: (readonly [string, JsonTree])[]): JsonTree => ({ entries });

/** What is stored; 'misfit' where the value does not fit, `null` for a null. */
function stored(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined) return 'misfit';
  return plain(readValue(bytes).value);
}

/** Maps without the types inside. */
function plain(value: unknown): unknown {
  if (value instanceof Map) {
    return Object.fromEntries(
      [...(value as ReadonlyMap<string, { value: unknown }>)].map(([k, v]) => [k, plain(v.value)]),
    );
  }
  if (!Array.isArray(value)) return value;
  return value.map((item: unknown) => {
    const isTyped = typeof item === 'object' && item !== null && 'type' in item && 'value' in item;
    return plain(isTyped ? item.value : item);
  });
}

/** Bigint = integer, number = float, as JSON has been read. */
const PLAIN: readonly (readonly [ValueTypeName, PlainValue, unknown])[] = [
  ['INT64', 5n, 5n],
  ['INT64', 5.9, 5n],
  ['INT64', -5.9, -5n],
  ['INT64', true, 1n],
  ['INT64', ' 5 ', 5n],
  ['INT64', '5.0', 'misfit'],
  ['INT64', 'abc', 'misfit'],
  ['INT64', '9'.repeat(1000), 'misfit'],
  ['INT64', 2n ** 63n - 1n, 2n ** 63n - 1n],
  ['INT64', 2n ** 63n, 'misfit'],
  ['INT64', Number.NaN, null],
  ['INT64', Infinity, 'misfit'],
  ['INT64', null, null],
  ['INT64', [1n], 'misfit'],
  ['INT32', 2n ** 31n - 1n, 2 ** 31 - 1],
  ['INT32', 2n ** 31n, 'misfit'],
  ['FLOAT', 3n, 3],
  ['FLOAT', 0.1, Math.fround(0.1)],
  ['FLOAT', 1e300, Infinity],
  ['FLOAT', 'NaN', Number.NaN],
  ['FLOAT', Number.NaN, null],
  ['DOUBLE', '1.5', 1.5],
  ['DOUBLE', -Infinity, -Infinity],
  ['DOUBLE', object(), 'misfit'],
  ['BOOL', 2n, true],
  ['BOOL', 'False', false],
  ['BOOL', 1.0, 'misfit'],
  ['STRING', 3n, '3'],
  ['STRING', 1e16, '1e+16'],
  ['STRING', true, 'True'],
  ['STRING', object(['a', 1n]), 'misfit'],
  ['STRING', Buffer.from('x'), 'misfit'],
  ['BYTES', Buffer.from('x'), Uint8Array.of(0x78)],
  ['BYTES', 'AAEC', 'misfit'],
  ['IMAGE_BYTES', Buffer.from('x'), Uint8Array.of(0x78)],
  ['UNIX_TIMESTAMP', 1735689600n, 1735689600n],
  ['UNIX_TIMESTAMP', '2025-01-01T01:00:00+01:00', 1735689600n],
  ['UNIX_TIMESTAMP', 1.5, 'misfit'],
  ['UNIX_TIMESTAMP', null, null],
  ['UUID', 'zzz', 'zzz'],
  ['UUID', 5n, 'misfit'],
  ['DECIMAL', '1.50', '1.50'],
  ['DECIMAL', 1.5, 'misfit'],
  ['JSON', ' {"a":1} ', ' {"a":1} '],
  ['JSON', '{oops', 'misfit'],
  ['JSON', object(['k', [1n, null, 'é']]), '{"k": [1, null, "\\u00e9"]}'],
  ['ZONED_TIMESTAMP', '2025-01-01T02:00:00+02', { unixSeconds: 1735689600n, zone: '+02:00' }],
  ['ZONED_TIMESTAMP', '2025-01-01T00:00:00Z', { unixSeconds: 1735689600n, zone: 'UTC' }],
  ['ZONED_TIMESTAMP', '2025-01-01', { unixSeconds: 1735689600n, zone: '' }],
  ['STRING_LIST', [null, 'x'], ['', 'x']],
  ['STRING_LIST', 'x', 'misfit'],
  ['STRING_LIST', '["x"]', ['x']],
  ['STRING_LIST', [1n], 'misfit'],
  ['INT64_LIST', [1n, null], [1n, 0n]],
  ['INT64_LIST', [1.5], 'misfit'],
  ['INT64_LIST', [], []],
  ['DOUBLE_LIST', [1n, null, 2.5], [1, Number.NaN, 2.5]],
  ['BOOL_LIST', [true, null], [true, false]],
  ['UNIX_TIMESTAMP_LIST', [5n, null], [5n, NOT_A_TIME]],
  ['JSON_LIST', [object(['a', 1n]), '2', null], ['{"a": 1}', '2', 'null']],
  ['BYTES_LIST', ['x'], 'misfit'],
  ['STRING_SET', ['a', 'b', 'a'], ['a', 'b']],
  ['STRING_SET', ['a', null], 'misfit'],
  ['MAP', object(['a', 1n], ['b', object(['c', null])]), { a: 1n, b: { c: null } }],
  ['MAP', '{"a": [1, 2]}', { a: [1n, 2n] }],
  ['MAP', '[1]', 'misfit'],
  ['MAP', '{"\\ud800": 1}', 'misfit'],
  ['STRUCT', object(['a', 'x']), { a: 'x' }],
  ['MAP_LIST', [object(['a', 1n]), '{"b": 2}'], [{ a: 1n }, { b: 2n }]],
  ['VALUE_LIST', [[1n, 2n], null, []], [[1n, 2n], null, null]],
  ['SCALAR_MAP', object(['a', 1n]), 'misfit'],
];

test.each(PLAIN)('%s from %s', (name, value, expected) => {
  expect(stored(encodePlain(compileValueEncoder(ValueType[name]), value))).toEqual(expected);
});

type Typed = readonly [ValueTypeName, FeatureValue];
const typedMap = new Map([['a', { type: ValueType.INT64, value: 1n }]]);

const TYPED: readonly (readonly [ValueTypeName, Typed, unknown])[] = [
  ['INT64', ['INT32', 7], 7n],
  ['INT32', ['INT64', -7n], -7],
  ['INT32', ['INT64', 2n ** 40n], 'misfit'],
  ['INT64', ['STRING', '7'], 7n],
  ['FLOAT', ['DOUBLE', 0.1], Math.fround(0.1)],
  ['DOUBLE', ['FLOAT', 0.5], 0.5],
  ['FLOAT', ['FLOAT', Number.NaN], null],
  ['DOUBLE', ['DOUBLE', Number.NaN], null],
  ['STRING', ['UUID', 'u'], 'u'],
  ['STRING', ['NULL', null], null],
  ['BYTES', ['BYTES', Buffer.from('x')], Uint8Array.of(0x78)],
  ['STRING', ['BYTES', Buffer.from('x')], 'misfit'],
  ['STRUCT', ['MAP', typedMap], { a: 1n }],
  ['JSON', ['MAP', typedMap], '{"a": 1}'],
  ['JSON', ['JSON', '{oops'], 'misfit'],
  ['STRING_SET', ['STRING_LIST', ['a', 'a']], ['a']],
  ['INT64_SET', ['INT64_SET', [1n, 1n]], [1n]],
  ['DOUBLE_LIST', ['INT64_LIST', [1n]], [1]],
  ['FLOAT_LIST', ['DOUBLE_LIST', [0.5, Number.NaN]], [0.5, Number.NaN]],
  ['BYTES_LIST', ['BYTES_LIST', [Buffer.from('x')]], [Uint8Array.of(0x78)]],
  ['BYTES_SET', ['BYTES_LIST', [Buffer.from('x')]], 'misfit'],
  ['UNIX_TIMESTAMP', ['INT64', 5n], 5n],
  ['SCALAR_MAP', ['MAP', typedMap], 'misfit'],
];

test.each(TYPED)('%s from typed %s', (name, [type, value], expected) => {
  const bytes = writeValue(ValueType[type], value);
  expect(stored(fromTyped(ValueType[name], bytes))).toEqual(expected);
});

describe('a typed value of the declared type', () => {
  const scalars = fc.oneof(
    fc.tuple(fc.constant(ValueType.INT64), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    fc.tuple(fc.constant(ValueType.INT32), fc.integer()),
    fc.tuple(fc.constant(ValueType.DOUBLE), fc.double()),
    fc.tuple(fc.constant(ValueType.FLOAT), fc.float()),
    fc.tuple(fc.constant(ValueType.BOOL), fc.boolean()),
    fc.tuple(fc.constant(ValueType.STRING), fc.string({ unit: 'binary', maxLength: 300 })),
    fc.tuple(fc.constant(ValueType.BYTES), fc.uint8Array({ maxLength: 300 })),
  );

  it('is stored with the bytes of the serializer, NaN as null', () => {
    fc.assert(
      fc.property(scalars, ([type, value]) => {
        const bytes = writeValue(type, value);
        const expected = Number.isNaN(value) ? new Uint8Array(0) : bytes;
        expect(Buffer.from(fromTyped(type, bytes)!)).toEqual(Buffer.from(expected));
      }),
    );
  });

  it.each([
    ['a long varint', ValueType.INT64, '208500', '2005'],
    ['an unknown field before it', ValueType.INT64, 'f80f012005', '2005'],
    ['another member before it', ValueType.STRING, '2005120161', '120161'],
    ['bool 2', ValueType.BOOL, '3802', '3801'],
    ['numbers that are not packed', ValueType.INT64_LIST, '720408010802', '72040a020102'],
  ])('loses %s', (_what, type, sent, kept) => {
    const bytes = fromTyped(type, Buffer.from(sent, 'hex'));
    expect(Buffer.from(bytes!).toString('hex')).toBe(kept);
  });
});
