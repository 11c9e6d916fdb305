import type { Buffer } from 'node:buffer';
import { GrowingBytes } from './growing-bytes.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
const INITIAL_ROWS = 64;
/** Memory that a slab keeps for what is written into it next. */
const KEPT_BYTES = 4 * 1024 * 1024;

/** In `RowSlab.starts`: nothing is said of this feature, so what is stored stays. */
export const LEFT_AS_IS = -1;

/** One row, as objects: what `RowSlab` holds as positions. */
export interface SlabRow {
  readonly entityKey: Uint8Array;
  readonly eventTimestampNs: bigint;
  readonly createdTimestampNs?: bigint | undefined;
  readonly values: readonly (Uint8Array | undefined)[];
}

/**
 * Rows to write, as positions in one growing buffer: nothing is made per value. Cell `c` of row `r` is at
 * `i = r * (width + 1) + c`, its bytes are `[starts[i], ends[i])` of `out.bytes`. Cell 0 is the serialized entity key, the others
 * are encoded `feast.types.Value`s (empty = null).
 *
 * A row is written cell by cell, each with `beginCell`, bytes put into `out`, `endCell`, and counts from `endRow` on; one that is
 * begun again instead is forgotten.
 */
export class RowSlab {
  /** Values of a row. */
  readonly width: number;
  readonly out = new GrowingBytes();
  /** Rows. */
  length = 0;
  starts: Int32Array;
  ends: Int32Array;
  /** Whole seconds since the epoch, UTC, and nanoseconds that count forward from there. */
  eventSeconds: Float64Array;
  eventNanos: Int32Array;
  /** NaN = none. */
  createdSeconds: Float64Array;
  createdNanos: Int32Array;
  /** Whether any value is left as it is. */
  isPartial = false;
  private rowAt = 0;

  /** @param expectedRows room for so many is made at once, 1 at least. */
  constructor(width: number, expectedRows: number = INITIAL_ROWS) {
    this.width = width;
    this.starts = new Int32Array(expectedRows * (width + 1));
    this.ends = new Int32Array(expectedRows * (width + 1));
    this.eventSeconds = new Float64Array(expectedRows);
    this.eventNanos = new Int32Array(expectedRows);
    this.createdSeconds = new Float64Array(expectedRows);
    this.createdNanos = new Int32Array(expectedRows);
  }

  /** The rows as a slab. @param width values of each. */
  static of(rows: readonly SlabRow[], width: number): RowSlab {
    const slab = new RowSlab(width);
    for (const row of rows) {
      slab.add(row);
    }
    return slab;
  }

  add({ entityKey, eventTimestampNs, createdTimestampNs, values }: SlabRow): void {
    this.beginRow();
    this.beginCell(0);
    this.out.put(entityKey);
    this.endCell(0);
    for (let i = 0; i < this.width; i++) {
      const value = values[i];
      if (value === undefined) {
        this.leaveCell(i + 1);
      } else {
        this.beginCell(i + 1);
        this.out.put(value);
        this.endCell(i + 1);
      }
    }
    this.endRow(
      secondsOf(eventTimestampNs),
      nanosOf(eventTimestampNs),
      createdTimestampNs === undefined ? Number.NaN : secondsOf(createdTimestampNs),
      createdTimestampNs === undefined ? 0 : nanosOf(createdTimestampNs),
    );
  }

  /** Begins a row, in the place of one that was not ended. */
  beginRow(): void {
    this.out.at = this.rowAt;
    if (this.length === this.eventSeconds.length) {
      this.grow();
    }
  }

  beginCell(cell: number): void {
    this.starts[this.length * (this.width + 1) + cell] = this.out.at;
  }

  endCell(cell: number): void {
    this.ends[this.length * (this.width + 1) + cell] = this.out.at;
  }

  /** Says nothing of a feature. */
  leaveCell(cell: number): void {
    this.starts[this.length * (this.width + 1) + cell] = LEFT_AS_IS;
    this.isPartial = true;
  }

  /** Ends a row. @param createdSeconds NaN = it has no created timestamp */
  endRow(
    eventSeconds: number,
    eventNanos: number,
    createdSeconds: number,
    createdNanos: number,
  ): void {
    const row = this.length++;
    this.eventSeconds[row] = eventSeconds;
    this.eventNanos[row] = eventNanos;
    this.createdSeconds[row] = createdSeconds;
    this.createdNanos[row] = createdNanos;
    this.rowAt = this.out.at;
  }

