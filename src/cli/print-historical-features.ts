import Table from 'cli-table3';
import { describeBadRows } from '../ingestion/bad-rows.ts';
import type { HistoricalFeatures } from '../training/historical-features.ts';
import type { PlannedComputation, PlannedJoin } from '../training/training-plan.ts';
import { formatCount } from './materialization-progress.ts';

const SECONDS_PER_DAY = 86_400;

/** A plan for people: the entity rows, and one line per feature view. */
export function formatTrainingPlan({ plan }: HistoricalFeatures): string {
  const table = new Table({
    head: ['feature view', 'joined on', 'features', 'not older than', 'ties by', 'source'],
    style: { head: [], border: [] },
  });
  table.push(
    ...plan.joins.map((join) => [
      join.name,
      joinedOn(join),
      formatCount(join.featureNames.length),
      join.ttlSeconds === 0 ? 'any age' : formatAge(join.ttlSeconds),
      join.createdTimestampField || 'order in the source',
      describeFiles(join.sourceFiles),
    ]),
  );
  return `${formatCount(plan.rowCount)} entity rows of ${describeFiles(plan.entityFiles)}, known at ${plan.eventTimestampColumn}
${table.toString()}
${plan.computed.map(describeComputation).join('')}${formatCount(plan.outputColumns.length)} columns: ${plan.outputColumns.join(', ')}
`;
}

function describeComputation(computed: PlannedComputation): string {
  const { name, featureNames, sourceNames, requestColumns } = computed;
  const from = [...sourceNames, ...requestColumns].join(', ');
  return `${name} is computed from ${from}: ${featureNames.join(', ')}\n`;
}

/** A finished run for people. */
export function formatHistoricalFeatures(result: HistoricalFeatures): string {
  const { plan, joins, output, durationMs } = result;
  const table = new Table({
    head: ['feature view', 'source rows', 'joined', 'too old', 'not known', 'bad rows'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
  });
  table.push(
    ...joins.map((join) => [
      join.name,
      ...[join.sourceRowCount, join.matchedCount, join.tooOldCount, join.unknownCount].map(
        formatCount,
      ),
      formatCount(join.badRows.reduce((sum, { count }) => sum + count, 0)),
    ]),
  );
  const lines = [table.toString()];
  for (const join of joins) {
    for (const bad of join.badRows) lines.push(`! ${join.name}: ${describeBadRows(bad)}`);
    if (join.withoutKeyCount > 0) {
      lines.push(`! ${join.name}: ${join.withoutKeyCount} entity rows have no join key`);
    }
  }
  const seconds = (durationMs / 1000).toFixed(1);
  lines.push(
    `${output}: ${formatCount(plan.rowCount)} rows, ${formatCount(plan.outputColumns.length)} columns, in ${seconds} s`,
  );
  return `${lines.join('\n')}\n`;
}

/** A run or a plan for programs. */
export function historicalFeaturesJson({
  plan,
  output,
  joins,
  durationMs,
}: HistoricalFeatures): unknown {
  const found = new Map(joins.map((join, i) => [i, join]));
  return {
    output: output ?? null,
    entity_files: plan.entityFiles,
    rows: plan.rowCount,
    event_timestamp_column: plan.eventTimestampColumn,
    columns: plan.outputColumns,
    views: plan.joins.map((join, i) => ({
      feature_view: join.name,
      source: join.sourceName,
      source_files: join.sourceFiles,
      join_keys: Object.fromEntries(
        join.joinKeys.map(({ joinKey, entityColumn }) => [joinKey, entityColumn]),
      ),
      features: join.featureNames,
      ttl_seconds: join.ttlSeconds,
      created_timestamp_column: join.createdTimestampField,
      ...outcome(found.get(i)),
    })),
    on_demand_feature_views: plan.computed.map((computed) => ({
      feature_view: computed.name,
      features: computed.featureNames,
      sources: computed.sourceNames,
      request_columns: computed.requestColumns,
    })),
    duration_ms: Math.round(durationMs),
  };
}

function outcome(join: HistoricalFeatures['joins'][number] | undefined): object {
  return join === undefined
    ? {}
    : {
        source_rows: join.sourceRowCount,
        joined_rows: join.matchedCount,
        too_old_rows: join.tooOldCount,
        unknown_rows: join.unknownCount,
        rows_without_join_key: join.withoutKeyCount,
        bad: join.badRows.map(({ kind, feature, count, first }) => ({
          kind,
          feature,
          count,
          first,
        })),
      };
}

function joinedOn({ joinKeys }: PlannedJoin): string {
  if (joinKeys.length === 0) return 'nothing: one row for all';
  return joinKeys
    .map(({ entityColumn, joinKey }) =>
      entityColumn === joinKey ? joinKey : `${entityColumn} = ${joinKey}`,
    )
    .join(', ');
}

function formatAge(seconds: number): string {
  const days = seconds / SECONDS_PER_DAY;
  return Number.isInteger(days) ? `${formatCount(days)} days` : `${formatCount(seconds)} s`;
}

function describeFiles(paths: readonly string[]): string {
  return paths.length === 1 ? paths[0]! : `${paths[0]} and ${paths.length - 1} more`;
}
