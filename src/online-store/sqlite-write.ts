import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { readValue } from '../feast-encoding/value-reader.ts';
import type { ReadOptions, WriteBatch, WriteResult, WriteRow } from './online-store.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import {
  prepareWrite,
  quoteIdentifier,
  sqliteTableName,
  type FeatureWrite,
} from './sqlite-table.ts';
import { readSqliteTimestamp, toSqliteSeconds } from './sqlite-timestamp.ts';
import { valueNumber, valueText } from './value-text.ts';

/** Rows in one transaction; reads of this process and of others get their turn in between. */
const ROWS_PER_TRANSACTION = 1_000;

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
    const rows = batch.rows.slice(first, first + ROWS_PER_TRANSACTION);
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

function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  // Readers of other processes go on while this one writes; the mode stays with the file.
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = NORMAL');
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

interface WriteTarget extends FeatureWrite {
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
    ...prepareWrite(database, table),
    featureNames,
    writerUtcOffsetSeconds,
    newestNs: skipStale === true ? newestNs : () => undefined,
  };
}

/** Returns false for a row that is older than what is stored. */
function writeRow(target: WriteTarget, row: WriteRow): boolean {
  const { upsert, columns, writerUtcOffsetSeconds } = target;
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
  for (const [i, featureName] of target.featureNames.entries()) {
    const value = row.values[i];
    if (value === undefined) {
      continue;
    }
    const typed = readValue(value);
    upsert.run({
      entity_key: row.entityKey,
      feature_name: featureName,
      value,
      ...(columns.has('value_text') ? { value_text: valueText(typed) } : {}),
      ...(columns.has('value_num') ? { value_num: valueNumber(typed) } : {}),
      ...(columns.has('vector_value') ? { vector_value: null } : {}),
      event_ts: eventSeconds,
      created_ts: createdSeconds,
    });
  }
  return true;
}