  /** Gives the row that was ended last another event timestamp, which is its created timestamp too. */
  dateLastRow(timestampNs: bigint): void {
    const row = this.length - 1;
    const seconds = secondsOf(timestampNs);
    const nanos = nanosOf(timestampNs);
    this.eventSeconds[row] = seconds;
    this.eventNanos[row] = nanos;
    this.createdSeconds[row] = seconds;
    this.createdNanos[row] = nanos;
  }

  /** Bytes that the values of a row take. */
  valueBytes(row: number): number {
    let bytes = 0;
    const first = row * (this.width + 1) + 1;
    for (let i = first; i < first + this.width; i++) {
      if (this.starts[i]! >= 0) bytes += this.ends[i]! - this.starts[i]!;
    }
    return bytes;
  }

  /** Bytes that the entity key of a row takes. */
  keyBytes(row: number): number {
    const i = row * (this.width + 1);
    return this.ends[i]! - this.starts[i]!;
  }

  /** Bytes of a cell, a view on the slab; `undefined` = left as is. */
  cell(row: number, cell: number): Buffer | undefined {
    const i = row * (this.width + 1) + cell;
    const start = this.starts[i]!;
    return start < 0 ? undefined : this.out.bytes.subarray(start, this.ends[i]);
  }

  entityKey(row: number): Buffer {
    return this.cell(row, 0)!;
  }

  /** A row as objects; its bytes are views on the slab. */
  row(row: number): SlabRow {
    const createdSeconds = this.createdSeconds[row]!;
    return {
      entityKey: this.entityKey(row),
      eventTimestampNs: nanoseconds(this.eventSeconds[row]!, this.eventNanos[row]!),
      createdTimestampNs: Number.isNaN(createdSeconds)
        ? undefined
        : nanoseconds(createdSeconds, this.createdNanos[row]!),
      values: Array.from({ length: this.width }, (_, i) => this.cell(row, i + 1)),
    };
  }

  /** All rows as objects; their bytes are views on the slab. */
  rows(): SlabRow[] {
    return Array.from({ length: this.length }, (_, row) => this.row(row));
  }

  /** Bytes that the rows take. */
  get byteLength(): number {
    return this.rowAt;
  }

  /** Forgets the rows from the one on that was begun when there were `length` rows of so many bytes. */
  truncate(length: number, byteLength: number): void {
    this.length = length;
    this.rowAt = byteLength;
    this.out.at = byteLength;
  }

  /** Forgets all rows; what was given out of them means nothing any more. */
  clear(): void {
    this.length = 0;
    this.rowAt = 0;
    this.isPartial = false;
    this.out.clear(KEPT_BYTES);
  }

  private grow(): void {
    this.starts = grownCopy(this.starts, new Int32Array(2 * this.starts.length));
    this.ends = grownCopy(this.ends, new Int32Array(2 * this.ends.length));
    const capacity = 2 * this.length;
    this.eventSeconds = grownCopy(this.eventSeconds, new Float64Array(capacity));
    this.createdSeconds = grownCopy(this.createdSeconds, new Float64Array(capacity));
    this.eventNanos = grownCopy(this.eventNanos, new Int32Array(capacity));
    this.createdNanos = grownCopy(this.createdNanos, new Int32Array(capacity));
  }
}

function grownCopy<T extends Int32Array | Float64Array>(source: T, grown: T): T {
  grown.set(source);
  return grown;
}

/** Whole seconds of a moment. */
export function secondsOf(timestampNs: bigint): number {
  const seconds = Number(timestampNs / NANOS_PER_SECOND);
  return timestampNs < 0n && timestampNs % NANOS_PER_SECOND !== 0n ? seconds - 1 : seconds;
}

/** Nanoseconds of a moment that count forward from its whole seconds. */
export function nanosOf(timestampNs: bigint): number {
  const nanos = Number(timestampNs % NANOS_PER_SECOND);
  return nanos < 0 ? nanos + 1_000_000_000 : nanos;
}

function nanoseconds(seconds: number, nanos: number): bigint {
  return BigInt(seconds) * NANOS_PER_SECOND + BigInt(nanos);
}
