import type { Buffer } from 'node:buffer';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import { slabOf } from './online-store.ts';
import type { ReadOptions, WriteBatch, WriteResult } from './online-store.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { prepareWrite, quoteIdentifier, sqliteTableName, type RowWriter } from './sqlite-table.ts';
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
  readonly writeRow: RowWriter;
  readonly writerUtcOffsetSeconds: number;
  /** What is stored, for comparing; `undefined` = the last writer wins. */
  readonly stored: StoredMoments | undefined;
}

function openTarget(
  database: DatabaseSync,
  table: string,
  featureNames: readonly string[],
  { writerUtcOffsetSeconds, skipStale }: SqliteWriteOptions,
): WriteTarget {
  return {
    writeRow: prepareWrite(database, table, featureNames),
    writerUtcOffsetSeconds,
    stored:
      skipStale === true ? new StoredMoments(database, table, writerUtcOffsetSeconds) : undefined,
  };
}

/** Returns false for a row that is older than what is stored. */
function writeRow(target: WriteTarget, slab: RowSlab, row: number): boolean {
  const { writerUtcOffsetSeconds, stored } = target;
  const seconds = slab.eventSeconds[row]!;
  const event = toSqliteSeconds(seconds, slab.eventNanos[row]!, writerUtcOffsetSeconds);
  if (stored !== undefined) {
    const newestNs = stored.newestNs(slab.entityKey(row));
    if (newestNs !== undefined && newestNs > readSqliteTimestamp(event, writerUtcOffsetSeconds)!) {
      return false;
    }
  }
  const created = slab.createdSeconds[row]!;
  target.writeRow(slab, row, {
    event,
    created: Number.isNaN(created)
      ? null
      : toSqliteSeconds(created, slab.createdNanos[row]!, writerUtcOffsetSeconds),
  });
  return true;
}

/** When what a table holds happened, asked in one transaction that writes rows in the order of their keys. */
class StoredMoments {
  private readonly select: StatementSync;
  private readonly writerUtcOffsetSeconds: number;
  /** The last key of the table: nothing is stored of those behind it. `undefined` = not known. */
  private lastKey: Uint8Array | undefined;

  constructor(database: DatabaseSync, table: string, writerUtcOffsetSeconds: number) {
    const name = quoteIdentifier(table);
    this.select = database.prepare(`SELECT event_ts FROM ${name} WHERE entity_key = ?`);
    this.select.setReadBigInts(true);
    this.writerUtcOffsetSeconds = writerUtcOffsetSeconds;
    const last = database.prepare(`SELECT max(entity_key) AS key FROM ${name}`).get()?.['key'];
    if (last === null) this.lastKey = new Uint8Array(0);
    else if (last instanceof Uint8Array) this.lastKey = last;
  }

  /** Moment of the newest row of an entity that is written next; `undefined` = none. */
  newestNs(entityKey: Buffer): bigint | undefined {
    if (this.lastKey !== undefined && entityKey.compare(this.lastKey) > 0) {
      this.lastKey = entityKey;
      return undefined;
    }
    return this.select
      .all(entityKey)
      .map((row) => readSqliteTimestamp(row['event_ts'], this.writerUtcOffsetSeconds))
      .reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a), undefined);
  }
}
