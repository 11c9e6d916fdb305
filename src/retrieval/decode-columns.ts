import type { Buffer } from 'node:buffer';
import { isValueMessage } from '../feast-encoding/value-check.ts';
import { MAX_NESTING, skipLength, skipPayload, skipTag } from '../feast-encoding/wire.ts';
import { readTag, readText } from './read-wire.ts';
import { invalidRequest, limitExceeded, tooManyColumns } from './retrieval-errors.ts';
import type { EntityColumn } from './retrieval-request.ts';

/** Tags of a map entry (key 1, value 2) and of `RepeatedValue.val`; all have a length. */
const KEY_TAG = 0x0a;
const VALUE_TAG = 0x12;
const VAL_TAG = 0x0a;

/** Of one request, empty ones and several of one name counted too: a column costs some hundred bytes beside its two in a message. */
export const MAX_COLUMNS = 10_000;

/** @throws SideboardError LIMIT_EXCEEDED */
export function checkColumnCount(count: number): void {
  if (count > MAX_COLUMNS) throw tooManyColumns(MAX_COLUMNS);
}

/**
 * Decodes one entry of `map<string, RepeatedValue>` at `[start, end)`: finds where each value begins and ends. The values
 * are checked to be `Value`s, not decoded.
 *
 * @throws SideboardError INVALID_REQUEST, LIMIT_EXCEEDED beyond `maxRows`
 */
export function decodeColumn(
  bytes: Buffer,
  start: number,
  end: number,
  maxRows: number,
): EntityColumn {
  let name = '';
  let rowCount = 0;
  let at = start;
  // As everywhere in protobuf, the last key counts, and a value given in parts is one value.
  while (at < end) {
    const payload = skipTag(bytes, at, end);
    const tag = readTag(bytes, at);
    const after = skipEntryField(bytes, at, payload, end);
    if (tag === KEY_TAG) name = readText(bytes, skipLength(bytes, payload, end), after);
    if (tag === VALUE_TAG) rowCount += countValues(bytes, skipLength(bytes, payload, end), after);
    at = after;
  }
  if (rowCount > maxRows) throw limitExceeded('rows', rowCount, maxRows, 'max_rows');
  const starts = new Int32Array(rowCount);
  const ends = new Int32Array(rowCount);
  let row = 0;
  at = start;
  while (at < end) {
    const payload = skipTag(bytes, at, end);
    const after = skipEntryField(bytes, at, payload, end);
    if (readTag(bytes, at) === VALUE_TAG) {
      row = findValues(bytes, skipLength(bytes, payload, end), after, starts, ends, row);
    }
    at = after;
  }
  for (row = 0; row < rowCount; row++) {
    if (!isValueMessage(bytes, starts[row]!, ends[row]!)) {
      throw invalidRequest(`row ${row} of column ${name} is no feast.types.Value`);
    }
  }
  return { name, bytes, starts, ends };
}

/** The position after the field at `at`, whose payload begins at `payload` (-1 = its tag is malformed). */
function skipEntryField(bytes: Uint8Array, at: number, payload: number, end: number): number {
  const after =
    payload < 0 ? -1 : skipPayload(bytes, payload, end, readTag(bytes, at), MAX_NESTING - 1);
  if (after < 0) throw invalidRequest(`malformed map entry at byte ${at}`);
  return after;
}

/** Counts the values of the `RepeatedValue` at `[start, end)`. */
function countValues(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  let at = start;
  while (at < end) {
    const payload = skipTag(bytes, at, end);
    const tag = payload < 0 ? 0 : readTag(bytes, at);
    const after = payload < 0 ? -1 : skipPayload(bytes, payload, end, tag, MAX_NESTING - 2);
    if (after < 0) throw invalidRequest(`malformed feast.types.RepeatedValue at byte ${at}`);
    if (tag === VAL_TAG) count++;
    at = after;
  }
  return count;
}

/**
 * Writes where the values of a `RepeatedValue` (that `countValues` found whole) stand, from index `row` on; returns the
 * index after the last.
 */
function findValues(
  bytes: Uint8Array,
  start: number,
  end: number,
  starts: Int32Array,
  ends: Int32Array,
  row: number,
): number {
  let at = start;
  while (at < end) {
    const payload = skipTag(bytes, at, end);
    const tag = readTag(bytes, at);
    const after = skipPayload(bytes, payload, end, tag, MAX_NESTING - 2);
    if (tag === VAL_TAG) {
      starts[row] = skipLength(bytes, payload, end);
      ends[row] = after;
      row++;
    }
    at = after;
  }
  return row;
}
