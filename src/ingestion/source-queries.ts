import { DuckDBTypeId } from '@duckdb/node-api';
import type { DuckDBType } from '@duckdb/node-api';
import { ValueType, valueTypeName } from '../feast-encoding/value-type.ts';
import type { FieldDefinition } from '../registry/registry-model.ts';
import { orderOfKeys } from './key-order.ts';
import type { MaterializationWindow } from './materialization-window.ts';
import type { SourceColumn, SourceColumns } from './source-columns.ts';

/** The rows of a batch source as DuckDB sees them. */
export interface SourceRelation {
  /** What follows FROM. */
  readonly sql: string;
  /** Columns that together name a row and, compared in this order, give the order of the rows in the source. */
  readonly position: readonly string[];
}

/** The three questions that a materialization asks of its source; all timestamps and integers come back as BIGINT. */
export interface SourceQueries {
  /** One row: rows, rows without event timestamp, rows in the window, rows in the window without join key. */
  readonly census: string;
  /** Fills the table `latest` with the positions of the rows to write: the latest one per entity. */
  readonly chooseLatest: string;
  /**
   * Those rows, in the order of the source or of their entity keys: event timestamp, created timestamp (NULL where there is none), join keys,
   * features, position.
   */
  readonly latestRows: string;
  /** The same, quicker, where `latest` holds all rows of the source. */
  readonly allRows: string;
  /** Positions of rows without a usable event timestamp, the first ones; `?` = how many. */
  readonly rowsWithoutTimestamp: string;
  /** Positions of rows in the window without a usable join key, the first ones; `?` = how many. */
  readonly rowsWithoutJoinKey: string;
}

const INTEGERS: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UHUGEINT,
]);

const NANOS_PER_MICRO = 1000n;
/** What 64 bits of nanoseconds can hold: 1677-09-21 to 2262-04-11. */
const MIN_NANOSECONDS = -9_223_286_400_000_000_000n;
const MAX_NANOSECONDS = 9_223_286_400_000_000_000n;

/**
 * The latest row of an entity is, as in Feast: the one with the greatest event timestamp among those in the window, both
 * ends included; among equals the one with the greatest created timestamp, none being the least. Where that leaves several
 * Feast's choice depends on its sort; here the first in the source wins.
 *
 * @param joinKeys of the view, aligned with `columns.joinKeys`.
 * @param order in which the rows come; that of entity keys costs a sort.
 */
export function compileSourceQueries(
  relation: SourceRelation,
  columns: SourceColumns,
  joinKeys: readonly FieldDefinition[],
  window: MaterializationWindow,
  order: 'source' | 'entity keys' = 'source',
): SourceQueries {
  const event = momentExpression(columns.eventTimestamp)!;
  const created =
    columns.createdTimestamp === undefined
      ? undefined
      : momentExpression(columns.createdTimestamp)!;
  const keys = columns.joinKeys.map((column, i) =>
    joinKeyExpression(column, joinKeys[i]!.valueType)!,
  );
  const position = relation.position.join(', ');
  const inWindow = `${event} BETWEEN ${momentLiteral(columns.eventTimestamp.type, window.startNs)} AND ${momentLiteral(columns.eventTimestamp.type, window.endNs)}`;
  const noKey = keys.length === 0 ? 'false' : keys.map((key) => `${key} IS NULL`).join(' OR ');
  const newestFirst = [
    `${event} DESC`,
    ...(created === undefined ? [] : [`${created} DESC NULLS LAST`]),
    ...relation.position,
  ].join(', ');
  const candidates = `FROM ${relation.sql} WHERE ${inWindow} AND NOT (${noKey})`;
  const selected = [
    epoch(event, columns.eventTimestamp.type),
    created === undefined ? 'NULL::BIGINT' : epoch(created, columns.createdTimestamp!.type),
    ...keys,
    ...columns.features.map(({ sourceName }) => `source.${quote(sourceName)}`),
    ...relation.position.map((name) => `source.${name}`),
  ].join(', ');
  const inKeyOrder =
    order === 'source' || keys.length === 0
      ? ''
      : ` ORDER BY ${orderOfKeys(joinKeys.map(({ name, valueType }, i) => ({ name, valueType, sql: keys[i]! }))).join(', ')}`;
  const same = relation.position.map((name) => `source.${name} = latest.${name}`).join(' AND ');
  return {
    census: `SELECT count(*), count(*) FILTER (WHERE ${event} IS NULL), count(*) FILTER (WHERE ${inWindow}), count(*) FILTER (WHERE ${inWindow} AND (${noKey})) FROM ${relation.sql}`,
    chooseLatest:
      keys.length === 0
        ? `CREATE TEMP TABLE latest AS SELECT ${position} ${candidates} ORDER BY ${newestFirst} LIMIT 1`
        : `CREATE TEMP TABLE latest AS SELECT ${position} ${candidates} QUALIFY row_number() OVER (PARTITION BY ${keys.join(', ')} ORDER BY ${newestFirst}) = 1`,
    latestRows: `SELECT ${selected} FROM ${relation.sql} JOIN latest ON ${same}${inKeyOrder}`,
    allRows: `SELECT ${selected} FROM ${relation.sql}${inKeyOrder}`,
    rowsWithoutTimestamp: `SELECT ${position} FROM ${relation.sql} WHERE ${event} IS NULL ORDER BY ${position} LIMIT ?`,
    rowsWithoutJoinKey: `SELECT ${position} FROM ${relation.sql} WHERE ${inWindow} AND (${noKey}) ORDER BY ${position} LIMIT ?`,
  };
}

