import type { ScratchConnection } from '../ingestion/scratch-connection.ts';
import { invalidSourceData } from '../ingestion/ingestion-error.ts';
import { MAX_NAMED_ROWS } from '../ingestion/bad-rows.ts';
import { resolveSourceColumns } from '../ingestion/source-columns.ts';
import type { SourceColumns } from '../ingestion/source-columns.ts';
import { unreadableSource } from '../ingestion/source-database.ts';
import { openSourceFiles } from '../ingestion/open-source-files.ts';
import type { OpenedSourceFiles, SourceAccess } from '../ingestion/open-source-files.ts';
import {
  describeMisfit,
  joinKeyType,
  momentExpression,
  momentLiteral,
} from '../ingestion/source-queries.ts';
import { openSource } from '../ingestion/source-relation.ts';
import type { OpenedSource } from '../ingestion/source-relation.ts';
import { featureExpression } from './feature-expression.ts';
import type { FeatureExpression } from './feature-expression.ts';
import { joinKeySql } from './join-key.ts';
import { commonUnit, momentNumber, momentUnit } from './join-moment.ts';
import type { MomentUnit } from './join-moment.ts';
import type { JoinExpressions } from './join-queries.ts';
import type { SelectedJoin } from './select-joins.ts';

/** One feature view of a join with its source opened and its columns found. */
export interface PreparedJoin {
  readonly selected: SelectedJoin;
  /** To be released when all is done. */
  readonly files: OpenedSourceFiles;
  readonly source: OpenedSource;
  readonly columns: SourceColumns;
  /** One per join key: what it is compared as, and its SQL. */
  readonly keys: readonly { readonly valueType: number; readonly sql: string }[];
  /** One per feature. */
  readonly features: readonly FeatureExpression[];
}

/** The event timestamps of the entity rows. */
export interface EntityTimeRange {
  readonly unit: MomentUnit;
  /** Nanoseconds since the epoch, both included; `undefined` where there are no rows. */
  readonly startNs: bigint | undefined;
  readonly endNs: bigint | undefined;
}

/**
 * Opens the source of a feature view and finds its columns.
 *
 * @param tableName for its rows, where they have to be copied.
 * @throws SideboardError INVALID_SOURCE_DATA, UNSUPPORTED_OPERATION.
 */
export async function prepareJoin(
  connection: ScratchConnection,
  selected: SelectedJoin,
  {
    sources,
    tableName,
    signal,
  }: {
    readonly sources: SourceAccess;
    readonly tableName: string;
    readonly signal: AbortSignal | undefined;
  },
): Promise<PreparedJoin> {
  const { view, source: definition } = selected;
  const files = await openSourceFiles(definition, sources, view.name, signal);
  try {
    const source = await openSource(connection, files, {
      tableName,
      positionLimit: MAX_NAMED_ROWS,
    }).catch((error: unknown) => {
      throw unreadableSource(view.name, files, error);
    });
    return matchColumns(selected, files, source);
  } catch (error) {
    await files.release();
    throw error;
  }
}

function matchColumns(
  selected: SelectedJoin,
  files: OpenedSourceFiles,
  source: OpenedSource,
): PreparedJoin {
  const { view, source: definition } = selected;
  const columns = resolveSourceColumns(view, definition, source.types);
  refuseUnreadable(view.name, columns, source);
  const isText = files.format === 'csv';
  return {
    selected,
    files,
    source,
    columns,
    keys: keysOf(selected, columns),
    features: columns.features.map((column, i) =>
      featureExpression(column, view.features[i]!.valueType, isText),
    ),
  };
}

/** The SQL of a prepared join, for entity rows of that range. `keyColumns` are those of the entity table, one per join key. */
export function joinExpressions(
  { selected, source, columns, keys, features }: PreparedJoin,
  range: EntityTimeRange,
  keyColumns: readonly string[],
  filterByCreatedTimestamp: boolean,
): JoinExpressions {
  const { eventTimestamp, createdTimestamp } = columns;
  const moments = [eventTimestamp, ...(createdTimestamp === undefined ? [] : [createdTimestamp])];
  const unit = commonUnit([range.unit, ...moments.map(({ type }) => momentUnit(type))]);
  const misfits = features.flatMap(({ misfit }) => misfit ?? []);
  return {
    relation: source.relation,
    eventTimestamp: momentNumber(eventTimestamp, unit)!,
    createdTimestamp:
      createdTimestamp === undefined ? undefined : momentNumber(createdTimestamp, unit)!,
    unit,
    keys: keys.map(({ sql }, i) => ({ sql, entityColumn: keyColumns[i]! })),
    features: features.map(({ sql }) => sql),
    misfit: misfits.length === 0 ? undefined : misfits.join(' OR '),
    window: windowOf(columns, range, selected.view.ttlSeconds),
    ttlSeconds: selected.view.ttlSeconds,
    filterByCreatedTimestamp,
  };
}

const NANOS_PER_SECOND = 1_000_000_000n;
/** Before every timestamp of a file: year 1. */
const EARLIEST_NS = -62_135_596_800n * NANOS_PER_SECOND;
/** Bounds are cut to microseconds; one more keeps what lies on them. */
const MARGIN_NS = 1000n;

/** Rows that no entity row can see are left out early; the join decides exactly. */
function windowOf(
  { eventTimestamp }: SourceColumns,
  { startNs, endNs }: EntityTimeRange,
  ttlSeconds: number,
): string {
  if (startNs === undefined || endNs === undefined) {
    return 'false';
  }
  const moment = momentExpression(eventTimestamp)!;
  const bound = (ns: bigint): string => momentLiteral(eventTimestamp.type, ns);
  const earliestNs = startNs - BigInt(Math.trunc(ttlSeconds)) * NANOS_PER_SECOND - MARGIN_NS;
  const isUnlimited = ttlSeconds <= 0 || earliestNs < EARLIEST_NS;
  return `${moment} <= ${bound(endNs + MARGIN_NS)}${isUnlimited ? '' : ` AND ${moment} >= ${bound(earliestNs)}`}`;
}

function keysOf({ view }: SelectedJoin, columns: SourceColumns): PreparedJoin['keys'] {
  const moments = [
    columns.eventTimestamp,
    ...(columns.createdTimestamp === undefined ? [] : [columns.createdTimestamp]),
  ];
  const misfits = moments
    .filter((column) => momentExpression(column) === undefined)
    .map((column) => describeMisfit(column, 'moment'));
  const keys: { valueType: number; sql: string }[] = [];
  for (const [i, column] of columns.joinKeys.entries()) {
    const valueType = joinKeyType(column, view.joinKeys[i]!.valueType);
    const key = joinKeySql(column, valueType);
    if ('misfit' in key) misfits.push(key.misfit);
    else keys.push({ valueType, sql: key.sql });
  }
  if (misfits.length > 0) {
    throw invalidSourceData(view.name, misfits.join('; '));
  }
  return keys;
}

function refuseUnreadable(viewName: string, columns: SourceColumns, source: OpenedSource): void {
  const used = [...columns.joinKeys, ...columns.features];
  const names = used
    .map(({ sourceName }) => sourceName)
    .filter((name) => source.unreadable.has(name));
  if (names.length > 0) {
    throw invalidSourceData(
      viewName,
      `${names.join(', ')} holds decimals of more than 38 digits, which cannot be read exactly; store them as text`,
    );
  }
}
