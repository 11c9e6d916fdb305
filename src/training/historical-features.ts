import type { ScratchConnection } from '../ingestion/scratch-connection.ts';
import { resolve } from 'node:path';
import { isSideboardError } from '../errors.ts';
import type { SideboardError } from '../errors.ts';
import { describeBadRows } from '../ingestion/bad-rows.ts';
import type { BadRows } from '../ingestion/bad-rows.ts';
import { invalidSourceData } from '../ingestion/ingestion-error.ts';
import type { SourceAccess } from '../ingestion/open-source-files.ts';
import { openScratchDatabase } from '../ingestion/scratch-database.ts';
import { unreadableSource } from '../ingestion/source-database.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';
import type { TransformOnDemand } from '../retrieval/on-demand-plan.ts';
import { refuseOnDemandViews } from '../retrieval/refuse-on-demand.ts';
import type { FunctionRunners } from '../retrieval/refuse-on-demand.ts';
import type { FeatureSelection } from '../retrieval/resolve-selection.ts';
import { compileInputs, computeView } from './compute-view.ts';
import { takeCensus } from './source-census.ts';
import { openEntityRows } from './entity-rows.ts';
import type { EntityRows } from './entity-rows.ts';
import { stageEntityRows } from './entity-table.ts';
import type { StagedEntityRows } from './entity-table.ts';
import { compileJoin, FOUND, FRESH } from './join-queries.ts';
import { compileOutput, joinTable, refuseTakenNames } from './output-query.ts';
import { joinExpressions, prepareJoin } from './prepare-join.ts';
import type { PreparedJoin } from './prepare-join.ts';
import { runStep } from './run-step.ts';
import { selectJoins } from './select-joins.ts';
import type { JoinSelection } from './select-joins.ts';
import { invalidEntityRows, missingJoinKeyColumns } from './training-error.ts';
import { describePlan } from './training-plan.ts';
import type { TrainingPlan } from './training-plan.ts';
import { checkOutput, writeThrough } from './write-parquet.ts';

