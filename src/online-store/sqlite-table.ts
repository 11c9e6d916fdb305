import type { DatabaseSync, StatementSync } from 'node:sqlite';

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

/** How one feature of one row is written to a table. */
export interface FeatureWrite {
  /** Its named parameters, some or all of `WRITTEN_COLUMNS`. */
  readonly upsert: StatementSync;
  readonly columns: ReadonlySet<string>;
}

/** What a write says of a feature, in the order of Feast's layout; not every table has all of them. */
const WRITTEN_COLUMNS = [
  'entity_key',
  'feature_name',
  'value',
  'value_text',
  'value_num',
  'vector_value',
  'event_ts',
  'created_ts',
] as const;

/**
 * Prepares writing to a table as it is: those of older Feast releases lack `value_text` and `vector_value`, those of a
 * store with `enable_openai_compatible_store` have `value_num`.
 */
export function prepareWrite(database: DatabaseSync, table: string): FeatureWrite {
  const present = new Set(
    database
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(table)
      .map((row) => row['name'] as string),
  );
  const columns = WRITTEN_COLUMNS.filter((column) => present.has(column));
  const updates = columns.slice(2).map((column) => `${column} = excluded.${column}`);
  const upsert = database.prepare(
    `INSERT INTO ${quoteIdentifier(table)} (${columns.join(', ')})
     VALUES (${columns.map((column) => `:${column}`).join(', ')})
     ON CONFLICT (entity_key, feature_name) DO UPDATE SET ${updates.join(', ')}`,
  );
  return { upsert, columns: new Set(columns) };
}
