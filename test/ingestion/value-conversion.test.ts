import { DuckDBInstance, SQLNULL } from '@duckdb/node-api';
import type { DuckDBConnection } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { ValueTypeName } from '../../src/feast-encoding/value-type.ts';
import { compileValueConversion } from '../../src/ingestion/value-conversion.ts';

let instance: DuckDBInstance;
let connection: DuckDBConnection;

beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:');
  connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
});

afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

/** Converts the one value of an SQL expression; 'refused' = its type never fits, 'misfit' = this value does not. */
async function convert(name: ValueTypeName, sql: string): Promise<unknown> {
  const result = await connection.runAndReadAll(`SELECT ${sql}`);
  const conversion = compileValueConversion(ValueType[name], result.columnTypes()[0]!);
  if (conversion === undefined) {
    return 'refused';
  }
  const converted = conversion(result.getRows()[0]![0]!);
  if (converted === undefined) {
    return 'misfit';
  }
  return converted.type === ValueType.INVALID ? null : converted.value;
}

const NOT_A_TIME = -(2n ** 63n);
const UUID = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';

const CASES: readonly (readonly [type: ValueTypeName, sql: string, expected: unknown])[] = [
  ['INT32', '2147483647::BIGINT', 2147483647n],
  ['INT32', '2147483648::BIGINT', 'misfit'],
  ['INT32', '(-2147483648)::INTEGER', -2147483648],
  ['INT32', 'NULL::INTEGER', null],
  ['INT64', '9007199254740993::BIGINT', 9007199254740993n],
  ['INT64', '9223372036854775808::UBIGINT', 'misfit'],
  ['INT64', '1.7::DOUBLE', 1n],
  ['INT64', '-1.7::DOUBLE', -1n],
  ['INT64', "'nan'::DOUBLE", null],
  ['INT64', "'inf'::DOUBLE", 'misfit'],
  ['INT64', '-12.99::DECIMAL(10,2)', -12n],
  ['INT64', 'true', 1],
  ['INT64', "' 7 '", 7n],
  ['INT64', "'7.5'", 'misfit'],
  ['INT64', "''", 'misfit'],
  ['INT64', "DATE '2024-01-02'", 'refused'],
  ['INT64', "TIMESTAMP '2024-01-02 00:00:00'", 'refused'],
  ['INT64', '[1]', 'refused'],
  ['DOUBLE', '0.1::FLOAT', Math.fround(0.1)],
  ['DOUBLE', "'nan'::DOUBLE", null],
  ['DOUBLE', "'-inf'::DOUBLE", -Infinity],
  ['DOUBLE', '12.50::DECIMAL(10,2)', 12.5],
  ['DOUBLE', "'1e3'", 1000],
  ['DOUBLE', "'NaN'", null],
  ['DOUBLE', "'1,5'", 'misfit'],
  ['DOUBLE', "'0x10'", 'misfit'],
  ['FLOAT', '16777217::BIGINT', 16777217],
  ['BOOL', 'false', false],
  ['BOOL', '2::BIGINT', true],
  ['BOOL', "'TRUE'", true],
  ['BOOL', "'yes'", 'misfit'],
  ['BOOL', '1.0::DOUBLE', 'refused'],
  ['STRING', "''", ''],
  ['STRING', '1::BIGINT', '1'],
  ['STRING', '1.0::DOUBLE', '1.0'],
  ['STRING', 'false', 'False'],
  ['STRING', "TIMESTAMP '2024-01-01 01:02:03.000004'", '2024-01-01T01:02:03.000004'],
  ['STRING', "TIMESTAMP '1969-12-31 23:59:59.5'", '1969-12-31T23:59:59.500000'],
  ['STRING', "TIMESTAMP_NS '2024-01-01 01:02:03.000004005'", '2024-01-01T01:02:03.000004005'],
  ['STRING', "DATE '2024-01-02'", '2024-01-02'],
  ['STRING', "'ab'::BLOB", 'refused'],
  ['STRING', "['a']", 'refused'],
  ['STRING', "INTERVAL '1' DAY", 'refused'],
  ['BYTES', "'\\xFF'::BLOB", Uint8Array.of(255)],
  ['BYTES', "'text'", 'refused'],
  ['IMAGE_BYTES', "'ab'::BLOB", Uint8Array.of(97, 98)],
  ['UNIX_TIMESTAMP', "TIMESTAMP '1969-12-31 23:59:59.5'", -1n],
  ['UNIX_TIMESTAMP', "TIMESTAMPTZ '2024-01-01 02:00:00+02'", 1704067200n],
  ['UNIX_TIMESTAMP', 'NULL::TIMESTAMP', NOT_A_TIME],
  ['UNIX_TIMESTAMP', 'NULL::DATE', NOT_A_TIME],
  ['UNIX_TIMESTAMP', 'NULL::VARCHAR', null],
  ['UNIX_TIMESTAMP', '5::BIGINT', 5n],
  ['UNIX_TIMESTAMP', "'2024-01-01'", 1704067200n],
  ['UNIX_TIMESTAMP', "'-5'", -5n],
  ['UNIX_TIMESTAMP', "'soon'", 'misfit'],
  ['UNIX_TIMESTAMP', '1.5::DOUBLE', 'refused'],
  ['ZONED_TIMESTAMP', "TIMESTAMPTZ '2024-01-01'", { unixSeconds: 1704067200n, zone: 'UTC' }],
  ['ZONED_TIMESTAMP', "TIMESTAMP '2024-01-01'", { unixSeconds: 1704067200n, zone: '' }],
  ['UUID', `'${UUID}'`, UUID],
  ['UUID', `'${UUID}'::UUID`, UUID],
  ['TIME_UUID', `'${UUID}'`, UUID],
  ['DECIMAL', '0.00000001::DECIMAL(20,8)', '1E-8'],
  ['DECIMAL', "'1.50'", '1.50'],
  ['DECIMAL', '1.5::DOUBLE', 'refused'],
  ['JSON', '\'{"a": 1}\'', '{"a": 1}'],
  ['JSON', '\'{"a": NaN}\'', '{"a": NaN}'],
  ['JSON', "'{a: 1}'", 'misfit'],
  ['JSON', "{'a': 1, 'b': 'ü', 'c': [1.5::DOUBLE]}", '{"a": 1, "b": "\\u00fc", "c": [1.5]}'],
  ['JSON', "TIMESTAMP '2024-01-01'", 'refused'],
  ['INT64_LIST', '[1, NULL, 3]::BIGINT[]', [1n, 0, 3n]],
  ['INT64_LIST', '[]::BIGINT[]', []],
  ['INT64_LIST', 'NULL::BIGINT[]', null],
  ['INT32_LIST', '[2147483648]::BIGINT[]', 'misfit'],
  ['INT64_LIST', "'[1, 9007199254740993]'", [1n, 9007199254740993n]],
  ['INT64_LIST', "'[1.5]'", 'misfit'],
  ['INT64_LIST', "'[1'", 'misfit'],
  ['INT64_LIST', '1::BIGINT', 'refused'],
  ['FLOAT_LIST', '[0.5, NULL]::FLOAT[]', [0.5, Number.NaN]],
  ['FLOAT_LIST', '[1, 2]::FLOAT[2]', [1, 2]],
  ['DOUBLE_LIST', '\'[1, null, "nan"]\'', [1, 0, Number.NaN]],
  ['STRING_LIST', "['a', NULL]", ['a', '']],
  ['BYTES_LIST', "['a'::BLOB, NULL]", [Uint8Array.of(97), new Uint8Array(0)]],
  ['BOOL_LIST', '[true, NULL]', [true, false]],
  [
    'UNIX_TIMESTAMP_LIST',
    "[TIMESTAMP '1969-12-31 23:59:59.5', NULL]",
    // Feast cuts towards zero inside lists and rounds down outside.
    [0n, NOT_A_TIME],
  ],
  ['UNIX_TIMESTAMP_SET', "[TIMESTAMP '1969-12-31 23:59:59.5']", [-1n]],
  ['UUID_LIST', `['${UUID}', NULL]`, [UUID, '']],
  ['DECIMAL_LIST', '[1.50, NULL]::DECIMAL(10,2)[]', ['1.50', '']],
  ['JSON_LIST', "['{}', NULL]", ['{}', 'null']],
  ['JSON_LIST', "['{']", 'misfit'],
  ['JSON_LIST', "[{'a': 1}]", ['{"a": 1}']],
  ['INT64_SET', '[3, 1, 3]::BIGINT[]', [3n, 1n]],
  ['INT64_SET', '[3, NULL]::BIGINT[]', 'misfit'],
  ['BYTES_SET', "['a'::BLOB, 'a'::BLOB]", [Uint8Array.of(97)]],
  ['STRING_SET', '\'["b", "a", "b"]\'', ['b', 'a']],
  [
    'MAP',
    "{'i': 1::INTEGER, 'f': 1.5::FLOAT, 's': 't', 'n': NULL::VARCHAR, 'nan': 'nan'::DOUBLE}",
    new Map([
      ['i', { type: ValueType.INT64, value: 1 }],
      ['f', { type: ValueType.DOUBLE, value: 1.5 }],
      ['s', { type: ValueType.STRING, value: 't' }],
      ['n', { type: ValueType.INVALID, value: null }],
      ['nan', { type: ValueType.INVALID, value: null }],
    ]),
  ],
  ['MAP', "MAP {'a': [1::INTEGER]}", new Map([['a', { type: ValueType.INT32_LIST, value: [1] }]])],
  [
    'MAP',
    "{'maps': [{'x': 1}], 'none': []::BIGINT[]}",
    new Map([
      [
        'maps',
        {
          type: ValueType.MAP_LIST,
          value: [new Map([['x', { type: ValueType.INT64, value: 1 }]])],
        },
      ],
      ['none', { type: ValueType.INT64_LIST, value: [] }],
    ]),
  ],
  [
    'STRUCT',
    '\'{"a": 1, "b": [1.5], "c": null}\'',
    new Map([
      ['a', { type: ValueType.INT64, value: 1n }],
      ['b', { type: ValueType.DOUBLE_LIST, value: [1.5] }],
      ['c', { type: ValueType.INVALID, value: null }],
    ]),
  ],
  ['MAP', "'[1]'", 'misfit'],
  ['MAP', '\'{"a": [1, "x"]}\'', 'misfit'],
  ['MAP', '\'{"a": 9223372036854775808}\'', 'misfit'],
  ['MAP', 'MAP {1: 2}', 'refused'],
  ['MAP_LIST', "[{'a': 1::BIGINT}]", [new Map([['a', { type: ValueType.INT64, value: 1n }]])]],
  ['STRUCT_LIST', "[{'a': 1}, NULL]", 'misfit'],
  [
    'SCALAR_MAP',
    "MAP {1::BIGINT: 'x', 2::BIGINT: NULL}",
    [
      [
        { type: ValueType.INT64, value: 1n },
        { type: ValueType.STRING, value: 'x' },
      ],
      [
        { type: ValueType.INT64, value: 2n },
        { type: ValueType.INVALID, value: null },
      ],
    ],
  ],
  ['SCALAR_MAP', "MAP {'a': 1}", 'refused'],
  [
    'VALUE_LIST',
    '[[1, 2], [], NULL]::INTEGER[][]',
    [
      { type: ValueType.INT32_LIST, value: [1, 2] },
      { type: ValueType.INVALID, value: null },
      { type: ValueType.INVALID, value: null },
    ],
  ],
  ['VALUE_SET', '\'[["a"]]\'', [{ type: ValueType.STRING_LIST, value: ['a'] }]],
  ['VALUE_LIST', '[1]', 'refused'],
];

describe('a column becomes a value of the declared type', () => {
  test.each(CASES)('%s from %s', async (type, sql, expected) => {
    expect(await convert(type, sql)).toEqual(
      expected instanceof Uint8Array ? Buffer.from(expected) : bufferLists(expected),
    );
  });

  test('a column of nulls alone fits everything', () => {
    for (const type of ['INT64', 'STRING', 'MAP', 'FLOAT_LIST'] as const) {
      const conversion = compileValueConversion(ValueType[type], SQLNULL);
      expect(conversion?.(null)).toEqual({ type: ValueType.INVALID, value: null });
    }
  });
});

/** DuckDB gives bytes as Buffer, which vitest tells from Uint8Array. */
function bufferLists(expected: unknown): unknown {
  return Array.isArray(expected) && expected[0] instanceof Uint8Array
    ? expected.map((item: Uint8Array, i) => (i === 0 ? Buffer.from(item) : item))
    : expected;
}
