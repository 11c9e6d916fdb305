import { quote } from '../ingestion/source-queries.ts';
import type { SourceRelation } from '../ingestion/source-queries.ts';
import { convertMoment, UNITS_PER_SECOND } from './join-moment.ts';
import type { MomentUnit } from './join-moment.ts';

/**
 * The table of entity rows that every join reads: `row_number` BIGINT (0 = the first row), `moment` BIGINT (the event timestamp
 * in `unit`), and one column per join key.
 */
export interface EntityTable {
  readonly name: string;
  readonly unit: MomentUnit;
}

/** One feature view in SQL; every expression is one over the relation `source`. */
export interface JoinExpressions {
  readonly relation: SourceRelation;
  /** Event timestamp in `unit`, NULL where there is none. */
  readonly eventTimestamp: string;
  /** Created timestamp in `unit`; `undefined` where the source declares none. */
  readonly createdTimestamp: string | undefined;
  /** Of the moments of this join. */
  readonly unit: MomentUnit;
  /** Columns of the entity table and the join keys of the view that they meet; empty for a view without entities. */
  readonly keys: readonly { readonly entityColumn: string; readonly sql: string }[];
  /** One per feature. */
  readonly features: readonly string[];
  /** True for rows to leave out besides those without event timestamp or join key; `undefined` = none. */
  readonly misfit: string | undefined;
  /** True for rows that no entity row can see, in the columns' own types, for DuckDB to leave out row groups. */
  readonly window: string;
  /** 0 = no limit. */
  readonly ttlSeconds: number;
  /** Whether a feature row counts only once it was created. */
  readonly filterByCreatedTimestamp: boolean;
}

/** What the table of a join holds besides its features. */
export const FOUND = 'found';
export const FRESH = 'fresh';

/**
 * Fills `tableName` with the features of every entity row, one row each, in the order of the entity rows: `row_number`,
 * `found` (there is a feature row of that entity that was known then), `fresh` (and it is within the TTL), `f0`, `f1`, … (NULL
 * unless fresh).
 *
 * Of the feature rows of an entity that were known at the time of the entity row, the one with the greatest event timestamp
 * is taken; among equals the one with the greatest created timestamp, none being the least; then the first in the source.
 * Known is what has an event timestamp not after the entity row's and, with `filterByCreatedTimestamp`, a created timestamp
 * not after it either.
 */
export function compileJoin(
  tableName: string,
  entities: EntityTable,
  join: JoinExpressions,
): string {
  const at = convertMoment('entity_rows.moment', entities.unit, join.unit);
  const conditions = [
    ...join.keys.map(({ entityColumn }, i) => `entity_rows.${quote(entityColumn)} = known.k${i}`),
    `${at} >= known.known_at`,
  ];
  // As HUGEINT, which no sum of two BIGINTs overflows.
  const ttl = BigInt(Math.trunc(join.ttlSeconds)) * UNITS_PER_SECOND[join.unit];
  const fresh =
    join.ttlSeconds > 0
      ? `known.event_at::HUGEINT + ${ttl}::HUGEINT >= ${at}`
      : 'known.event_at IS NOT NULL';
  const features = join.features.map(
    (_sql, i) => `CASE WHEN ${fresh} THEN known.f${i} END AS f${i}`,
  );
  const selected = [
    'entity_rows.row_number AS row_number',
    `known.event_at IS NOT NULL AS ${FOUND}`,
    `coalesce(${fresh}, false) AS ${FRESH}`,
    ...features,
  ];
  return `CREATE TEMP TABLE ${quote(tableName)} AS
SELECT ${selected.join(', ')}
FROM ${quote(entities.name)} AS entity_rows
ASOF LEFT JOIN (${compileKnown(entities, join)}) AS known ON ${conditions.join(' AND ')}
ORDER BY entity_rows.row_number`;
}

