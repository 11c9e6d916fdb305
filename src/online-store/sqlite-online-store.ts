import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { encodeTimestamp } from '../feast-encoding/timestamp.ts';
import { createCellSlab, type CellSlab } from './cell-slab.ts';
import type {
  EntityRead,
  OnlineStore,
  PreparedRead,
  ReadLayout,
  ReadOptions,
  StoredCells,
  ViewLayout,
} from './online-store.ts';
import { checkSqlite, inspectSqlite } from './sqlite-inspection.ts';
import { openSqliteDatabase, throwIfOver, type SqliteDatabase } from './sqlite-database.ts';
import {
  createViewTable,
  KEYS_PER_STATEMENT,
  prepareRead,
  quoteIdentifier,
  sqliteTableName,
} from './sqlite-table.ts';
import { readSqliteTimestamp } from './sqlite-timestamp.ts';
import { writeSqliteBatch } from './sqlite-write.ts';
import { unreadableEntity } from './store-errors.ts';

/** Others are let in when reading has held the process for this long. */
const YIELD_AFTER_MS = 5;
const NO_BYTES = new Uint8Array(0);
const UNLIMITED: ReadOptions = { deadlineAtMs: Number.POSITIVE_INFINITY };

export interface SqliteOnlineStoreOptions {
  /** Path of the database file. */
  readonly path: string;
  /** UTC offset of the Feast process that shares the file: it stores local time as if it were UTC; 0 = it runs in UTC. */
  readonly writerUtcOffsetSeconds: number;
  /** Skip rows older than what is stored of their view and entity; by default they overwrite it, as in Feast. */
  readonly skipStale?: boolean;
}

/** A view of a prepared read: its table, and which cell each feature goes to. */
interface PreparedView {
  readonly table: string;
  readonly cellOf: ReadonlyMap<string, number>;
  readonly timestampCell: number;
}

interface SqlitePreparedRead extends PreparedRead {
  readonly views: readonly PreparedView[];
}

/** Reading statements by table and number of keys; they belong to one open database. */
type ReadStatements = WeakMap<DatabaseSync, Map<string, StatementSync>>;

/**
 * Opens Feast's SQLite layout (`infra/online_stores/sqlite.py`): a table per view with one line per entity and feature. A
 * view whose table does not exist is an error, as in Feast: nobody has applied its definition to this store.
 *
 * @throws SideboardError ONLINE_STORE_UNAVAILABLE where the file cannot be opened.
 */
export function openSqliteOnlineStore(options: SqliteOnlineStoreOptions): OnlineStore {
  const file = openSqliteDatabase(options.path);
  const statements: ReadStatements = new WeakMap();
  return {
    kind: 'sqlite',
    isOrdered: true,
    prepare: prepareSqliteRead,
    read: (reads, limits) => readAll({ file, statements, options }, reads, limits),
    write: (batch, limits) => writeSqliteBatch(file, batch, limits, options),
    update: (project, keep, remove) => updateTables(file, project, keep, remove),
    ping: (limits) => file.run(limits, (database) => void database.prepare('SELECT 1').get()),
    check: () => checkSqlite(file),
    inspect: (project, entityKey) => inspectSqlite({ file, project, entityKey, ...options }),
    close: async () => file.close(),
  };
}

function prepareSqliteRead(layout: ReadLayout): SqlitePreparedRead {
  let width = 0;
  const views = layout.views.map(({ storedName, featureNames }): PreparedView => {
    const cellOf = new Map(featureNames.map((name) => [name, width++]));
    return {
      table: sqliteTableName(layout.project, storedName),
      cellOf,
      timestampCell: width++,
    };
  });
  return { keySuffix: NO_BYTES, width, views };
}

interface Reader {
  readonly file: SqliteDatabase;
  readonly statements: ReadStatements;
  readonly options: SqliteOnlineStoreOptions;
}

