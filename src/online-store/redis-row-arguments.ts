import { Buffer } from 'node:buffer';
import type { RowSlab, SlabRow } from '../feast-encoding/row-slab.ts';
import {
  encodeTimestamp,
  MAX_TIMESTAMP_BYTES,
  writeTimestamp,
} from '../feast-encoding/timestamp.ts';
import {
  MAX_COMMAND_HEAD_BYTES,
  maxWordBytes,
  writeCommandHead,
  writeJoinedWord,
  writeNumberWord,
  writeTextWord,
  writeWord,
} from '../redis/encode-command.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
/** Digits of a whole number, with its sign. */
const MAX_NUMBER_BYTES = 20;

/** What all rows of a batch are written with. */
export interface WriteTarget {
  readonly project: Uint8Array;
  readonly timestampField: Uint8Array;
  /** One per feature name of the batch, same order. */
  readonly featureFields: readonly Uint8Array[];
  /** Seconds in decimal, or empty. */
  readonly ttl: string;
}

/** Arguments of `WRITE_IF_NEWER`. */
export function scriptArguments(target: WriteTarget, row: SlabRow): (string | Uint8Array)[] {
  const { seconds, nanos } = momentOf(row);
  return [
    target.timestampField,
    encodeTimestamp(row.eventTimestampNs),
    seconds,
    nanos,
    target.ttl,
    ...fieldsAndValues(target, row),
  ];
}

/** The command that runs `WRITE_ROWS_IF_NEWER`: its keys, then its arguments. @param head the command and its script */
export function encodeWriteRows(
  head: readonly [string, string],
  target: WriteTarget,
  slab: RowSlab,
  rows: readonly number[],
): Buffer {
  const { project, featureFields } = target;
  const out = Buffer.allocUnsafeSlow(maxCommandBytes(head, target, slab, rows));
  const wordCount = 6 + featureFields.length + rows.length * (4 + featureFields.length);
  let at = writeHead(out, head, wordCount, rows.length);
  for (const row of rows) {
    at = writeKey(out, at, slab, row, project);
  }
  at = writeCommonArguments(out, at, target);
  for (const row of rows) {
    at = writeRow(out, at, slab, row);
  }
  return out.subarray(0, at);
}

/** The command that runs `WRITE_ROWS_OF_NODE`: one key, then its arguments, the keys among them. */
export function encodeWriteRowsOfNode(
  head: readonly [string, string],
  target: WriteTarget,
  slab: RowSlab,
  rows: readonly number[],
): Buffer {
  const { project, featureFields } = target;
  const out = Buffer.allocUnsafeSlow(maxCommandBytes(head, target, slab, rows));
  const wordCount = 7 + featureFields.length + rows.length * (4 + featureFields.length);
  let at = writeHead(out, head, wordCount, 1);
  at = writeKey(out, at, slab, rows[0]!, project);
  at = writeCommonArguments(out, at, target);
  for (const row of rows) {
    at = writeRow(out, writeKey(out, at, slab, row, project), slab, row);
  }
  return out.subarray(0, at);
}

function maxCommandBytes(
  head: readonly [string, string],
  { project, timestampField, featureFields }: WriteTarget,
  slab: RowSlab,
  rows: readonly number[],
): number {
  const word = maxWordBytes(0);
  const name = (bytes: number, field: Uint8Array): number => bytes + word + field.length;
  const fields = [timestampField, ...featureFields].reduce(name, 0);
  // Number of keys, seconds to live and number of features stand before the rows; the first key may stand there as well.
  const common = MAX_COMMAND_HEAD_BYTES + head[0].length + head[1].length + 2 * word + fields;
  const numbers = 3 * (word + MAX_NUMBER_BYTES);
  const rowWords = 4 * word + 2 * MAX_NUMBER_BYTES + MAX_TIMESTAMP_BYTES + slab.width * word;
  let bytes = common + numbers + word + slab.keyBytes(rows[0]!) + project.length;
  for (const row of rows) {
    bytes += rowWords + slab.keyBytes(row) + project.length + slab.valueBytes(row);
  }
  return bytes;
}

function writeHead(
  out: Buffer,
  [name, script]: readonly [string, string],
  wordCount: number,
  keyCount: number,
): number {
  let at = writeCommandHead(out, 0, wordCount);
  at = writeTextWord(out, at, name);
  at = writeTextWord(out, at, script);
  return writeNumberWord(out, at, keyCount);
}

function writeKey(
  out: Buffer,
  at: number,
  slab: RowSlab,
  row: number,
  project: Uint8Array,
): number {
  const i = row * (slab.width + 1);
  return writeJoinedWord(out, at, slab.out.bytes, slab.starts[i]!, slab.ends[i]!, project);
}

function writeCommonArguments(
  out: Buffer,
  at: number,
  { ttl, timestampField, featureFields }: WriteTarget,
): number {
  at = writeTextWord(out, at, ttl);
  at = writeWord(out, at, timestampField, 0, timestampField.length);
  at = writeNumberWord(out, at, featureFields.length);
  for (const field of featureFields) {
    at = writeWord(out, at, field, 0, field.length);
  }
  return at;
}

/** The event timestamp is put together here. */
const timestamp = new Uint8Array(MAX_TIMESTAMP_BYTES);

/** Seconds and nanoseconds of the event, the encoded timestamp, the values. */
function writeRow(out: Buffer, at: number, slab: RowSlab, row: number): number {
  const seconds = slab.eventSeconds[row]!;
  const nanos = slab.eventNanos[row]!;
  at = writeNumberWord(out, at, seconds);
  at = writeNumberWord(out, at, nanos);
  at = writeWord(out, at, timestamp, 0, writeTimestamp(timestamp, 0, seconds, nanos));
  const { starts, ends, width } = slab;
  const { bytes } = slab.out;
  const first = row * (width + 1) + 1;
  for (let i = first; i < first + width; i++) {
    at = writeWord(out, at, bytes, starts[i]!, ends[i]!);
  }
  return at;
}

/** The event timestamp as Lua reads it. */
function momentOf({ eventTimestampNs }: SlabRow): { seconds: string; nanos: string } {
  let seconds = eventTimestampNs / NANOS_PER_SECOND;
  let nanos = eventTimestampNs % NANOS_PER_SECOND;
  if (nanos < 0n) {
    nanos += NANOS_PER_SECOND;
    seconds -= 1n;
  }
  return { seconds: String(seconds), nanos: String(nanos) };
}

/** Words of `HSET`. */
export function fieldsAndValues({ featureFields }: WriteTarget, row: SlabRow): Uint8Array[] {
  return featureFields.flatMap((field, i) => {
    const value = row.values[i];
    return value === undefined ? [] : [field, value];
  });
}
