import { Buffer } from 'node:buffer';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { storedText, valueNumber } from './value-text.ts';

/** Entities asked for in one statement; a read is made of statements of these sizes, so that few have to be prepared. */
export const KEYS_PER_STATEMENT = [1, 8, 64, 256] as const;

/** Name of the SQLite table of a stored view (`{project}_{view}`, with `_vN` in the view's stored name). */
export function sqliteTableName(project: string, storedViewName: string): string {
  return `${project}_${storedViewName}`;
}

/** A name as an SQL identifier. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Creates the table and index of a view where they are missing, as Feast does. */
export function createViewTable(database: DatabaseSync, table: string): void {
  const columns = [
    'entity_key BLOB',
    'feature_name TEXT',
    'value BLOB',
    'value_text TEXT',
    'vector_value BLOB',
    'event_ts timestamp',
    'created_ts timestamp',
    'PRIMARY KEY(entity_key, feature_name)',
  ].join(', ');
  database.exec(`CREATE TABLE IF NOT EXISTS ${quoteIdentifier(table)} (${columns})`);
  const index = quoteIdentifier(`${table}_ek`);
  database.exec(`CREATE INDEX IF NOT EXISTS ${index} ON ${quoteIdentifier(table)} (entity_key)`);
}

/**
 * A statement that reads all features of `keyCount` entities: parameters are their keys, rows are
 * `[position of the key, feature_name, value, event_ts]`.
 */
export function prepareRead(
  database: DatabaseSync,
  table: string,
  keyCount: number,
): StatementSync {
  const name = quoteIdentifier(table);
  const keys = Array.from({ length: keyCount }, (_, i) => `(${i}, ?)`).join(', ');
  // CROSS JOIN keeps the keys outside: one look into the index for each.
  const sql =
    keyCount === 1
      ? `SELECT 0, feature_name, value, event_ts FROM ${name} WHERE entity_key = ?`
      : `WITH wanted(position, entity_key) AS (VALUES ${keys})
         SELECT wanted.position, stored.feature_name, stored.value, stored.event_ts
         FROM wanted CROSS JOIN ${name} AS stored ON stored.entity_key = wanted.entity_key`;
  const statement = database.prepare(sql);
  statement.setReturnArrays(true);
  statement.setReadBigInts(true);
  return statement;
}

/** Features that one statement writes at most. */
const FEATURES_PER_STATEMENT = 64;
/** Parameters of a statement before those of its values. */
const MOMENT_AND_KEY = 3;

/** Moments of a row in whole seconds, as they are stored. */
export interface RowSeconds {
  readonly event: bigint | number;
  readonly created: bigint | number | null;
}

/** Writes what a row of a slab says to a table, over what that holds of it. */
export type RowWriter = (slab: RowSlab, row: number, seconds: RowSeconds) => void;

/** What is written of a value; not every table has all of it. */
const VALUE_COLUMNS: readonly {
  readonly name: string;
  readonly of: (value: Buffer) => string | number | Uint8Array | null;
}[] = [
  { name: 'value', of: (value) => value },
  { name: 'value_text', of: storedText },
  { name: 'value_num', of: (value) => valueNumber(readValue(value)) },
];
/** What is emptied, where a table has it. */
const VECTOR_COLUMN = 'vector_value';

/**
 * Prepares writing to a table as it is: those of older Feast releases lack `value_text` and `vector_value`, those of a
 * store with `enable_openai_compatible_store` have `value_num`.
 *
 * @param featureNames of the values of a row, same order.
 */
export function prepareWrite(
  database: DatabaseSync,
  table: string,
  featureNames: readonly string[],
): RowWriter {
  const present = new Set(
    database
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(table)
      .map((row) => row['name'] as string),
  );
  const valueColumns = VALUE_COLUMNS.filter(({ name }) => present.has(name));
  const vectorColumns = present.has(VECTOR_COLUMN) ? [VECTOR_COLUMN] : [];
  // Those of moments every table has, so that the statement says so where there is no table.
  const names = [
    ...valueColumns.map(({ name }) => name),
    ...vectorColumns,
    'event_ts',
    'created_ts',
  ];
  // What is the same in all rows stands in the statement: each value that is bound costs a tenth of a write.
  const prepare = (first: number, end: number): StatementSync => {
    let bound = MOMENT_AND_KEY;
    const cells = featureNames.slice(first, end).map((featureName) => {
      const values = names.map((name) => {
        if (name === 'event_ts') return '?2';
        if (name === 'created_ts') return '?3';
        return name === VECTOR_COLUMN ? 'NULL' : `?${++bound}`;
      });
      return `(?1, ${quoteText(featureName)}, ${values.join(', ')})`;
    });
    const updates = names.map((name) => `${name} = excluded.${name}`);
    return database.prepare(
      `INSERT INTO ${quoteIdentifier(table)} (entity_key, feature_name, ${names.join(', ')}) VALUES ${cells.join(', ')}
       ON CONFLICT (entity_key, feature_name) DO UPDATE SET ${updates.join(', ')}`,
    );
  };
  const statements = new Map<number, StatementSync>();
  const width = featureNames.length;
  return (slab, row, { event, created }) => {
    const entityKey = slab.entityKey(row);
    let first = 0;
    while (first < width) {
      const parameters: SQLInputValue[] = [entityKey, event, created];
      let end = first;
      for (; end < width && end - first < FEATURES_PER_STATEMENT; end++) {
        const value = slab.cell(row, end + 1);
        if (value === undefined) break;
        for (const { of } of valueColumns) parameters.push(of(value));
      }
      if (end > first) {
        const shape = first * (width + 1) + end;
        const statement = statements.get(shape) ?? prepare(first, end);
        statements.set(shape, statement);
        statement.run(...parameters);
      }
      // Of the next one nothing is said, unless the statement was full.
      first = end - first === FEATURES_PER_STATEMENT ? end : end + 1;
    }
  };
}

/** A text as SQL has it. A statement ends at its first zero byte. */
function quoteText(text: string): string {
  return text.includes('\0')
    ? `CAST(X'${Buffer.from(text).toString('hex')}' AS TEXT)`
    : `'${text.replaceAll("'", "''")}'`;
}
