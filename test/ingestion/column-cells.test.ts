import type { DuckDBDataChunk } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { GrowingBytes } from '../../src/feast-encoding/growing-bytes.ts';
import { ValueType, valueTypeName } from '../../src/feast-encoding/value-type.ts';
import { appendTypedValue } from '../../src/feast-encoding/value-writer.ts';
import { compileColumnCells } from '../../src/ingestion/column-cells.ts';
import { compileKeyCells } from '../../src/ingestion/key-cells.ts';
import { openScratchDatabase, type ScratchDatabase } from '../../src/ingestion/scratch-database.ts';
import { compileValueConversion } from '../../src/ingestion/value-conversion.ts';

let database: ScratchDatabase;
beforeAll(async () => {
  database = await openScratchDatabase({ memoryLimit: '100MB' });
});
afterAll(() => database.close());

const REPEATS = 40;

/** The rows of a query that are few enough for one chunk. */
async function onlyChunk(sql: string): Promise<DuckDBDataChunk> {
  const found: DuckDBDataChunk[] = [];
  for await (const chunk of (await database.connection.stream(sql)).chunks) found.push(chunk);
  expect(found).toHaveLength(1);
  return found[0]!;
}

/** A chunk of one column with these values of SQL, every other one followed by a null, again and again. */
async function chunkOf(type: string, values: readonly string[]): Promise<DuckDBDataChunk> {
  const rows = values.flatMap((value, i) => (i % 2 === 0 ? [value, 'NULL'] : [value]));
  const listed = rows.map((value, i) => `(${i}, (${value})::${type})`).join(', ');
  const chunk = await onlyChunk(
    `SELECT v FROM (VALUES ${listed}) t(i, v), range(${REPEATS}) r(n) ORDER BY n, i`,
  );
  expect(chunk.rowCount).toBe(rows.length * REPEATS);
  return chunk;
}

const INTEGERS = ['0', '1', '-1', '127', '128', '-2147483648', '2147483647'];
const WIDE = [...INTEGERS, '2147483648', '-2147483649', '9223372036854775807', '4294967296'];
const LEAST = '-9223372036854775808';
const FLOATS = ['0', "'-0.0'", '1.5', '-3e38', '1e-40', "'NaN'", "'inf'", "'-inf'", '0.1'];
const TEXTS = ["''", "'a'", "'twelve bytes'", "'thirteen byte'", "'Zürich 🎉'", "repeat('é', 300)"];

const CASES: readonly (readonly [number, string, readonly string[]])[] = [
  [ValueType.INT64, 'BIGINT', [...WIDE, LEAST]],
  [ValueType.INT32, 'BIGINT', [...WIDE, LEAST]],
  [ValueType.INT64, 'INTEGER', INTEGERS],
  [ValueType.INT32, 'INTEGER', INTEGERS],
  [ValueType.DOUBLE, 'DOUBLE', [...FLOATS, '1e308']],
  [ValueType.DOUBLE, 'FLOAT', FLOATS],
  [ValueType.FLOAT, 'DOUBLE', [...FLOATS, '1e308']],
  [ValueType.FLOAT, 'FLOAT', FLOATS],
  [ValueType.BOOL, 'BOOLEAN', ['true', 'false']],
  [ValueType.STRING, 'VARCHAR', TEXTS],
  [ValueType.BYTES, 'BLOB', ["'\\x00\\xff'", "''", "repeat('ab', 100)::BLOB"]],
  // Those of which each value is converted.
  [ValueType.STRING, 'BIGINT', WIDE],
  [ValueType.UNIX_TIMESTAMP, 'BIGINT', WIDE],
  [ValueType.INT64_LIST, 'BIGINT[]', ['[1, 2, NULL]', '[]']],
];

describe('cells of a column', () => {
  it.each(CASES.map((each) => [valueTypeName(each[0]), each[1], each] as const))(
    'of %s have of a %s the bytes of its values converted one by one',
    async (_name, _type, [valueType, sqlType, values]) => {
      const chunk = await chunkOf(sqlType, values);
      const vector = chunk.getColumnVector(0);
      const convert = compileValueConversion(valueType, vector.type)!;
      const cells = compileColumnCells(valueType, vector.type, 0)!;
      cells.attach(chunk);
      const cell = new GrowingBytes();
      const expected = new GrowingBytes();
      let fitting = 0;
      for (let row = 0; row < chunk.rowCount; row++) {
        const value = convert(vector.getItem(row));
        cell.at = 0;
        expected.at = 0;
        if (value !== undefined) appendTypedValue(expected, value);
        expect(cells.write(row, cell), `row ${row}`).toBe(value !== undefined);
        if (value === undefined) continue;
        fitting++;
        expect(cell.bytes.toString('hex', 0, cell.at), `row ${row}`).toBe(
          expected.bytes.toString('hex', 0, expected.at),
        );
      }
      expect(fitting).toBeGreaterThan(REPEATS);
    },
  );

  it('are not there where a column cannot hold such values', async () => {
    const chunk = await chunkOf('BLOB', ["''"]);
    expect(compileColumnCells(ValueType.INT64, chunk.getColumnVector(0).type, 0)).toBeUndefined();
  });
});

describe('cells of entity keys', () => {
  it('are the serialized keys, join keys in their order, of all types', async () => {
    const chunk = await onlyChunk(
      `SELECT 'x', (${LEAST})::BIGINT, -7::BIGINT, repeat('long ', 9), 2.5::DOUBLE, '\\x00\\x01'::BLOB, 99::BIGINT`,
    );
    const joinKeys = [
      { name: 'wide', valueType: ValueType.INT64, value: -(2n ** 63n) },
      { name: 'narrow', valueType: ValueType.INT32, value: -7 },
      { name: 'text', valueType: ValueType.STRING, value: 'long '.repeat(9) },
      { name: 'number', valueType: ValueType.STRING, value: '2.5' },
      { name: 'bytes', valueType: ValueType.BYTES, value: Uint8Array.of(0, 1) },
      { name: 'moment', valueType: ValueType.UNIX_TIMESTAMP, value: 99n },
    ];
    const columns = joinKeys.map(({ name }, i) => ({
      name,
      sourceName: name,
      type: chunk.getColumnVector(1 + i).type,
    }));
    for (const version of [2, 3] as const) {
      const key = compileKeyCells(
        joinKeys.map(({ name, valueType }) => ({ name, valueType })),
        columns,
        1,
        version,
      );
      const out = new GrowingBytes();
      key.attach(chunk);
      expect(key.write(0, out)).toBe(true);
      const expected = serializeEntityKey(
        joinKeys.map(({ name }) => name),
        joinKeys.map(({ valueType: type, value }) => ({ type, value })),
        version,
      );
      expect(out.bytes.toString('hex', 0, out.at)).toBe(Buffer.from(expected).toString('hex'));
    }
  });

  it.each([
    ['INT64', 'BIGINT', '7'],
    ['STRING', 'VARCHAR', "'a text that is not short'"],
    ['BYTES', 'BLOB', "'\\x00'"],
    ['STRING', 'DOUBLE', '2.5'],
  ] as const)('of a null there are none: %s of a %s', async (valueType, sqlType, value) => {
    const chunk = await chunkOf(sqlType, [value]);
    const { type } = chunk.getColumnVector(0);
    const key = compileKeyCells(
      [{ name: 'k', valueType: ValueType[valueType] }],
      [{ name: 'k', sourceName: 'k', type }],
      0,
      3,
    );
    key.attach(chunk);
    const out = new GrowingBytes();
    expect([0, 1, 2, 3].map((row) => key.write(row, out))).toEqual([true, false, true, false]);
  });
});
