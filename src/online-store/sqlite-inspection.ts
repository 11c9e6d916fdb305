import { Buffer } from 'node:buffer';
import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { isSideboardError } from '../errors.ts';
import type { ReadOptions, StoredEntity, StoredField, StoreFinding } from './online-store.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { quoteIdentifier } from './sqlite-table.ts';
import { readSqliteTimestamp } from './sqlite-timestamp.ts';
import { unreadableEntity } from './store-errors.ts';

const UNLIMITED: ReadOptions = { deadlineAtMs: Number.POSITIVE_INFINITY };

/** The file, its mode, and whether there is anything in it. */
export async function checkSqlite(file: SqliteDatabase): Promise<readonly StoreFinding[]> {
  try {
    return await file.run(UNLIMITED, (database) => {
      const mode = database.prepare('PRAGMA journal_mode').get()?.['journal_mode'];
      const tables = featureTables(database, '');
      const size = statSync(file.path).size;
      const findings: StoreFinding[] = [
        {
          level: 'ok',
          message: `SQLite file ${file.path}: ${size} bytes, ${tables.length} feature tables, journal mode ${String(mode)}`,
        },
      ];
      if (tables.length === 0) {
        findings.push({
          level: 'warning',
          message: 'The SQLite file has no feature tables: every read of a feature view fails',
          remedy: 'sideboard apply, then sideboard materialize',
        });
      }
      return findings;
    });
  } catch (error) {
    if (!isSideboardError(error)) {
      throw error;
    }
    const remedy = 'set online_store.path to a database file that this user may read and write';
    const message = `SQLite file ${file.path}: ${error.message}`;
    return [{ level: 'error', message, remedy }];
  }
}

export interface SqliteInspection {
  readonly file: SqliteDatabase;
  readonly project: string;
  readonly entityKey: Uint8Array;
  readonly writerUtcOffsetSeconds: number;
}

/** What the project's tables hold for an entity; `view` is the stored name of the view. */
export async function inspectSqlite(inspection: SqliteInspection): Promise<StoredEntity> {
  const { file, project, entityKey } = inspection;
  const fields = await file.run(UNLIMITED, (database) =>
    featureTables(database, `${project}_`).flatMap((table) =>
      storedFields(database, table, inspection),
    ),
  );
  const key = Buffer.from(entityKey);
  return {
    place: [
      ['file', file.path],
      ['entity key', key.toString('hex')],
    ],
    fields,
  };
}

function storedFields(
  database: DatabaseSync,
  table: string,
  { project, entityKey, writerUtcOffsetSeconds }: SqliteInspection,
): StoredField[] {
  const statement = database.prepare(
    `SELECT feature_name, value, event_ts FROM ${quoteIdentifier(table)}
     WHERE entity_key = ? ORDER BY feature_name`,
  );
  statement.setReadBigInts(true);
  return statement.all(entityKey).map((row) => {
    const { feature_name: name, value, event_ts: stored } = row;
    if (!(value instanceof Uint8Array) && value !== null) {
      throw unreadableEntity(entityKey, `table ${table} holds no bytes as a value`);
    }
    const eventTimestampNs = readSqliteTimestamp(stored, writerUtcOffsetSeconds);
    return {
      view: table.slice(project.length + 1),
      name: Buffer.from(String(name)),
      value: value ?? new Uint8Array(0),
      ...(eventTimestampNs === undefined ? {} : { eventTimestampNs }),
    };
  });
}

/** Tables with Feast's layout whose name begins with `prefix`. */
function featureTables(database: DatabaseSync, prefix: string): string[] {
  const rows = database
    .prepare(
      `SELECT name FROM sqlite_master AS t WHERE type = 'table'
       AND (SELECT count(*) FROM pragma_table_info(t.name)
            WHERE name IN ('entity_key', 'feature_name', 'value', 'event_ts')) = 4
       ORDER BY name`,
    )
    .all();
  return rows.map((row) => String(row['name'])).filter((name) => name.startsWith(prefix));
}