/** One retrieval of historical features. */
export interface HistoricalFeaturesOptions {
  readonly registry: RegistrySnapshot;
  readonly selection: FeatureSelection;
  /** File, folder or glob of Parquet or CSV: join keys, event timestamps, and whatever else is to stay beside them. */
  readonly entityRows: string;
  /** Column of the entity rows; `undefined`: `event_timestamp`, else the only column of timestamps. */
  readonly eventTimestampColumn?: string | undefined;
  /** Parquet file to write; `undefined`: nothing runs, the plan is all. */
  readonly output: string | undefined;
  /** Whether `output` may be replaced. */
  readonly overwrite: boolean;
  readonly sources: Omit<SourceAccess, 'temporaryDirectory'>;
  /** Whether values that were created after the entity row's event timestamp are left out, as not known then. */
  readonly filterByCreatedTimestamp: boolean;
  /** Whether a bad row of a source is an error. */
  readonly strict: boolean;
  readonly maxFeatures: number;
  /** Runs the functions of on-demand views; absent = they are refused. */
  readonly onDemand?:
    | { readonly transform: TransformOnDemand; readonly runners: FunctionRunners }
    | undefined;
  /** What the join may hold in memory, such as `2GB`; beyond it goes to a temporary folder. */
  readonly memoryLimit: string;
  /** Folder for that; by default the system's. */
  readonly temporaryDirectory?: string | undefined;
  readonly onPlan?: ((plan: TrainingPlan) => void) | undefined;
  readonly onProgress?: ((progress: TrainingProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How far a run is. */
export interface TrainingProgress {
  /** What is being done, such as `join zipcode_features`. */
  readonly step: string;
  /** 0 = the first. */
  readonly index: number;
  readonly stepCount: number;
  /** Of this step, 0 to 100; an estimate. */
  readonly percent: number;
}

/** What came of one feature view. */
export interface JoinedView {
  readonly name: string;
  readonly sourceRowCount: number;
  /** Entity rows that got features of it. */
  readonly matchedCount: number;
  /** Entity rows whose newest features were older than the TTL. */
  readonly tooOldCount: number;
  /** Entity rows of whose entity nothing was known yet. */
  readonly unknownCount: number;
  /** Of them: rows that name no entity (a join key is null). */
  readonly withoutKeyCount: number;
  /** Source rows that were left out, by reason. */
  readonly badRows: readonly BadRows[];
}

/** How a run ended. */
export interface HistoricalFeatures {
  readonly plan: TrainingPlan;
  /** Absolute; `undefined` where only a plan was asked for. */
  readonly output: string | undefined;
  /** One per feature view, in the order of the plan; empty where only a plan was asked for. */
  readonly joins: readonly JoinedView[];
  readonly durationMs: number;
}

/**
 * Joins feature values to entity rows as they were known at each row's event timestamp, and writes a Parquet file with one
 * row per entity row, in their order: their own columns, then the features, null where nothing was known or all of it was
 * older than the view's TTL. On-demand views are computed from what was joined. Memory is bounded whatever the number of rows.
 *
 * @throws SideboardError INVALID_REQUEST, MISSING_JOIN_KEY, FEATURE_NAME_COLLISION, INVALID_SOURCE_DATA, CANCELLED, and as
 *   `selectJoins`, `refuseOnDemandViews` and `computeView`.
 */
export async function retrieveHistoricalFeatures(
  options: HistoricalFeaturesOptions,
): Promise<HistoricalFeatures> {
  const startedAtMs = performance.now();
  const { signal, temporaryDirectory } = options;
  const sources = { ...options.sources, temporaryDirectory };
  const output = options.output === undefined ? undefined : resolve(options.output);
  if (output !== undefined) {
    await checkOutput(output, options.overwrite);
  }
  const selection = selectJoins(options.selection, options.registry, options.maxFeatures);
  const { connection, close } = await openScratchDatabase(options);
  const prepared: PreparedJoin[] = [];
  try {
    const keyColumns = [...new Set(selection.joins.flatMap(({ entityColumns }) => entityColumns))];
    const entities = await openEntityRows(connection, {
      path: options.entityRows,
      joinKeyColumns: keyColumns,
      eventTimestampColumn: options.eventTimestampColumn,
    });
    refuseMissingKeys(entities, keyColumns);
    refuseComputed(entities, selection, options);
    refuseTakenNames(entities, selection);
    for (const [i, join] of selection.joins.entries()) {
      const tableName = `source_${i}`;
      prepared.push(await prepareJoin(connection, join, { sources, tableName, signal }));
    }
    const plan = describePlan(entities, prepared, selection);
    options.onPlan?.(plan);
    if (output === undefined) {
      return { plan, output, joins: [], durationMs: performance.now() - startedAtMs };
    }
    const run = createRun(connection, prepared.length + 2 * selection.computed.length + 2, options);
    const staging = stageEntityRows(connection, entities, prepared);
    await naming(run.sql('read entity rows', staging.sql), (error) =>
      invalidEntityRows(`cannot read ${options.entityRows}: ${firstLine(error)}`, error),
    );
    const staged = await staging.finish();
    const joins: JoinedView[] = [];
    for (const [i, join] of prepared.entries()) {
      joins.push(
        await naming(joinView(connection, join, { index: i, staged, options, run }), (error) =>
          unreadableSource(join.selected.view.name, join.files, error),
        ),
      );
    }
    await computeViews(connection, selection, { entities, prepared, options, run });
    const query = compileOutput(entities, prepared, selection);
    await writeThrough(output, async (path) => {
      await run.sql('write', `COPY (${query}) TO '${path.replaceAll("'", "''")}' (FORMAT parquet)`);
    });
    return { plan, output, joins, durationMs: performance.now() - startedAtMs };
  } finally {
    await close();
    await Promise.all(prepared.map(({ files }) => files.release()));
  }
}

/** Runs the steps of a retrieval one after the other, and tells how far they are. */
interface Run {
  sql(step: string, sql: string): Promise<void>;
  work(step: string, work: (onPercent: (percent: number) => void) => Promise<void>): Promise<void>;
}

function createRun(
  connection: ScratchConnection,
  stepCount: number,
  { onProgress, signal }: HistoricalFeaturesOptions,
): Run {
  let next = 0;
  const begin = (step: string): ((percent: number) => void) => {
    const index = next;
    next += 1;
    return (percent) => onProgress?.({ step, index, stepCount, percent });
  };
  return {
    sql: (step, sql) => runStep(connection, sql, { signal, onPercent: begin(step) }),
    work: (step, work) => work(begin(step)),
  };
}

/** Says what on-demand views lack: request data in the entity rows, or somebody to run their functions. */
function refuseComputed(
  { types }: EntityRows,
  { computed }: JoinSelection,
  { registry, onDemand }: HistoricalFeaturesOptions,
): void {
  const { runners = { delegates: false, computes: false } } = onDemand ?? {};
  refuseOnDemandViews(
    computed.map(({ view }) => view),
    { entityColumnNames: [...types.keys()], contextColumnNames: [] },
    { snapshot: registry, runners },
  );
}

async function computeViews(
  connection: ScratchConnection,
  { computed }: JoinSelection,
  context: {
    readonly entities: EntityRows;
    readonly prepared: readonly PreparedJoin[];
    readonly options: HistoricalFeaturesOptions;
    readonly run: Run;
  },
): Promise<void> {
  const { entities, prepared: joins, options, run } = context;
  const { transform } = options.onDemand ?? {};
  for (const [index, computation] of computed.entries()) {
    const { nameToUse } = computation.view.requested;
    await run.sql(`gather ${nameToUse}`, compileInputs(computation, index, { entities, joins }));
    await run.work(`compute ${nameToUse}`, (onPercent) =>
      computeView(computation, index, {
        connection,
        project: options.registry.project,
        entities,
        joins,
        transform: transform!,
        signal: options.signal,
        onPercent,
      }),
    );
  }
}

async function joinView(
  connection: ScratchConnection,
  join: PreparedJoin,
  context: {
    readonly index: number;
    readonly staged: StagedEntityRows;
    readonly options: HistoricalFeaturesOptions;
    readonly run: Run;
  },
): Promise<JoinedView> {
  const { index, staged, options, run } = context;
  const { name, view } = join.selected;
  const expressions = joinExpressions(
    join,
    staged.range,
    staged.keyColumns[index]!,
    options.filterByCreatedTimestamp,
  );
  const census = await takeCensus(connection, join, expressions);
  if (options.strict && census.badRows.length > 0) {
    throw invalidSourceData(
      view.name,
      `bad rows, and --strict allows none: ${census.badRows.map(describeBadRows).join('; ')}`,
    );
  }
  const table = joinTable(index);
  await run.sql(`join ${name}`, compileJoin(table, staged.table, expressions));
  const counted = await connection.runAndReadAll(
    `SELECT count(*) FILTER (WHERE ${FRESH}), count(*) FILTER (WHERE ${FOUND} AND NOT ${FRESH}), count(*) FILTER (WHERE NOT ${FOUND}) FROM ${table}`,
  );
  const [matchedCount, tooOldCount, unknownCount] = counted.getRows()[0]!.map(Number) as [
    number,
    number,
    number,
  ];
  return {
    name,
    sourceRowCount: census.rowCount,
    matchedCount,
    tooOldCount,
    unknownCount,
    withoutKeyCount: staged.withoutKeyCounts[index]!,
    badRows: census.badRows,
  };
}

/** Says of what DuckDB throws which files it is about. */
async function naming<T>(work: Promise<T>, name: (error: Error) => SideboardError): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof Error && !isSideboardError(error) ? name(error) : error;
  }
}

function firstLine(error: Error): string {
  return error.message.split('\n', 1)[0]!;
}

function refuseMissingKeys(entities: EntityRows, keyColumns: readonly string[]): void {
  const missing = keyColumns.filter((name) => !entities.types.has(name));
  if (missing.length > 0) {
    throw missingJoinKeyColumns(missing, [...entities.types.keys()]);
  }
}
