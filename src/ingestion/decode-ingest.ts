import { isUtf8 } from 'node:buffer';
import { isValueMessage } from '../feast-encoding/value-check.ts';
import { varintInt64, varintLow32 } from '../feast-encoding/varint.ts';
import { MAX_NESTING, skipLength, skipPayload, skipTag } from '../feast-encoding/wire.ts';
import type { WriteTarget } from './feature-writer.ts';
import { TypedColumn } from './typed-column.ts';
import { invalidFrame, listNames } from './write-errors.ts';
import {
  checkColumnCount,
  checkRowCount,
  type FrameColumn,
  type WriteFrame,
} from './write-frame.ts';

/** A `sideboard.v1.WriteRequest`. */
export type IngestRequest =
  | { readonly kind: 'target'; readonly target: IngestTarget }
  | { readonly kind: 'rows'; readonly rows: IngestRows };

/** What rows are written to, and their columns. */
export interface IngestTarget extends WriteTarget {
  readonly columns: readonly string[];
}

/** Rows as they came: decoded when their turn has come. */
export interface IngestRows {
  readonly id: bigint;
  /** The whole `Rows` message. */
  readonly message: Uint8Array;
}

/** Tags of `WriteRequest`, `Target` and `Rows` (proto/sideboard/v1/ingest.proto). */
const TARGET_TAG = 0x0a;
const ROWS_TAG = 0x12;
const PUSH_SOURCE_TAG = 0x0a;
const FEATURE_VIEW_TAG = 0x12;
const COLUMNS_TAG = 0x1a;
const ID_TAG = 0x08;
const ROW_COLUMNS_TAG = 0x12;
/** `feast.types.RepeatedValue.val`. */
const VAL_TAG = 0x0a;

/** @throws SideboardError INVALID_REQUEST where the bytes are no such message. */
export function decodeIngestRequest(message: Uint8Array): IngestRequest {
  let request: IngestRequest | undefined;
  eachField(message, 0, message.length, (tag, start, end) => {
    if (tag === TARGET_TAG) {
      request = { kind: 'target', target: decodeTarget(message, start, end) };
    } else if (tag === ROWS_TAG) {
      const rows = message.subarray(start, end);
      request = { kind: 'rows', rows: { id: decodeId(rows), message: rows } };
    }
  });
  if (request === undefined) {
    throw invalidFrame('a WriteRequest has to have a target or rows');
  }
  return request;
}

function decodeTarget(message: Uint8Array, from: number, to: number): IngestTarget {
  let target: WriteTarget | undefined;
  const columns = new Set<string>();
  eachField(message, from, to, (tag, start, end) => {
    if (tag === PUSH_SOURCE_TAG) {
      target = { kind: 'push_source', name: textOf(message, start, end) };
    } else if (tag === FEATURE_VIEW_TAG) {
      target = { kind: 'feature_view', name: textOf(message, start, end) };
    } else if (tag === COLUMNS_TAG) {
      const column = textOf(message, start, end);
      if (columns.has(column)) {
        throw invalidFrame(`the target names column ${listNames([column])} twice`);
      }
      columns.add(column);
      checkColumnCount(columns.size);
    }
  });
  if (target === undefined) {
    throw invalidFrame('a target has to name a push source or a feature view');
  }
  return { ...target, columns: [...columns] };
}

function decodeId(rows: Uint8Array): bigint {
  let id = 0n;
  eachField(rows, 0, rows.length, (tag, start) => {
    if (tag === ID_TAG) id = BigInt.asUintN(64, varintInt64(rows, start));
  });
  return id;
}

/**
 * The rows as a frame, whose columns are read where the message has them.
 *
 * @throws SideboardError INVALID_REQUEST where columns are missing, of different lengths, or hold what is no `Value`.
 */
export function frameOfRows({ message }: IngestRows, columns: readonly string[]): WriteFrame {
  const frame = new Map<string, FrameColumn>();
  let rowCount = -1;
  eachField(message, 0, message.length, (tag, start, end) => {
    if (tag !== ROW_COLUMNS_TAG) return;
    const name = columns[frame.size];
    if (name === undefined) {
      throw invalidFrame(`the rows have more columns than the ${columns.length} of their target`);
    }
    const column = decodeValues(message, start, end, name, rowCount);
    const { length } = column.starts;
    if (rowCount >= 0 && length !== rowCount) {
      throw invalidFrame(
        `all columns have to be of one length; ${listNames([name])} has ${length} values where others have ${rowCount}`,
      );
    }
    checkRowCount(length);
    rowCount = length;
    frame.set(name, column);
  });
  if (frame.size < columns.length) {
    throw invalidFrame(
      `the rows have ${frame.size} columns, their target names ${columns.length}: ${listNames(columns)}`,
    );
  }
  return { rowCount: Math.max(0, rowCount), columns: frame };
}

/** @param rowCount values that the columns before have; -1 = this is the first */
function decodeValues(
  message: Uint8Array,
  from: number,
  to: number,
  column: string,
  rowCount: number,
): TypedColumn {
  let starts = new Int32Array(rowCount < 0 ? INITIAL_ROWS : rowCount);
  let ends = new Int32Array(starts.length);
  let count = 0;
  let at = from;
  while (at < to) {
    // Nearly every value is shorter than 128 bytes: its length is one byte.
    const length = message[at + 1]!;
    let start = at + 2;
    let end = start + length;
    if (message[at] !== VAL_TAG || length >= 0x80 || end > to) {
      const payload = skipTag(message, at, to);
      const tag = payload < 0 ? 0 : varintLow32(message, at) >>> 0;
      end = payload < 0 ? -1 : skipPayload(message, payload, to, tag, MAX_NESTING);
      if (end < 0) throw malformed();
      if (tag !== VAL_TAG) {
        at = end;
        continue;
      }
      start = skipLength(message, payload, to);
    }
    if (!isValueMessage(message, start, end)) {
      throw invalidFrame(`row ${count} of column ${listNames([column])} is no feast.types.Value`);
    }
    if (count === starts.length) {
      starts = grown(starts);
      ends = grown(ends);
    }
    starts[count] = start;
    ends[count] = end;
    count++;
    at = end;
  }
  return count === starts.length
    ? new TypedColumn(message, starts, ends)
    : new TypedColumn(message, starts.slice(0, count), ends.slice(0, count));
}

/** Rows that are expected before the first column is read. */
const INITIAL_ROWS = 16;

function grown(numbers: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(INITIAL_ROWS, 2 * numbers.length));
  larger.set(numbers);
  return larger;
}

/** Calls back for every field with its tag and where its payload (without its length) is. */
function eachField(
  bytes: Uint8Array,
  from: number,
  to: number,
  visit: (tag: number, start: number, end: number) => void,
): void {
  let at = from;
  while (at < to) {
    const payload = skipTag(bytes, at, to);
    const tag = payload < 0 ? 0 : varintLow32(bytes, at) >>> 0;
    const end = payload < 0 ? -1 : skipPayload(bytes, payload, to, tag, MAX_NESTING);
    if (end < 0) throw malformed();
    visit(tag, (tag & 7) === 2 ? skipLength(bytes, payload, to) : payload, end);
    at = end;
  }
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  const text = bytes.subarray(start, end);
  if (!isUtf8(text)) throw malformed();
  return Buffer.from(text.buffer, text.byteOffset, text.length).toString('utf8');
}

function malformed(): Error {
  return invalidFrame('the request is not a valid sideboard.v1.WriteRequest');
}
