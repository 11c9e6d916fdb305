import { DuckDBTypeId } from '@duckdb/node-api';
import type { DuckDBType } from '@duckdb/node-api';
import { momentExpression } from '../ingestion/source-queries.ts';
import type { SourceColumn } from '../ingestion/source-columns.ts';

/**
 * Moments of a join are whole numbers since the epoch, UTC: microseconds, or nanoseconds where one of the two sides has
 * them, so that a feature of the next nanosecond is never taken for known.
 */
export type MomentUnit = 'us' | 'ns';

export const UNITS_PER_SECOND = { us: 1_000_000n, ns: 1_000_000_000n } as const;

const NANOS_PER_MICRO = 1000n;
/** Microseconds whose nanoseconds fit 64 bits: years 1677 to 2262; what is beyond counts as that. */
const MAX_MICROS = 9_223_372_036_854_775n;

/** The unit that a column's own type has. */
export function momentUnit(type: DuckDBType): MomentUnit {
  return type.typeId === DuckDBTypeId.TIMESTAMP_NS ? 'ns' : 'us';
}

/** The unit to compare moments of several units in. */
export function commonUnit(units: readonly MomentUnit[]): MomentUnit {
  return units.includes('ns') ? 'ns' : 'us';
}

/**
 * SQL for a column (of the relation `source`) as a moment: BIGINT, NULL where it is none.
 *
 * @returns `undefined` for a type that is neither timestamp, date nor text.
 */
export function momentNumber(column: SourceColumn, unit: MomentUnit): string | undefined {
  const moment = momentExpression(column);
  if (moment === undefined) {
    return undefined;
  }
  const own = momentUnit(column.type);
  return convertMoment(`epoch_${own}(${moment})`, own, unit);
}

/** SQL for a moment in another unit; never asked for a coarser one. */
export function convertMoment(sql: string, from: MomentUnit, to: MomentUnit): string {
  return from === to
    ? sql
    : `greatest(least(${sql}, ${MAX_MICROS}), -${MAX_MICROS}) * ${NANOS_PER_MICRO}`;
}

/** A number of that unit as nanoseconds. */
export function momentNanos(count: bigint, unit: MomentUnit): bigint {
  return unit === 'ns' ? count : count * NANOS_PER_MICRO;
}
