import type { Buffer } from 'node:buffer';
import { invalidFrame } from '../ingestion/write-errors.ts';
import {
  checkColumnCount,
  checkRowCount,
  MAX_COLUMNS,
  type WriteFrame,
} from '../ingestion/write-frame.ts';
import { JsonColumn } from './json-column.ts';
import { membersOf, nextItemAt, skipValue } from './json-walk.ts';

/** Single values in all their rows: as many as a message of 16 MiB can spell out. A few kilobytes of each could make any number. */
const MAX_REPEATED_VALUES = 8_000_000;
/** Their text in all these rows: as much as may be on its way to the store. */
const MAX_REPEATED_BYTES = 64 * 1024 * 1024;

const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

/**
 * The rows of a `df`: an object of arrays of one length, as pandas takes it. A scalar beside arrays stands for itself in
 * every row. Values stay where they are in the text.
 *
 * @param at of the bracket that opens the object, in a checked text
 * @throws SideboardError INVALID_REQUEST for arrays of different lengths, without any array, or of very many columns or single
 *   values
 */
export function frameFromJson(text: Buffer, at: number): WriteFrame {
  const df = membersOf(text, at, MAX_COLUMNS);
  checkColumnCount(df.size);
  let rowCount: number | undefined;
  let singleCount = 0;
  let singleBytes = 0;
  const startsOf = new Map<string, Int32Array>();
  for (const [name, valueAt] of df) {
    if (text[valueAt] !== OPEN_ARRAY) {
      singleCount += 1;
      singleBytes += skipValue(text, valueAt) - valueAt;
      continue;
    }
    const starts = itemsOf(text, valueAt, rowCount ?? 0);
    if (rowCount !== undefined && rowCount !== starts.length) {
      throw invalidFrame(
        `df: all columns have to be of one length; ${name} has ${starts.length} values where others have ${rowCount}`,
      );
    }
    rowCount = starts.length;
    startsOf.set(name, starts);
  }
  checkRowCount(rowCount ?? 0);
  if (rowCount === undefined && df.size > 0) {
    throw invalidFrame('df: columns have to be arrays of values, one per row');
  }
  if (singleCount * (rowCount ?? 0) > MAX_REPEATED_VALUES) {
    throw invalidFrame(
      `df: ${singleCount} single values in each of ${rowCount} rows are more than ${MAX_REPEATED_VALUES} values; send fewer rows at once`,
    );
  }
  if (singleBytes * (rowCount ?? 0) > MAX_REPEATED_BYTES) {
    throw invalidFrame(
      `df: single values of ${singleBytes} bytes in each of ${rowCount} rows are more than ${MAX_REPEATED_BYTES} bytes; send fewer rows at once`,
    );
  }
  const columns = new Map<string, JsonColumn>();
  for (const [name, valueAt] of df) {
    if (text[valueAt] === OPEN_OBJECT) {
      throw invalidFrame(`df: column ${name} has to be an array of values, one per row`);
    }
    const starts = startsOf.get(name) ?? new Int32Array(rowCount ?? 0).fill(valueAt);
    columns.set(name, new JsonColumn(text, starts));
  }
  return { rowCount: rowCount ?? 0, columns };
}

/** Where the items of the array at `at` begin. @param expected so many, probably */
function itemsOf(text: Buffer, at: number, expected: number): Int32Array {
  let starts = new Int32Array(expected);
  let count = 0;
  for (at = nextItemAt(text, at); at > 0; at = nextItemAt(text, skipValue(text, at))) {
    if (count === starts.length) {
      const grown = new Int32Array(count === 0 ? 1 : Math.max(16, 2 * count));
      grown.set(starts);
      starts = grown;
    }
    starts[count++] = at;
  }
  return count === starts.length ? starts : starts.slice(0, count);
}
