import type { Buffer } from 'node:buffer';
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

/** Moments of a row in whole seconds, as they are stored. */
export interface RowSeconds {
  readonly event: bigint | number;
  readonly created: bigint | number | null;
}

/** Writes a row of a slab to a table, over what that holds of its features. @param featureNames of its values, same order */
export type CellWriter = (
  slab: RowSlab,
  row: number,
  featureNames: readonly string[],
  seconds: RowSeconds,
) => void;

/** What is written of a feature beside its row's key and moments; not every table has all of it. */
const CELL_COLUMNS: readonly {
  readonly name: string;
  readonly of: (featureName: string, value: Buffer) => string | number | Uint8Array | null;
}[] = [
  { name: 'feature_name', of: (featureName) => featureName },
  { name: 'value', of: (_featureName, value) => value },
  { name: 'value_text', of: (_featureName, value) => storedText(value) },
  { name: 'value_num', of: (_featureName, value) => valueNumber(readValue(value)) },
  { name: 'vector_value', of: () => null },
];

/**
 * Prepares writing to a table as it is: those of older Feast releases lack `value_text` and `vector_value`, those of a
 * store with `enable_openai_compatible_store` have `value_num`.
 */
export function prepareWrite(database: DatabaseSync, table: string): CellWriter {
  const present = new Set(
    database
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(table)
      .map((row) => row['name'] as string),
  );
  const cellColumns = CELL_COLUMNS.filter(({ name }) => present.has(name));
  const names = ['entity_key', 'event_ts', 'created_ts', ...cellColumns.map(({ name }) => name)];
  const updates = names
    .filter((name) => name !== 'entity_key' && name !== 'feature_name')
    .map((name) => `${name} = excluded.${name}`);
  const prepare = (cellCount: number): StatementSync => {
    const cells = Array.from({ length: cellCount }, (_, cell) => {
      const first = 4 + cell * cellColumns.length;
      return `(?1, ?2, ?3, ${cellColumns.map((_column, i) => `?${first + i}`).join(', ')})`;
    });
    return database.prepare(
      `INSERT INTO ${quoteIdentifier(table)} (${names.join(', ')}) VALUES ${cells.join(', ')}
       ON CONFLICT (entity_key, feature_name) DO UPDATE SET ${updates.join(', ')}`,
    );
  };
  const statements = new Map<number, StatementSync>();
  return (slab, row, featureNames, { event, created }) => {
    const entityKey = slab.entityKey(row);
    let parameters: SQLInputValue[] = [entityKey, event, created];
    let cellCount = 0;
    const write = (): void => {
      const statement = statements.get(cellCount) ?? prepare(cellCount);
      statements.set(cellCount, statement);
      statement.run(...parameters);
      parameters = [entityKey, event, created];
      cellCount = 0;
    };
    for (let i = 0; i < featureNames.length; i++) {
      const value = slab.cell(row, i + 1);
      if (value === undefined) {
        continue;
      }
      for (const { of } of cellColumns) {
        parameters.push(of(featureNames[i]!, value));
      }
      cellCount++;
      if (cellCount === FEATURES_PER_STATEMENT) {
        write();
      }
    }
    if (cellCount > 0) {
      write();
    }
  };
}
