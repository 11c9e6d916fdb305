import type { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import type { PlainValue } from './plain-value.ts';
import { PlainColumn } from './plain-column.ts';
import { TypedColumn } from './typed-column.ts';
import type { ValueEncoder } from './value-encoder.ts';
import { invalidFrame } from './write-errors.ts';

/** Rows on their way to the online store, as columns: what Feast calls a data frame. All columns have `rowCount` values. */
export interface WriteFrame {
  readonly rowCount: number;
  readonly columns: ReadonlyMap<string, FrameColumn>;
}

/** Columns of a frame. One costs some hundred bytes beside the few that name it. */
export const MAX_COLUMNS = 10_000;

/** @throws SideboardError INVALID_REQUEST for more than `MAX_COLUMNS` */
export function checkColumnCount(count: number): void {
  if (count > MAX_COLUMNS) {
    throw invalidFrame(`there are more than ${MAX_COLUMNS} columns; send those of the view alone`);
  }
}

/** Rows of a frame: more than 16 MiB have of any use. One of a few bytes costs a hundred and more until the store has it. */
const MAX_ROWS = 1_000_000;

/** @throws SideboardError INVALID_REQUEST for more than `MAX_ROWS` */
export function checkRowCount(count: number): void {
  if (count > MAX_ROWS) {
    throw invalidFrame(`there are ${count} rows, and ${MAX_ROWS} are taken at once; send fewer`);
  }
}

/** A column, read where its caller's bytes have it; rows count from 0. */
export interface FrameColumn {
  /** Whether a row has no value: null, in plain columns NaN too. */
  isNull(row: number): boolean;
  /** Appends the value of a row as the type of `encoder`, nothing for a null; false = it does not fit. */
  append(out: GrowingBytes, row: number, encoder: ValueEncoder): boolean;
  /** The value of a row before it is read as any type; `undefined` = it has no such form. */
  plain(row: number): PlainValue | undefined;
  /** The seconds of a row that was sent as `unix_timestamp_val`; `undefined` = it was not. */
  unixSeconds(row: number): number | undefined;
  /** Whether the value of a row would lose something as a join key of this type: a fraction, or that it is a bool. */
  losesAsKey(row: number, valueType: number): boolean;
}

/** A frame of one row, of values that are all of one kind. */
export function singleRowFrame(
  columns: ReadonlyMap<string, string> | ReadonlyMap<string, Uint8Array>,
): WriteFrame {
  const frame = new Map<string, FrameColumn>();
  for (const [name, value] of columns) {
    frame.set(name, typeof value === 'string' ? new PlainColumn([value]) : TypedColumn.of([value]));
  }
  return { rowCount: columns.size === 0 ? 0 : 1, columns: frame };
}
