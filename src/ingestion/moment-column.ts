import { DuckDBTypeId } from '@duckdb/node-api';
import type { DuckDBDataChunk } from '@duckdb/node-api';
import { ColumnData } from './column-data.ts';
import { floorDivide } from './text-scalars.ts';

const NANOS_PER_SECOND = 1_000_000_000;
const MICROS_PER_SECOND = 1_000_000;
const NANOS_PER_MICRO = 1000;
const TWO_POW_32 = 0x1_0000_0000;

/** A column of epochs (BIGINT) of what was a timestamp: in nanoseconds where that was TIMESTAMP_NS, else in microseconds. */
export class MomentColumn {
  private readonly column: ColumnData;
  private readonly isNanos: boolean;

  /** @param index of the column in its chunk. @param typeId of the column that it was made from. */
  constructor(index: number, typeId: DuckDBTypeId | undefined) {
    this.column = new ColumnData(index, 8);
    this.isNanos = typeId === DuckDBTypeId.TIMESTAMP_NS;
  }

  attach(chunk: DuckDBDataChunk): void {
    this.column.attach(chunk);
  }

  /** Whole seconds, rounded down; NaN where there is none. */
  seconds(row: number): number {
    if (this.column.isNull(row)) return Number.NaN;
    const perSecond = this.perSecond();
    const count = this.count(row);
    return Number.isSafeInteger(count)
      ? Math.floor(count / perSecond)
      : Number(floorDivide(this.exactCount(row), BigInt(perSecond)));
  }

  /** What there is beyond its seconds. Feast keeps microseconds; what is finer is cut off. */
  nanos(row: number, seconds: number): number {
    const perSecond = this.perSecond();
    const count = this.count(row);
    const rest = Number.isSafeInteger(count)
      ? count - seconds * perSecond
      : Number(this.exactCount(row) - BigInt(seconds) * BigInt(perSecond));
    return this.isNanos ? rest - (rest % NANOS_PER_MICRO) : rest * NANOS_PER_MICRO;
  }

  private perSecond(): number {
    return this.isNanos ? NANOS_PER_SECOND : MICROS_PER_SECOND;
  }

  private count(row: number): number {
    const { ints } = this.column;
    return ints[2 * row + 1]! * TWO_POW_32 + (ints[2 * row]! >>> 0);
  }

  private exactCount(row: number): bigint {
    const { ints } = this.column;
    return (BigInt(ints[2 * row + 1]!) << 32n) | BigInt(ints[2 * row]! >>> 0);
  }
}