/** Feature rows by the moment from which each is the latest one known: `known_at`, `event_at`, `k0`…, `f0`…. */
function compileKnown(entities: EntityTable, join: JoinExpressions): string {
  const keyNames = join.keys.map((_key, i) => `k${i}`);
  const position = join.relation.position.map((name, i) => ({
    sql: `source.${name}`,
    name: `p${i}`,
  }));
  const positions = position.map(({ name }) => name);
  const knowable = join.filterByCreatedTimestamp && join.createdTimestamp !== undefined;
  const columns = [
    `${join.eventTimestamp} AS event_at`,
    `${join.createdTimestamp ?? 'NULL::BIGINT'} AS created_at`,
    `${knowable ? `greatest(${join.eventTimestamp}, ${join.createdTimestamp})` : join.eventTimestamp} AS known_at`,
    ...join.keys.map(({ sql }, i) => `${sql} AS k${i}`),
    ...join.features.map((sql, i) => `${sql} AS f${i}`),
    ...position.map(({ sql, name }) => `${sql} AS ${name}`),
  ];
  const rows = `SELECT ${columns.join(', ')} FROM ${join.relation.sql} WHERE ${join.window}${join.misfit === undefined ? '' : ` AND NOT (${join.misfit})`}`;
  const isUsable = ['event_at IS NOT NULL', ...(knowable ? ['created_at IS NOT NULL'] : [])];
  // Entities that nobody asked about are not worth sorting.
  const asked =
    join.keys.length === 0
      ? ''
      : ` SEMI JOIN ${quote(entities.name)} AS entity_rows ON ${join.keys
          .map(({ entityColumn }, i) => `entity_rows.${quote(entityColumn)} = feature_rows.k${i}`)
          .join(' AND ')}`;
  const entity = [...keyNames, 'known_at'].join(', ');
  const best = `row_number() OVER (PARTITION BY ${entity} ORDER BY event_at DESC, created_at DESC NULLS LAST, ${positions.join(', ')}) = 1`;
  const kept = ['known_at', 'event_at', ...keyNames, ...join.features.map((_sql, i) => `f${i}`)];
  return `SELECT ${kept.join(', ')} FROM (${rows}) AS feature_rows${asked} WHERE ${isUsable.join(' AND ')} QUALIFY ${best}${
    knowable ? ` AND ${compileStillLatest(keyNames)}` : ''
  }`;
}

/**
 * Whether a row is not older than one that was known before it: an older event that became known later never counts, since
 * whoever can see it can see the newer one too.
 */
function compileStillLatest(keyNames: readonly string[]): string {
  const partition = keyNames.length === 0 ? '' : `PARTITION BY ${keyNames.join(', ')} `;
  return `event_at >= coalesce(max(event_at) OVER (${partition}ORDER BY known_at RANGE UNBOUNDED PRECEDING), event_at)`;
}

/** One row: feature rows, of them without event timestamp, without join key, and per feature with a value that does not fit. */
export function compileSourceCensus(join: JoinExpressions, misfits: readonly string[]): string {
  const counts = [
    'count(*)',
    `count(*) FILTER (WHERE ${join.eventTimestamp} IS NULL)`,
    `count(*) FILTER (WHERE ${noJoinKey(join)})`,
    ...misfits.map((misfit) => `count(*) FILTER (WHERE ${misfit})`),
  ];
  return `SELECT ${counts.join(', ')} FROM ${join.relation.sql}`;
}

/** True for a feature row that belongs to no entity. */
export function noJoinKey(join: JoinExpressions): string {
  return join.keys.length === 0
    ? 'false'
    : join.keys.map(({ sql }) => `${sql} IS NULL`).join(' OR ');
}

/** Positions of the first rows for which `condition` holds; `?` = how many. */
export function compilePositions(relation: SourceRelation, condition: string): string {
  const position = relation.position.join(', ');
  return `SELECT ${position} FROM ${relation.sql} WHERE ${condition} ORDER BY ${position} LIMIT ?`;
}