/** A name of a column, table or file as DuckDB's SQL writes it. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * SQL for a column read as a moment: NULL where it is none. Naive timestamps are UTC; text is ISO 8601.
 *
 * @returns `undefined` for a type that is neither timestamp, date nor text.
 */
export function momentExpression(column: SourceColumn): string | undefined {
  const sql = `source.${quote(column.sourceName)}`;
  switch (column.type.typeId) {
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_TZ:
    case DuckDBTypeId.TIMESTAMP_NS:
      return sql;
    case DuckDBTypeId.TIMESTAMP_S:
    case DuckDBTypeId.TIMESTAMP_MS:
    case DuckDBTypeId.DATE:
      return `${sql}::TIMESTAMP`;
    case DuckDBTypeId.VARCHAR:
    case DuckDBTypeId.ENUM:
      return `TRY_CAST(${sql} AS TIMESTAMPTZ)`;
    default:
      return undefined;
  }
}

/**
 * SQL for a column read as a join key: NULL where it is null or no value of the declared type. Integers and timestamps
 * (whole seconds) come out as BIGINT, so that rows which write the same entity are told to be the same one.
 *
 * @param valueType declared for the join key.
 * @returns `undefined` for a column type that cannot hold such a key.
 */
export function joinKeyExpression(column: SourceColumn, valueType: number): string | undefined {
  const sql = `source.${quote(column.sourceName)}`;
  switch (valueType) {
    case ValueType.STRING:
      return sql;
    case ValueType.BYTES:
      return column.type.typeId === DuckDBTypeId.BLOB ? sql : undefined;
    case ValueType.INT32:
    case ValueType.INT64: {
      const integer = integerExpression(sql, column.type);
      const type = valueType === ValueType.INT32 ? 'INTEGER' : 'BIGINT';
      return integer === undefined ? undefined : `TRY_CAST(${integer} AS ${type})::BIGINT`;
    }
    case ValueType.UNIX_TIMESTAMP: {
      if (INTEGERS.has(column.type.typeId)) {
        return `TRY_CAST(${sql} AS BIGINT)`;
      }
      const moment = momentExpression(column);
      // Floor, before 1970 too; DuckDB's own integer division cuts towards zero.
      return moment === undefined
        ? undefined
        : `((epoch_us(${moment}) - ((epoch_us(${moment}) % 1000000) + 1000000) % 1000000) // 1000000)`;
    }
    default:
      return undefined;
  }
}

/** The declared type of a join key, or what Feast would infer from the column where nothing is declared. */
export function joinKeyType(column: SourceColumn, declared: number): number {
  if (declared !== ValueType.INVALID) {
    return declared;
  }
  switch (column.type.typeId) {
    case DuckDBTypeId.VARCHAR:
      return ValueType.STRING;
    case DuckDBTypeId.BLOB:
      return ValueType.BYTES;
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
      return ValueType.INT32;
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.UINTEGER:
    case DuckDBTypeId.UBIGINT:
      return ValueType.INT64;
    default:
      return momentExpression(column) === undefined ? declared : ValueType.UNIX_TIMESTAMP;
  }
}

/** Why a column cannot be what the view wants of it; `undefined` = it can. */
export function describeMisfit(column: SourceColumn, wanted: number | 'moment'): string {
  const name = wanted === 'moment' ? 'a timestamp' : valueTypeName(wanted);
  const mapped = column.sourceName === column.name ? '' : ` (mapped to ${column.name})`;
  return `column ${column.sourceName}${mapped} has type ${column.type.toString()}, which cannot be read as ${name}`;
}

/** Fractions are cut as Python's int() does; text has to be digits. */
function integerExpression(sql: string, type: DuckDBType): string | undefined {
  if (INTEGERS.has(type.typeId) || type.typeId === DuckDBTypeId.BOOLEAN) {
    return sql;
  }
  switch (type.typeId) {
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
    case DuckDBTypeId.DECIMAL:
      return `trunc(${sql})`;
    case DuckDBTypeId.VARCHAR:
    case DuckDBTypeId.ENUM:
      return `CASE WHEN regexp_full_match(trim(${sql}), '[+-]?[0-9]+') THEN trim(${sql}) END`;
    default:
      return undefined;
  }
}

/** Microseconds (nanoseconds for TIMESTAMP_NS) since the epoch. */
function epoch(sql: string, type: DuckDBType): string {
  return type.typeId === DuckDBTypeId.TIMESTAMP_NS ? `epoch_ns(${sql})` : `epoch_us(${sql})`;
}

/** A moment in a column's own type, so that DuckDB can leave out row groups by their statistics. */
export function momentLiteral(type: DuckDBType, timestampNs: bigint): string {
  if (type.typeId === DuckDBTypeId.TIMESTAMP_NS) {
    const clamped =
      timestampNs < MIN_NANOSECONDS
        ? MIN_NANOSECONDS
        : timestampNs > MAX_NANOSECONDS
          ? MAX_NANOSECONDS
          : timestampNs;
    return `make_timestamp_ns(${clamped})`;
  }
  const micros = timestampNs / NANOS_PER_MICRO;
  const naive = `make_timestamp(${micros})`;
  return type.typeId === DuckDBTypeId.TIMESTAMP_TZ ||
    type.typeId === DuckDBTypeId.VARCHAR ||
    type.typeId === DuckDBTypeId.ENUM
    ? `(${naive} AT TIME ZONE 'UTC')`
    : naive;
}
