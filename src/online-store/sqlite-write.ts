import { Buffer } from 'node:buffer';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { ReadOptions, WriteBatch, WriteResult, WriteRow } from './online-store.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { prepareWrite, quoteIdentifier, sqliteTableName, type CellWriter } from './sqlite-table.ts';
import { readSqliteTimestamp, toSqliteSeconds } from './sqlite-timestamp.ts';

/** Rows in one transaction; reads of this process and of others get their turn in between. */
const ROWS_PER_TRANSACTION = 1_000;
/** Keys come in any order and touch pages all over the indexes: what stays in memory is not read and written again. */
const CACHE_KIB = 32 * 1024;
/** A page that several transactions changed goes from the log to the file once; the log grows to 32 MiB for it. */
const CHECKPOINT_PAGES = 8_192;

export interface SqliteWriteOptions {
  readonly writerUtcOffsetSeconds: number;
  readonly skipStale?: boolean;
}

/**
 * Writes a batch in transactions of bounded size, each whole or not at all. A later row of the same entity overwrites an
 * earlier one, unless `skipStale` compares their event timestamps.
 */
export async function writeSqliteBatch(
  file: SqliteDatabase,
  batch: WriteBatch,
  limits: ReadOptions,
  options: SqliteWriteOptions,
): Promise<WriteResult> {
  const table = sqliteTableName(batch.project, batch.view.storedName);
  let stale = 0;
  for (let first = 0; first < batch.rows.length; first += ROWS_PER_TRANSACTION) {
    const rows = inKeyOrder(batch.rows.slice(first, first + ROWS_PER_TRANSACTION));
    stale += await file.run(limits, (database) =>
      inTransaction(database, () => {
        const target = openTarget(database, table, batch.view.featureNames, options);
        return rows.filter((row) => !writeRow(target, row)).length;
      }),
    );
    await yieldToOthers();
  }
  return { written: batch.rows.length - stale, stale };
}

/** Neighbours in the indexes one after the other; rows of one entity keep their order. */
function inKeyOrder(rows: WriteRow[]): WriteRow[] {
  return rows.sort((a, b) => Buffer.compare(a.entityKey, b.entityKey));
}

function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  // Readers of other processes go on while this one writes; the mode stays with the file.
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = NORMAL');
  database.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
  database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) {
      database.exec('ROLLBACK');
    }
    throw error;
  }
}

interface WriteTarget {
  readonly writeCells: CellWriter;
  readonly featureNames: readonly string[];
  readonly writerUtcOffsetSeconds: number;
  /** Moment of the newest row of an entity; `undefined` = none, or not asked for. */
  readonly newestNs: (entityKey: Uint8Array) => bigint | undefined;
}

function openTarget(
  database: DatabaseSync,
  table: string,
  featureNames: readonly string[],
  { writerUtcOffsetSeconds, skipStale }: SqliteWriteOptions,
): WriteTarget {
  const stored = database.prepare(
    `SELECT event_ts FROM ${quoteIdentifier(table)} WHERE entity_key = ?`,
  );
  stored.setReadBigInts(true);
  const newestNs = (entityKey: Uint8Array): bigint | undefined =>
    stored
      .all(entityKey)
      .map((row) => readSqliteTimestamp(row['event_ts'], writerUtcOffsetSeconds))
      .reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a), undefined);
  return {
    writeCells: prepareWrite(database, table),
    featureNames,
    writerUtcOffsetSeconds,
    newestNs: skipStale === true ? newestNs : () => undefined,
  };
}

/** Returns false for a row that is older than what is stored. */
function writeRow(target: WriteTarget, row: WriteRow): boolean {
  const { writerUtcOffsetSeconds } = target;
  const eventSeconds = toSqliteSeconds(row.eventTimestampNs, writerUtcOffsetSeconds);
  const rowNs = readSqliteTimestamp(eventSeconds, writerUtcOffsetSeconds)!;
  const newestNs = target.newestNs(row.entityKey);
  if (newestNs !== undefined && newestNs > rowNs) {
    return false;
  }
  const createdSeconds =
    row.createdTimestampNs === undefined
      ? null
      : toSqliteSeconds(row.createdTimestampNs, writerUtcOffsetSeconds);
  const seconds = { event: eventSeconds, created: createdSeconds };
  target.writeCells(row.entityKey, target.featureNames, row.values, seconds);
  return true;
}
