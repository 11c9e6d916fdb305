import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import { slabOf } from './online-store.ts';
import type { ReadOptions, WriteBatch, WriteResult } from './online-store.ts';
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
  const slab = slabOf(batch);
  let stale = 0;
  for (let first = 0; first < slab.length; first += ROWS_PER_TRANSACTION) {
    const rows = inKeyOrder(slab, first, Math.min(first + ROWS_PER_TRANSACTION, slab.length));
    stale += await file.run(limits, (database) =>
      inTransaction(database, () => {
        const target = openTarget(database, table, batch.view.featureNames, options);
        return rows.filter((row) => !writeRow(target, slab, row)).length;
      }),
    );
    await yieldToOthers();
  }
  return { written: slab.length - stale, stale };
}

/** Neighbours in the indexes one after the other; rows of one entity keep their order. */
function inKeyOrder(slab: RowSlab, first: number, end: number): number[] {
  const { starts, ends, out, width } = slab;
  const { bytes } = out;
  return Array.from({ length: end - first }, (_, i) => first + i).sort((a, b) => {
    const i = a * (width + 1);
    const j = b * (width + 1);
    return bytes.compare(bytes, starts[j], ends[j], starts[i], ends[i]);
  });
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
function writeRow(target: WriteTarget, slab: RowSlab, row: number): boolean {
  const { writerUtcOffsetSeconds } = target;
  const seconds = slab.eventSeconds[row]!;
  const eventSeconds = toSqliteSeconds(seconds, slab.eventNanos[row]!, writerUtcOffsetSeconds);
  const entityKey = slab.entityKey(row);
  const newestNs = target.newestNs(entityKey);
  if (newestNs !== undefined) {
    const rowNs = readSqliteTimestamp(eventSeconds, writerUtcOffsetSeconds)!;
    if (newestNs > rowNs) {
      return false;
    }
  }
  const created = slab.createdSeconds[row]!;
  const createdSeconds = Number.isNaN(created)
    ? null
    : toSqliteSeconds(created, slab.createdNanos[row]!, writerUtcOffsetSeconds);
  target.writeCells(slab, row, target.featureNames, {
    event: eventSeconds,
    created: createdSeconds,
  });
  return true;
}
