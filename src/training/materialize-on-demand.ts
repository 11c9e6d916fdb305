import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBTypeId } from '@duckdb/node-api';
import { ingestView } from '../ingestion/ingest-view.ts';
import type { IngestedView, IngestionProgress, IngestionTarget } from '../ingestion/ingest-view.ts';
import type { MaterializationWindow } from '../ingestion/materialization-window.ts';
import { openSourceFiles } from '../ingestion/open-source-files.ts';
import { compileRowReader } from '../ingestion/row-reader.ts';
import type { SelectedOnDemand } from '../ingestion/select-on-demand.ts';
import type { SelectedView } from '../ingestion/select-views.ts';
import { resolveSourceColumns } from '../ingestion/source-columns.ts';
import { openSourceDatabase } from '../ingestion/source-database.ts';
import { compileSourceQueries, quote } from '../ingestion/source-queries.ts';
import type { BatchSourceDefinition, RegistrySnapshot } from '../registry/registry-model.ts';
import { retrieveHistoricalFeatures } from './historical-features.ts';
import type { HistoricalFeaturesOptions } from './historical-features.ts';

/** What an on-demand view is materialized with. */
export interface OnDemandMaterialization {
  readonly registry: RegistrySnapshot;
  readonly target: IngestionTarget;
  readonly onDemand: NonNullable<HistoricalFeaturesOptions['onDemand']>;
  readonly onProgress: (progress: IngestionProgress) => void;
}

/** What computing may hold in memory; beyond it goes to a temporary folder. */
const MEMORY_LIMIT = '1GB';
const EVENT_TIMESTAMP = 'event_timestamp';

/**
 * Computes an on-demand view that is kept in the online store of the rows that its sources have in a window, as Feast does:
 * the latest row per entity of each source says of which moments there is something to know, the features of all sources are
 * joined as they were known then, and the function is run over them; of several moments of an entity the latest counts. The
 * rows are dated with the moment of the run, like those of writes.
 *
 * @throws SideboardError as `ingestView` and `retrieveHistoricalFeatures`.
 */
export async function materializeOnDemand(
  { view, sources, storedName }: SelectedOnDemand,
  window: MaterializationWindow,
  { registry, target, onDemand, onProgress }: OnDemandMaterialization,
): Promise<IngestedView> {
  const startedAtMs = performance.now();
  const datedNs = BigInt(Date.now()) * 1_000_000n;
  onProgress({ viewName: view.name, phase: 'reading', entityCount: 0, doneCount: 0 });
  const { temporaryDirectory } = target.sources;
  const folder = await mkdtemp(join(temporaryDirectory ?? tmpdir(), 'sideboard-on-demand-'));
  try {
    let sourceRowCount = 0;
    // Read as a folder: the temporary one may have a name that a pattern would be taken from.
    const moments = join(folder, 'moments');
    await mkdir(moments);
    for (const [i, source] of sources.entries()) {
      const path = join(moments, `${i}.parquet`);
      sourceRowCount += await writeMoments(source, path, window, target);
    }
    const joinKeys = new Set(view.joinKeys.map(({ name }) => name));
    const outputs = view.features.filter(({ name }) => !joinKeys.has(name));
    const computed = join(folder, 'computed.parquet');
    await retrieveHistoricalFeatures({
      registry,
      selection: {
        features: outputs.map(({ name }) => `${view.name}:${name}`),
        featureService: undefined,
        fullFeatureNames: false,
      },
      entityRows: moments,
      eventTimestampColumn: EVENT_TIMESTAMP,
      output: computed,
      overwrite: false,
      sources: target.sources,
      filterByCreatedTimestamp: false,
      strict: target.strict,
      maxFeatures: outputs.length,
      onDemand,
      memoryLimit: MEMORY_LIMIT,
      temporaryDirectory,
      signal: target.signal,
    });
    const selected = { view, source: sourceAt(computed), storedName, datedNs };
    const ingested = await ingestView(selected, window, target, (progress) => {
      if (progress.phase === 'writing') onProgress(progress);
    });
    return { ...ingested, sourceRowCount, durationMs: performance.now() - startedAtMs };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Writes the join keys and event timestamps of the latest row per entity of a source to a Parquet file.
 *
 * @returns rows of the source, all times.
 */
async function writeMoments(
  { view, source }: SelectedView,
  path: string,
  window: MaterializationWindow,
  { sources, signal, entityKeyVersion }: IngestionTarget,
): Promise<number> {
  const files = await openSourceFiles(source, sources, view.name, signal);
  const database = await openSourceDatabase(view.name, files, 0);
  try {
    const keysAlone = { ...view, features: [] };
    const columns = resolveSourceColumns(keysAlone, source, database.types);
    const { joinKeys } = compileRowReader(keysAlone, columns, entityKeyVersion);
    const queries = compileSourceQueries(database.relation, columns, joinKeys, window);
    const { connection } = database;
    await connection.run(queries.chooseLatest);
    const moment =
      columns.eventTimestamp.type.typeId === DuckDBTypeId.TIMESTAMP_NS
        ? 'make_timestamp_ns(moment)'
        : 'make_timestamptz(moment)';
    const names = joinKeys.map(({ name }) => quote(name));
    const selected = [...names, `${moment} AS ${quote(EVENT_TIMESTAMP)}`].join(', ');
    const latest = `(${queries.latestRows}) AS latest_rows(${['moment', 'created', ...names].join(', ')})`;
    await connection.run(
      `COPY (SELECT ${selected} FROM ${latest}) TO '${path.replaceAll("'", "''")}' (FORMAT parquet)`,
    );
    const counted = await connection.runAndReadAll(queries.census);
    return Number(counted.getRows()[0]![0]);
  } finally {
    await database.close();
  }
}

/** A Parquet file as the source of a view. */
function sourceAt(uri: string): BatchSourceDefinition {
  return {
    name: 'computed',
    kind: 'file',
    uri,
    s3EndpointOverride: '',
    timestampField: EVENT_TIMESTAMP,
    createdTimestampField: '',
    fieldMapping: new Map(),
  };
}
