import { findField, growGuess, MAX_GUESSED, NOT_GUESSED, type HashFields } from './hash-fields.ts';
import { RedisError } from './redis-error.ts';
import { REPLY_LIMITS, Resp, type ReplyReader } from './reply-reader.ts';

/** In `HashCells.starts`: nothing is stored there; what is could not be read. */
export const ABSENT = -1;
export const LOST = -2;

/** The values of many hashes by cells: cell `c` of hash `h` is at `h * width + c`. */
export interface HashCells {
  /** One per hash: what its positions point into; without meaning where no cell of it is present. */
  readonly buffers: Uint8Array[];
  /** One per cell: where the value begins, `ABSENT` or `LOST`. */
  readonly starts: Int32Array;
  /** One per cell, aligned with `starts`: where it ends. */
  readonly ends: Int32Array;
}

/** How far reading a reply got. */
export const ReplyProgress = { INCOMPLETE: 0, COMPLETE: 1, OTHER: 2 } as const;
export type ReplyProgressNumber = (typeof ReplyProgress)[keyof typeof ReplyProgress];

const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;
const MINUS = 0x2d;
const ONE = 0x31;

/** A header's line is looked at up to here; none that is read here is longer. */
const MAX_HEADER_BYTES = 12;

/**
 * Goes on reading the reply to an `HMGET` into the cells from `cell` on: an array of strings and nulls, one per field.
 * Positions are written as they are found; they mean something when the reply is complete.
 *
 * @returns OTHER where it is another kind of reply: nothing of it counts, `reader.restart()` and `skip()` go over it.
 */
export function readFieldsReply(
  reader: ReplyReader,
  width: number,
  cells: HashCells,
  cell: number,
): ReplyProgressNumber {
  if (reader.elementCount === 0) {
    const header = readHeader(reader, Resp.ARRAY, Resp.ARRAY, width);
    if (header !== ReplyProgress.COMPLETE) {
      return header;
    }
  }
  const { bytes, end } = reader;
  const { starts, ends } = cells;
  let at = reader.at;
  // The header is an element too: `elementCount` 0 means that nothing has been read.
  for (let i = reader.elementCount - 1; i < width; i++) {
    const next = readValue(bytes, at, end, starts, ends, cell + i);
    if (next < 0) {
      reader.at = at;
      reader.elementCount = i + 1;
      return next === UNUSUAL ? ReplyProgress.OTHER : ReplyProgress.INCOMPLETE;
    }
    at = next;
  }
  reader.at = at;
  reader.elementCount = width + 1;
  return ReplyProgress.COMPLETE;
}

/**
 * Goes on reading the reply to an `HGETALL`: a flat array (RESP2) or map (RESP3) of fields and values. The cells must be
 * absent in the beginning; a value whose field is not wanted is passed over.
 */
export function readPairsReply(
  reader: ReplyReader,
  fields: HashFields,
  cells: HashCells,
  cell: number,
): ReplyProgressNumber {
  const { bytes, end } = reader;
  const { table, guess, width } = fields;
  if (reader.elementCount === 0) {
    cells.starts.fill(ABSENT, cell, cell + width);
    const header = readHeader(reader, Resp.MAP, Resp.ARRAY, -1);
    if (header !== ReplyProgress.COMPLETE) {
      return header;
    }
  }
  const { starts, ends } = cells;
  const pairCount = countPairs(bytes, reader.start);
  if (pairCount < 0) {
    return ReplyProgress.OTHER;
  }
  if (guess.cells.length < Math.min(pairCount, MAX_GUESSED)) {
    growGuess(guess, pairCount);
  }
  let at = reader.at;
  for (let i = reader.elementCount - 1; i < pairCount; i++) {
    const fieldStart = startOfString(bytes, at, end);
    const fieldEnd = fieldStart < 0 ? fieldStart : endOfString(bytes, at, fieldStart, end);
    const valueAt = fieldEnd + 2;
    const start = fieldEnd < 0 ? fieldEnd : startOfString(bytes, valueAt, end);
    const valueEnd = start < 0 ? start : endOfString(bytes, valueAt, start, end);
    if (valueEnd < 0) {
      reader.at = at;
      reader.elementCount = i + 1;
      return valueEnd === UNUSUAL ? ReplyProgress.OTHER : ReplyProgress.INCOMPLETE;
    }
    let c = cellOf(fields, i, bytes, fieldStart, fieldEnd);
    for (; c >= 0; c = table.next[c]!) {
      starts[cell + c] = start;
      ends[cell + c] = valueEnd;
    }
    at = valueEnd + 2;
  }
  reader.at = at;
  reader.elementCount = pairCount + 1;
  return ReplyProgress.COMPLETE;
}

/** The first cell of the field at some place of a hash, by the guess or by looking it up; -1 where it is not wanted. */
function cellOf(
  { table, guess }: HashFields,
  place: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start !== 4 || place >= guess.cells.length) {
    return findField(table, bytes, start, end);
  }
  const field =
    bytes[start]! |
    (bytes[start + 1]! << 8) |
    (bytes[start + 2]! << 16) |
    (bytes[start + 3]! << 24);
  const guessed = guess.cells[place]!;
  if (guessed !== NOT_GUESSED && guess.fields[place] === field) {
    return guessed;
  }
  const cell = findField(table, bytes, start, end);
  guess.fields[place] = field;
  guess.cells[place] = cell;
  return cell;
}

