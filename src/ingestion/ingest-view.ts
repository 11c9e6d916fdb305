import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import type { OnlineStore } from '../online-store/online-store.ts';
import { MAX_NAMED_ROWS, describeBadRows } from './bad-rows.ts';
import type { BadRowKind, BadRows } from './bad-rows.ts';
import { createBatchWriter } from './batch-writer.ts';
import type { WriteTotals } from './batch-writer.ts';
import { invalidSourceData } from './ingestion-error.ts';
import type { MaterializationWindow } from './materialization-window.ts';
import { openSourceFiles } from './open-source-files.ts';
import type { SourceAccess } from './open-source-files.ts';
import { compileRowReader } from './row-reader.ts';
import type { RowReader } from './row-reader.ts';
import type { StreamedRows } from './scratch-connection.ts';
import type { SelectedView } from './select-views.ts';
import { resolveSourceColumns } from './source-columns.ts';
import type { SourceColumns } from './source-columns.ts';
import { openSourceDatabase } from './source-database.ts';
import type { SourceDatabase } from './source-database.ts';
import { compileSourceQueries } from './source-queries.ts';
import type { SourceQueries } from './source-queries.ts';
import type { RowPosition } from './source-relation.ts';

/** What every view of a run is written with. */
export interface IngestionTarget {
  readonly project: string;
  readonly store: OnlineStore;
  readonly entityKeyVersion: EntityKeyVersion;
  readonly sources: SourceAccess;
  /** Rows per write; `undefined` = 1,000. */
  readonly batchRows: number | undefined;
  /** Whether bad rows fail the view (nothing is recorded; rows before the first misfit may have been written). */
  readonly strict: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** How far the run is with one view. */
export interface IngestionProgress {
  readonly viewName: string;
  readonly phase: 'reading' | 'writing';
  /** Entities to write; 0 while reading. */
  readonly entityCount: number;
  /** Of them: done, whichever way. */
  readonly doneCount: number;
}

/** What became of one view. */
export interface IngestedView {
  readonly viewName: string;
  readonly window: MaterializationWindow;
  /** Rows of the source, all times. */
  readonly sourceRowCount: number;
  /** Rows whose event timestamp lies in the window. */
  readonly windowRowCount: number;
  /** Entities that the store took a row of. */
  readonly writtenCount: number;
  /** Entities of which the store already held the same or a newer event. */
  readonly staleCount: number;
  /** Rows left out, by reason. */
  readonly badRows: readonly BadRows[];
  readonly badRowCount: number;
  readonly durationMs: number;
}

const DEFAULT_BATCH_ROWS = 1000;

/**
 * Writes the latest row per entity of one view to the online store. Running it again, after it ended or was killed at any
 * point, leaves the same rows in the store.
 *
 * @throws SideboardError INVALID_SOURCE_DATA, UNSUPPORTED_OPERATION, and what the store throws.
 */
export async function ingestView(
  { view, source, storedName, datedNs }: SelectedView,
  window: MaterializationWindow,
  target: IngestionTarget,
  onProgress: (progress: IngestionProgress) => void,
): Promise<IngestedView> {
  const startedAtMs = performance.now();
  onProgress({ viewName: view.name, phase: 'reading', entityCount: 0, doneCount: 0 });
  const { sources, signal } = target;
  const files = await openSourceFiles(source, sources, view.name, signal);
  const database = await openSourceDatabase(view.name, files, MAX_NAMED_ROWS);
  try {
    const columns = resolveSourceColumns(view, source, database.types);
    refuseUnreadable(view.name, columns, database);
    const reader = compileRowReader(view, columns, target.entityKeyVersion);
    const queries = compileSourceQueries(
      database.relation,
      columns,
      reader.joinKeys,
      window,
      target.store.isOrdered === true ? 'entity keys' : 'source',
    );
    const census = await takeCensus(database, queries);
    requireStrict(view.name, census.badRows, target.strict);
    await database.connection.run(queries.chooseLatest);
    const counted = await database.connection.runAndReadAll('SELECT count(*) FROM latest');
    const entityCount = Number(counted.getRows()[0]![0]);
    await target.store.update(target.project, [storedName], []);
    const rows = await database.connection.stream(
      entityCount === census.sourceRowCount ? queries.allRows : queries.latestRows,
    );
    reader.requireTypes(rows);
    await database.requireUnchanged();
    const { totals, misfits } = await writeLatestRows({
      database,
      reader,
      rows,
      viewName: view.name,
      storedName,
      featureNames: view.features.map(({ name }) => name),
      datedNs,
      target,
      onDone: (doneCount) =>
        onProgress({ viewName: view.name, phase: 'writing', entityCount, doneCount }),
    });
    await database.requireUnchanged();
    const badRows = [...census.badRows, ...misfits];
    return {
      viewName: view.name,
      window,
      sourceRowCount: census.sourceRowCount,
      windowRowCount: census.windowRowCount,
      writtenCount: totals.written,
      staleCount: totals.stale,
      badRows,
      badRowCount: badRows.reduce((sum, { count }) => sum + count, 0),
      durationMs: performance.now() - startedAtMs,
    };
  } finally {
    await database.close();
  }
}

interface LatestRows {
  readonly database: SourceDatabase;
  readonly reader: RowReader;
  readonly rows: StreamedRows;
  readonly viewName: string;
  readonly storedName: string;
  readonly featureNames: readonly string[];
  readonly datedNs: bigint | undefined;
  readonly target: IngestionTarget;
  readonly onDone: (doneCount: number) => void;
}

async function writeLatestRows(
  latest: LatestRows,
): Promise<{ totals: WriteTotals; misfits: BadRows[] }> {
  const { reader, target, datedNs } = latest;
  const misfits = new Map<string, { count: number; first: unknown[][] }>();
  let misfitCount = 0;
  let written = 0;
  latest.onDone(0);
  const writer = createBatchWriter({
    store: target.store,
    project: target.project,
    joinKeys: reader.sortedJoinKeys,
    view: { storedName: latest.storedName, featureNames: latest.featureNames },
    batchRows: target.batchRows ?? DEFAULT_BATCH_ROWS,
    signal: target.signal,
    onWritten: (totals) => {
      written = totals.written + totals.stale;
      latest.onDone(written + misfitCount);
    },
  });
  try {
    for await (const chunk of latest.rows.chunks) {
      const { rowCount } = chunk;
      for (let row = 0; row < rowCount; row++) {
        const misfit = reader.read(chunk, row, writer.slab);
        if (misfit === undefined) {
          if (datedNs !== undefined) writer.slab.dateLastRow(datedNs);
          const flushed = writer.flushIfFull();
          if (flushed !== undefined) await flushed;
          continue;
        }
        misfitCount++;
        const found = misfits.get(misfit) ?? { count: 0, first: [] };
        misfits.set(misfit, found);
        found.count++;
        if (found.first.length < MAX_NAMED_ROWS) {
          found.first.push(positionOf(chunk.getRowValues(row), reader.positionAt));
        }
        if (target.strict) break;
      }
      if (target.strict && misfitCount > 0) break;
      target.signal?.throwIfAborted();
    }
    const named = await nameMisfits(latest.database, misfits);
    requireStrict(latest.viewName, named, target.strict);
    return { totals: await writer.finish(), misfits: named };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

interface Census {
  readonly sourceRowCount: number;
  readonly windowRowCount: number;
  readonly badRows: readonly BadRows[];
}

async function takeCensus(database: SourceDatabase, queries: SourceQueries): Promise<Census> {
  const counted = await database.connection.runAndReadAll(queries.census);
  const [sourceRowCount, noTimestamp, windowRowCount, noJoinKey] = counted
    .getRows()[0]!
    .map(Number) as [number, number, number, number];
  const badRows: BadRows[] = [];
  if (database.malformedLineCount > 0) {
    badRows.push({
      kind: 'malformed_line',
      count: database.malformedLineCount,
      first: database.malformedLines,
    });
  }
  const named = async (kind: BadRowKind, count: number, sql: string): Promise<void> => {
    if (count > 0) {
      const rows = await database.connection.runAndReadAll(sql, [MAX_NAMED_ROWS]);
      badRows.push({ kind, count, first: await locateAll(database, rows.getRows()) });
    }
  };
  await named('no_event_timestamp', noTimestamp, queries.rowsWithoutTimestamp);
  await named('no_join_key', noJoinKey, queries.rowsWithoutJoinKey);
  return { sourceRowCount, windowRowCount, badRows };
}

async function nameMisfits(
  database: SourceDatabase,
  misfits: ReadonlyMap<string, { readonly count: number; readonly first: unknown[][] }>,
): Promise<BadRows[]> {
  const named: BadRows[] = [];
  for (const [feature, { count, first }] of misfits) {
    named.push({
      kind: 'value_does_not_fit',
      feature,
      count,
      first: await locateAll(database, first),
    });
  }
  return named;
}

async function locateAll(
  database: SourceDatabase,
  positions: readonly (readonly unknown[])[],
): Promise<RowPosition[]> {
  const located: RowPosition[] = [];
  for (const position of positions) {
    located.push(await database.locate(position));
  }
  return located;
}

function positionOf(row: readonly unknown[], positionAt: number): unknown[] {
  return row.slice(positionAt);
}

function refuseUnreadable(
  viewName: string,
  columns: SourceColumns,
  database: SourceDatabase,
): void {
  const used = [...columns.joinKeys, ...columns.features];
  const unreadable = used.filter(({ sourceName }) => database.unreadable.has(sourceName));
  if (unreadable.length > 0) {
    const names = unreadable.map(({ sourceName }) => sourceName).join(', ');
    throw invalidSourceData(
      viewName,
      `${names} holds decimals of more than 38 digits, which cannot be read exactly; store them as text`,
    );
  }
}

function requireStrict(viewName: string, badRows: readonly BadRows[], strict: boolean): void {
  if (strict && badRows.length > 0) {
    throw invalidSourceData(
      viewName,
      `bad rows, and --strict allows none: ${badRows.map(describeBadRows).join('; ')}`,
    );
  }
}
