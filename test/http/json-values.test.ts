import { readFileSync } from 'node:fs';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  FloatListSchema,
  ValueSchema,
  ZonedTimestampSchema,
} from '../../gen/feast/types/Value_pb.ts';
import { valueJson } from '../../src/http/value-json.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';

interface ValueVector {
  id: string;
  note: string;
  kind: 'encode' | 'decode';
  bytes_b64: string;
  accepted?: boolean;
  which?: string | null;
  http_json_text?: string;
  http_json_error?: { class: string };
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, value);
}

/** Objects have no order; everything else is compared as text. */
function sortedObjects(text: string): string {
  return JSON.stringify(
    JSON.parse(text, (_name, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' ? `#${context?.source}` : value,
    ),
    (_name, value: unknown) =>
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        : value,
  );
}

describeWithShared('valueJson against the values recorded from Feast', () => {
  const vectors = readFileSync(sharedPath('golden', 'values.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ValueVector);

  /** Parsers differ here; the vectors' own description says so. */
  const PARSER_SPECIFIC = new Set(['map entry with unknown field']);

  it('prints what Feast prints for every value that Feast can print', () => {
    const printable = vectors.filter(
      (vector) => vector.http_json_text !== undefined && !PARSER_SPECIFIC.has(vector.note),
    );
    expect(printable.length).toBeGreaterThan(400);
    const different = printable
      .map((vector) => ({
        id: vector.id,
        note: vector.note,
        feast: vector.http_json_text,
        ours: valueJson(Buffer.from(vector.bytes_b64, 'base64'), 'string'),
      }))
      .filter(({ feast, ours }) => ours !== feast)
      .filter(
        ({ feast, ours }) =>
          ours === undefined ||
          !ours.includes('{') ||
          sortedObjects(ours) !== sortedObjects(feast!),
      );
    expect(different).toEqual([]);
  });

  it('refuses whatever the parser refuses', () => {
    const refused = vectors.filter((vector) => vector.accepted === false);
    expect(refused.length).toBeGreaterThan(50);
    const printed = refused
      .map(({ id, note, bytes_b64 }) => ({
        id,
        note,
        ours: valueJson(Buffer.from(bytes_b64, 'base64'), 'string'),
      }))
      .filter(({ ours }) => ours !== undefined);
    expect(printed).toEqual([]);
  });
});

describe('valueJson', () => {
  const encoded = (value: Parameters<typeof create<typeof ValueSchema>>[1]): Uint8Array =>
    toBinary(ValueSchema, create(ValueSchema, value));

  it('prints NaN and infinities as null where that is asked for, inside lists too', () => {
    expect(valueJson(encoded({ val: { case: 'doubleVal', value: NaN } }), 'null')).toBe('null');
    const list = encoded({
      val: {
        case: 'floatListVal',
        value: create(FloatListSchema, { val: [1, Infinity, -Infinity, NaN] }),
      },
    });
    expect(valueJson(list, 'null')).toBe('[1.0,null,null,null]');
    expect(valueJson(list, 'string')).toBe('[1.0,"Infinity","-Infinity","NaN"]');
  });

  it('reads a value in the middle of a larger buffer', () => {
    const value = encoded({ val: { case: 'doubleVal', value: 2.5 } });
    const buffer = Buffer.concat([Buffer.from([1, 2, 3]), value, Buffer.from([4])]);
    expect(valueJson(buffer.subarray(3, 3 + value.length), 'string')).toBe('2.5');
  });

  it('takes the last of equal names in a map, and joins a value that comes in parts', () => {
    const lengthField = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
      const payload = Buffer.concat(parts);
      return Buffer.concat([Uint8Array.of(tag, payload.length), payload]);
    };
    const entry = (name: string, ...values: readonly Uint8Array[]): Buffer =>
      lengthField(0x0a, lengthField(0x0a, Buffer.from(name)), ...values);
    const value = (...bytes: readonly number[]): Buffer =>
      lengthField(0x12, Uint8Array.of(...bytes));
    const map = (...entries: readonly Uint8Array[]): string | undefined => {
      const payload = Buffer.concat(entries);
      return valueJson(Buffer.concat([Uint8Array.of(0xa2, 1, payload.length), payload]), 'string');
    };
    const one = value(0x20, 1);
    const two = value(0x20, 2);
    expect(map(entry('a', one), entry('b"', two), entry('a', two))).toBe('{"a":2,"b\\"":2}');
    expect(map(entry('a', one, two), entry('b'))).toBe('{"a":2,"b":null}');
    // `int32_list_val`, given twice.
    expect(map(entry('a', value(0x6a, 2, 8, 1), value(0x6a, 2, 8, 2)))).toBe('{"a":[1,2]}');
    expect(map(entry('a', value(0x12, 1, 0xff)), entry('a', one))).toBeUndefined();
  });

  it('joins a list that comes in very many parts', () => {
    const count = 300_000;
    const list = `[${Array.from({ length: count }, () => '7').join(',')}]`;
    // `int32_list_val` of one number.
    const parts = Buffer.alloc(4 * count, Uint8Array.of(0x6a, 2, 8, 7));
    expect(valueJson(parts, 'string') === list).toBe(true);

    // The same as values of one entry of a map, each a part of the entry's value.
    const values = Buffer.alloc(6 * count, Uint8Array.of(0x12, 4, 0x6a, 2, 8, 7));
    const entry = Buffer.concat([Uint8Array.of(0x0a, 1, 0x61), values]);
    const map = Buffer.concat([Uint8Array.of(0x0a), varint(entry.length), entry]);
    const value = Buffer.concat([Uint8Array.of(0xa2, 1), varint(map.length), map]);
    expect(valueJson(value, 'string') === `{"a":${list}}`).toBe(true);
  });

  it('prints years beyond four digits with a sign', () => {
    const value = create(ZonedTimestampSchema, {
      unixTimestamp: 253_402_300_799n,
      zone: 'Asia/Tokyo',
    });
    expect(valueJson(encoded({ val: { case: 'zonedTimestampVal', value } }), 'string')).toBe(
      '"+010000-01-01T08:59:59+09:00"',
    );
  });

  it('takes the offset of the zone at that instant, seconds and all', () => {
    const value = create(ZonedTimestampSchema, {
      unixTimestamp: -3_786_825_600n,
      zone: 'Europe/Berlin',
    });
    expect(valueJson(encoded({ val: { case: 'zonedTimestampVal', value } }), 'string')).toBe(
      '"1850-01-01T00:53:28+00:53:28"',
    );
  });
});
