import {
  tableFromArrays,
  tableFromIPC,
  tableToIPC,
  vectorFromArray,
  Int32,
  Table,
  TimestampNanosecond,
} from 'apache-arrow';
import { describe, expect, test } from 'vitest';
import { isSideboardError } from '../../src/errors.ts';
import type { FeatureValue } from '../../src/feast-encoding/typed-value.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { encodeInputs } from '../../src/transformation/arrow-inputs.ts';
import { decodeOutputs } from '../../src/transformation/arrow-outputs.ts';

/** A column of values that were sent as `sentType` (else: as what the column is declared as). */
function column(
  name: string,
  valueType: number,
  values: readonly FeatureValue[],
  sentType = valueType,
) {
  const bytes = values.map((value) =>
    value === null ? new Uint8Array(0) : writeValue(sentType, value),
  );
  return { name, valueType, valueAt: (row: number) => bytes[row]! };
}

function encode(...columns: readonly ReturnType<typeof column>[]): Table {
  return tableFromIPC(encodeInputs('view', columns, 2));
}

describe('inputs', () => {
  test.each([
    [ValueType.INT32, [-5n, null], 'Int32', [-5, null]],
    [ValueType.INT64, [2n ** 62n + 1n, null], 'Int64', [2n ** 62n + 1n, null]],
    [ValueType.FLOAT, [1.5, null], 'Float32', [1.5, null]],
    [ValueType.DOUBLE, [0.1, null], 'Float64', [0.1, null]],
    [ValueType.BOOL, [true, null], 'Bool', [true, null]],
    [ValueType.STRING, ['Köln', null], 'Utf8', ['Köln', null]],
    [ValueType.BYTES, [Uint8Array.of(0, 255), null], 'Binary', [Uint8Array.of(0, 255), null]],
    [ValueType.UNIX_TIMESTAMP, [-1n, null], 'Timestamp<SECOND>', [-1000, null]],
  ] as const)('of type %i', (valueType, values, type, found) => {
    const vector = encode(column('x', valueType, values)).getChild('x')!;
    expect(String(vector.type)).toBe(type);
    expect(Array.from(vector)).toEqual(found);
  });

  test('in lists, of which an empty one is none that is missing', () => {
    const table = encode(
      column('ints', ValueType.INT64_LIST, [[1n, 2n], []]),
      column('words', ValueType.STRING_LIST, [null, ['a']]),
      column('moments', ValueType.UNIX_TIMESTAMP_LIST, [[7n], null]),
    );
    const rows = (name: string) =>
      Array.from(table.getChild(name)!, (item: Iterable<unknown> | null) =>
        item === null ? null : Array.from(item),
      );
    expect(rows('ints')).toEqual([[1n, 2n], []]);
    expect(rows('words')).toEqual([null, ['a']]);
    expect(rows('moments')).toEqual([[7000], null]);
  });

  test('become what they are declared as, where that loses nothing', () => {
    const table = encode(
      column('double', ValueType.DOUBLE, [3n, 4n], ValueType.INT64),
      column('int', ValueType.INT32, [3, 4], ValueType.DOUBLE),
      column('undeclared', 0, [1n, null], ValueType.INT64),
      column('image', ValueType.IMAGE_BYTES, [Uint8Array.of(7), null], ValueType.BYTES),
    );
    expect(Array.from(table.getChild('double')!)).toEqual([3, 4]);
    expect(Array.from(table.getChild('int')!)).toEqual([3, 4]);
    expect(String(table.getChild('undeclared')!.type)).toBe('Int64');
    expect(Array.from(table.getChild('image')!)).toEqual([Uint8Array.of(7), null]);
  });

  test.each([
    [ValueType.DOUBLE, ['1', 'secret'], ValueType.STRING],
    [ValueType.INT64, [1, 1.5], ValueType.DOUBLE],
    [ValueType.INT32, [1n, 2n ** 40n], ValueType.INT64],
  ] as const)('that do not are refused without being shown: type %i', (valueType, values, sent) => {
    expect(() => encode(column('x', valueType, values, sent))).toThrow(
      /^On-demand feature view view: the value of x in row 1 is no [A-Z0-9]+$/,
    );
  });

  test('that Arrow has no type for are left out', () => {
    const map = new Map([['k', { type: ValueType.INT64, value: 1n }]]);
    const table = encode(
      column('map', ValueType.MAP, [map, null]),
      column('n', ValueType.INT64, [1n, 2n]),
    );
    expect(table.schema.names).toEqual(['n']);
    expect(table.numRows).toBe(2);
  });

  test('of many rows are one batch', () => {
    const values = Array.from({ length: 5000 }, (_, row) =>
      row % 3 === 0 ? null : 'x'.repeat(50),
    );
    const table = tableFromIPC(encodeInputs('v', [column('x', ValueType.STRING, values)], 5000));
    expect(table.batches).toHaveLength(1);
    expect(Array.from(table.getChild('x')!)).toEqual(values);
  });
});

describe('outputs', () => {
  const decode = (table: Table, valueType: number) =>
    decodeOutputs(tableToIPC(table, 'file'), 'a__b', [{ name: 'c', valueType }], 2)[0]!.map(
      (bytes) => readValue(bytes).value,
    );

  test('are found by the name of the view, whatever underscores it has', () => {
    const table = tableFromArrays({ c: [1, 2], b__c: [3, 4], a__b__c: [5, 6], a: [7, 8] });
    expect(decode(table, ValueType.INT64)).toEqual([5n, 6n]);
  });

  test('what pandas has instead of a value is none', () => {
    const table = tableFromArrays({ a__b__c: Float64Array.of(Number.NaN, 2) });
    expect(decode(table, ValueType.INT64)).toEqual([null, 2n]);
  });

  test('moments are whole seconds, also before 1970', () => {
    const vector = vectorFromArray([-500, 1500], new TimestampNanosecond());
    expect(decode(new Table({ a__b__c: vector }), ValueType.UNIX_TIMESTAMP)).toEqual([-1n, 1n]);
  });

  test.each([
    ['is not there', new Table({ c: vectorFromArray([1, 2], new Int32()) }), 'no column c'],
    ['is too short', tableFromArrays({ a__b__c: [1] }), '1 rows for 2'],
    ['is of another type', tableFromArrays({ a__b__c: ['1', 'x'] }), 'first in row 1'],
  ])('a column that %s fails the request', (_what, table, says) => {
    expect(() => decode(table, ValueType.INT64)).toThrow(says);
  });

  test('bytes that are no table fail the request', () => {
    for (const bytes of [new Uint8Array(0), Buffer.from('ARROW1 but not really')]) {
      try {
        decodeOutputs(bytes, 'v', [{ name: 'c', valueType: ValueType.INT64 }], 1);
        expect.unreachable();
      } catch (error) {
        expect(isSideboardError(error) && error.code).toBe('TRANSFORMATION_FAILED');
      }
    }
  });
});