/** Negative positions: more bytes are needed; an element is none of those that are read here. */
const MORE = -1;
const UNUSUAL = -2;

/** Reads one value into its cell; returns the position after it, `MORE` or `UNUSUAL`. */
function readValue(
  bytes: Uint8Array,
  at: number,
  end: number,
  starts: Int32Array,
  ends: Int32Array,
  cell: number,
): number {
  const start = startOfString(bytes, at, end);
  if (start >= 0) {
    const valueEnd = endOfString(bytes, at, start, end);
    if (valueEnd < 0) {
      return valueEnd;
    }
    starts[cell] = start;
    ends[cell] = valueEnd;
    return valueEnd + 2;
  }
  if (start === MORE) {
    return MORE;
  }
  starts[cell] = ABSENT;
  return endOfNull(bytes, at, end);
}

/** Where the payload of the string whose header is at `at` begins. */
function startOfString(bytes: Uint8Array, at: number, end: number): number {
  if (at + 3 >= end) {
    return at < end && bytes[at] !== Resp.BULK ? UNUSUAL : MORE;
  }
  if (bytes[at] !== Resp.BULK) {
    return UNUSUAL;
  }
  // Most lengths have one digit.
  if (bytes[at + 2] === CR && bytes[at + 3] === LF && isDigit(bytes[at + 1]!)) {
    return at + 4;
  }
  const limit = Math.min(end, at + MAX_HEADER_BYTES);
  let p = at + 1;
  while (p < limit && bytes[p]! >= ZERO && bytes[p]! <= ZERO + 9) {
    p++;
  }
  if (p + 1 >= end) {
    return p < end && bytes[p] !== CR ? UNUSUAL : MORE;
  }
  return p > at + 1 && bytes[p] === CR && bytes[p + 1] === LF ? p + 2 : UNUSUAL;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9;
}

/** Where the payload ends that begins at `start`, its header being at `at`: its `\r\n` has arrived as well. */
function endOfString(bytes: Uint8Array, at: number, start: number, end: number): number {
  let length = bytes[at + 1]! - ZERO;
  for (let p = at + 2; p < start - 2; p++) {
    length = length * 10 + bytes[p]! - ZERO;
  }
  const valueEnd = start + length;
  if (valueEnd + 1 >= end) {
    return length > REPLY_LIMITS.maxBulkBytes ? UNUSUAL : MORE;
  }
  return bytes[valueEnd] === CR && bytes[valueEnd + 1] === LF ? valueEnd : UNUSUAL;
}

/** The position after a null of either protocol: `$-1\r\n` or `_\r\n`. */
function endOfNull(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === Resp.NULL) {
    if (at + 3 > end) {
      return MORE;
    }
    return bytes[at + 1] === CR && bytes[at + 2] === LF ? at + 3 : UNUSUAL;
  }
  if (bytes[at] !== Resp.BULK) {
    return UNUSUAL;
  }
  if (at + 5 > end) {
    return MORE;
  }
  const isNull =
    bytes[at + 1] === MINUS &&
    bytes[at + 2] === ONE &&
    bytes[at + 3] === CR &&
    bytes[at + 4] === LF;
  return isNull ? at + 5 : UNUSUAL;
}

/**
 * Reads the header of an aggregate of one of two types.
 *
 * @param count the elements that it must have; -1 = any number.
 */
function readHeader(
  reader: ReplyReader,
  type: number,
  otherType: number,
  count: number,
): ReplyProgressNumber {
  const { bytes, start, end } = reader;
  if (start >= end) {
    return ReplyProgress.INCOMPLETE;
  }
  if (bytes[start] !== type && bytes[start] !== otherType) {
    return ReplyProgress.OTHER;
  }
  let value = 0;
  let p = start + 1;
  const limit = Math.min(end, start + MAX_HEADER_BYTES);
  for (; p < limit && bytes[p]! >= ZERO && bytes[p]! <= ZERO + 9; p++) {
    value = value * 10 + bytes[p]! - ZERO;
  }
  if (p + 1 >= end && p < start + MAX_HEADER_BYTES) {
    return p < end && bytes[p] !== CR ? ReplyProgress.OTHER : ReplyProgress.INCOMPLETE;
  }
  if (p === start + 1 || bytes[p] !== CR || bytes[p + 1] !== LF) {
    return ReplyProgress.OTHER;
  }
  if (count >= 0 ? value !== count : value > REPLY_LIMITS.maxElements) {
    return ReplyProgress.OTHER;
  }
  reader.at = p + 2;
  reader.elementCount = 1;
  return ReplyProgress.COMPLETE;
}

/** Pairs of the aggregate whose header, known to be whole, is at `at`; -1 where an array has an odd number of elements. */
function countPairs(bytes: Uint8Array, at: number): number {
  const isMap = bytes[at] === Resp.MAP;
  let count = 0;
  for (let p = at + 1; bytes[p] !== CR; p++) {
    count = count * 10 + bytes[p]! - ZERO;
  }
  if (isMap) {
    return count;
  }
  return count % 2 === 0 ? count / 2 : -1;
}

/** For a reply that is neither an error nor what its command is answered with. */
export function unexpectedReply(address: string): RedisError {
  const message = 'Redis answered a read of a hash with something else';
  return new RedisError('PROTOCOL', message, { address });
}