async function readAll(
  reader: Reader,
  reads: readonly EntityRead[],
  limits: ReadOptions,
): Promise<readonly StoredCells[]> {
  const results: StoredCells[] = [];
  let heldSinceMs = performance.now();
  for (const { prepared, keys } of reads) {
    const { width, views } = prepared as SqlitePreparedRead;
    const cells = createCellSlab(keys.length, width);
    for (const view of views) {
      for (let first = 0; first < keys.length;) {
        const count = statementSize(keys.length - first);
        const chunk: Chunk = { view, keys, first, count, width };
        await reader.file.run(limits, (database) => readChunk(reader, database, chunk, cells));
        first += count;
        if (performance.now() - heldSinceMs > YIELD_AFTER_MS) {
          await yieldToOthers();
          heldSinceMs = performance.now();
        }
      }
    }
    results.push(cells.cells());
  }
  throwIfOver(limits);
  return results;
}

/** The smallest statement that takes all keys left, or the largest there is. */
function statementSize(keysLeft: number): number {
  return KEYS_PER_STATEMENT.find((size) => size >= keysLeft) ?? KEYS_PER_STATEMENT.at(-1)!;
}

/** Keys `[first, first + count)` of one view; beyond the last key the statement is given nulls. */
interface Chunk {
  readonly view: PreparedView;
  readonly keys: readonly Uint8Array[];
  readonly first: number;
  readonly count: number;
  /** Cells per entity. */
  readonly width: number;
}

function readChunk(reader: Reader, database: DatabaseSync, chunk: Chunk, cells: CellSlab): void {
  const { view, keys, first, count, width } = chunk;
  const statement = readStatement(reader.statements, database, view.table, count);
  const parameters = Array.from({ length: count }, (_, i) => keys[first + i] ?? null);
  // The newest of an entity's rows dates it: a write of some of its features leaves the others behind.
  const newest = new Map<number, bigint>();
  let lastStored: unknown;
  let lastNs: bigint | undefined;
  for (const row of statement.all(...parameters) as unknown as unknown[][]) {
    const entity = first + Number(row[0]);
    const cell = view.cellOf.get(row[1] as string);
    const value = row[2];
    if (cell !== undefined) {
      if (!(value instanceof Uint8Array) && value !== null) {
        throw unreadableEntity(keys[entity]!, `table ${view.table} holds no bytes as a value`);
      }
      cells.put(entity * width + cell, value ?? NO_BYTES);
    }
    if (row[3] !== lastStored || lastNs === undefined) {
      lastStored = row[3];
      lastNs = readSqliteTimestamp(lastStored, reader.options.writerUtcOffsetSeconds);
      if (lastNs === undefined) {
        throw unreadableEntity(keys[entity]!, `table ${view.table} holds no event timestamp`);
      }
    }
    const known = newest.get(entity);
    if (known === undefined || known < lastNs) {
      newest.set(entity, lastNs);
    }
  }
  fillTimestamps(chunk, newest, cells);
}

/** Rows of a chunk mostly carry the same moment, which is encoded once then. */
function fillTimestamps(
  { view, width }: Chunk,
  newest: ReadonlyMap<number, bigint>,
  cells: CellSlab,
): void {
  let encodedNs = 0n;
  let encoded = encodeTimestamp(0n);
  for (const [entity, timestampNs] of newest) {
    if (timestampNs !== encodedNs) {
      encodedNs = timestampNs;
      encoded = encodeTimestamp(timestampNs);
    }
    cells.put(entity * width + view.timestampCell, encoded);
  }
}

function readStatement(
  statements: ReadStatements,
  database: DatabaseSync,
  table: string,
  keyCount: number,
): StatementSync {
  let prepared = statements.get(database);
  if (prepared === undefined) {
    prepared = new Map();
    statements.set(database, prepared);
  }
  const name = `${keyCount} ${table}`;
  let statement = prepared.get(name);
  if (statement === undefined) {
    statement = prepareRead(database, table, keyCount);
    prepared.set(name, statement);
  }
  return statement;
}

async function updateTables(
  file: SqliteDatabase,
  project: string,
  keep: readonly string[],
  remove: readonly (string | ViewLayout)[],
): Promise<void> {
  await file.run(UNLIMITED, (database) => {
    for (const storedName of keep) {
      createViewTable(database, sqliteTableName(project, storedName));
    }
    for (const view of remove) {
      const storedName = typeof view === 'string' ? view : view.storedName;
      const table = sqliteTableName(project, storedName);
      database.exec(`DROP TABLE IF EXISTS ${quoteIdentifier(table)}`);
    }
  });
}
