import { Buffer } from 'node:buffer';
import { ValueType } from '../feast-encoding/value-type.ts';
import { varintSize, writeVarint, writeVarintHalves } from '../feast-encoding/varint.ts';
import { WireType } from '../feast-encoding/wire.ts';
import type { EntityColumn } from '../retrieval/retrieval-request.ts';
import { createJsonScalar, JsonKind, type JsonScalar } from './json-scalar.ts';
import { opensStructure, readScalar, writeString } from './read-json-scalar.ts';
import { nextItemAt, valueAfterName } from './json-walk.ts';

const INT64_TAG = (ValueType.INT64 << 3) | WireType.VARINT;
const BOOL_TAG = (ValueType.BOOL << 3) | WireType.VARINT;
const DOUBLE_TAG = (ValueType.DOUBLE << 3) | WireType.FIXED64;
const STRING_TAG = (ValueType.STRING << 3) | WireType.BYTES;
/** Items of lists and entries of maps; in an entry its name. */
const FIRST_TAG = (1 << 3) | WireType.BYTES;
/** In an entry of a map its value. */
const SECOND_TAG = (2 << 3) | WireType.BYTES;
const LIST_TAG = (ValueType.VALUE_LIST << 3) | WireType.BYTES;
const MAP_TAG = (ValueType.MAP << 3) | WireType.BYTES;
const STRUCTURE_TAG_BYTES = 2;
const OPEN_ARRAY = 0x5b;

/** An array of a checked JSON text, measured: what it takes to write its items as `feast.types.Value`s. */
export interface MeasuredColumn {
  /** Of its bracket. */
  readonly at: number;
  rowCount: number;
  /** Values inside of lists and objects. */
  nestedCount: number;
  /** Of all values together. */
  byteLength: number;
  /** Bytes inside of each list and object, in the order in which they begin. */
  payloads: Int32Array;
  payloadCount: number;
  /** Of the value that was measured last. */
  size: number;
}

const NO_NUMBERS = new Int32Array(0);

/** Looked at as soon as it is read. */
const scalar = createJsonScalar();
const nameScalar = createJsonScalar();

/** Measures the array at `at`, item by item; allocates for lists and objects alone. */
export function measureColumn(text: Buffer, at: number): MeasuredColumn {
  const column: MeasuredColumn = {
    at,
    rowCount: 0,
    nestedCount: 0,
    byteLength: 0,
    payloads: NO_NUMBERS,
    payloadCount: 0,
    size: 0,
  };
  for (let item = nextItemAt(text, at); item > 0; item = nextItemAt(text, item)) {
    item = measureValue(text, item, column);
    column.rowCount++;
    column.byteLength += column.size;
  }
  return column;
}

/**
 * Encodes each item of a measured array as the `feast.types.Value` of its JSON type: integer → int64_val, float →
 * double_val, string, bool, null → unset; array → list_val, object → map_val (request data only: no entity key has such a
 * type). The reader converts to the declared type afterwards. An integer beyond int64 becomes the text of its digits, which
 * converts in the same way: right for a string key, refused for an integer one. A name that an object has twice comes twice:
 * in a map of protobuf the last one counts, as in Python's JSON.
 */
export function encodeColumn(name: string, text: Buffer, measured: MeasuredColumn): EntityColumn {
  const { rowCount, byteLength } = measured;
  const starts = new Int32Array(rowCount);
  const ends = new Int32Array(rowCount);
  const writer: ValueWriter = {
    text,
    out: Buffer.allocUnsafe(byteLength),
    at: 0,
    payloads: measured.payloads,
    structure: 0,
  };
  let item = nextItemAt(text, measured.at);
  for (let row = 0; row < rowCount; row++) {
    starts[row] = writer.at;
    item = nextItemAt(text, writeValue(writer, item, 0));
    ends[row] = writer.at;
  }
  return { name, bytes: writer.out, starts, ends };
}

/** Sets `size` of the column; returns the position after the value. */
function measureValue(text: Buffer, at: number, column: MeasuredColumn): number {
  if (opensStructure(text[at]!)) return measureStructure(text, at, column);
  const after = readScalar(text, at, scalar);
  column.size = scalarSize(scalar);
  return after;
}

function measureStructure(text: Buffer, at: number, column: MeasuredColumn): number {
  const isArray = text[at] === OPEN_ARRAY;
  const structure = reservePayload(column);
  let payload = 0;
  at = nextItemAt(text, at);
  for (; at > 0; at = nextItemAt(text, at)) {
    column.nestedCount++;
    if (isArray) {
      at = measureValue(text, at, column);
      payload += fieldSize(column.size);
    } else {
      at = readScalar(text, at, scalar);
      const nameSize = fieldSize(scalar.byteLength);
      at = measureValue(text, valueAfterName(text, at), column);
      payload += fieldSize(nameSize + fieldSize(column.size));
    }
  }
  column.payloads[structure] = payload;
  column.size = structureSize(payload);
  return -at;
}

function reservePayload(column: MeasuredColumn): number {
  const { payloads, payloadCount } = column;
  if (payloadCount === payloads.length) {
    column.payloads = new Int32Array(Math.max(64, 2 * payloadCount));
    column.payloads.set(payloads);
  }
  return column.payloadCount++;
}

/** Bytes of a field with a tag of one byte, and a length. */
function fieldSize(payload: number): number {
  return 1 + varintSize(payload) + payload;
}

function structureSize(payload: number): number {
  return STRUCTURE_TAG_BYTES + varintSize(payload) + payload;
}

/** Bytes of a scalar as a `Value`. */
function scalarSize(value: JsonScalar): number {
  switch (value.kind) {
    case JsonKind.STRING:
      return fieldSize(value.byteLength);
    case JsonKind.INTEGER:
      return 1 + integerSize(value.low, value.high);
    case JsonKind.HUGE_INTEGER:
      return fieldSize(value.end - value.start);
    case JsonKind.FLOAT:
      return 9;
    case JsonKind.BOOL:
      return 2;
    default:
      return 0;
  }
}

/** Bytes of a varint of 64 bits. */
function integerSize(low: number, high: number): number {
  if (high === 0) return varintSize(low >>> 0);
  if (high < 0) return 10;
  // Seven bits a byte, of 32 and those of the high half.
  if (high < 0x8) return 5;
  return high < 0x400 ? 6 : high < 0x2_0000 ? 7 : high < 0x100_0000 ? 8 : 9;
}

/** Values on their way from text to bytes. */
interface ValueWriter {
  readonly text: Buffer;
  readonly out: Buffer;
  at: number;
  readonly payloads: Int32Array;
  /** Index in `payloads` of the next list or object. */
  structure: number;
}

/**
 * Writes a value; returns the position after it in the text.
 *
 * @param tag of the field that the value is, with its length; 0 = none
 */
function writeValue(writer: ValueWriter, at: number, tag: number): number {
  const { text, out } = writer;
  if (opensStructure(text[at]!)) return writeStructure(writer, at, tag);
  const after = readScalar(text, at, scalar);
  if (tag !== 0) writer.at = writeHead(out, writer.at, tag, scalarSize(scalar));
  writer.at = writeScalar(out, writer.at, text, scalar);
  return after;
}

function writeStructure(writer: ValueWriter, at: number, tag: number): number {
  const { text, out } = writer;
  const isArray = text[at] === OPEN_ARRAY;
  const payload = writer.payloads[writer.structure++]!;
  if (tag !== 0) writer.at = writeHead(out, writer.at, tag, structureSize(payload));
  writer.at = writeVarint(out, writer.at, isArray ? LIST_TAG : MAP_TAG);
  writer.at = writeVarint(out, writer.at, payload);
  at = nextItemAt(text, at);
  for (; at > 0; at = nextItemAt(text, at)) {
    if (isArray) {
      at = writeValue(writer, at, FIRST_TAG);
      continue;
    }
    at = valueAfterName(text, readScalar(text, at, nameScalar));
    const nameSize = fieldSize(nameScalar.byteLength);
    const valueSize = sizeAt(writer, at);
    writer.at = writeHead(out, writer.at, FIRST_TAG, nameSize + fieldSize(valueSize));
    writer.at = writeHead(out, writer.at, FIRST_TAG, nameScalar.byteLength);
    writer.at = writeString(out, writer.at, text, nameScalar);
    at = writeValue(writer, at, SECOND_TAG);
  }
  return -at;
}

/** Bytes of the value that is written next. */
function sizeAt({ text, payloads, structure }: ValueWriter, at: number): number {
  if (opensStructure(text[at]!)) return structureSize(payloads[structure]!);
  readScalar(text, at, scalar);
  return scalarSize(scalar);
}

/** Writes a tag of one byte and a length. */
function writeHead(out: Buffer, at: number, tag: number, length: number): number {
  out[at] = tag;
  return writeVarint(out, at + 1, length);
}

function writeScalar(out: Buffer, at: number, text: Buffer, value: JsonScalar): number {
  switch (value.kind) {
    case JsonKind.STRING:
      at = writeHead(out, at, STRING_TAG, value.byteLength);
      return writeString(out, at, text, value);
    case JsonKind.INTEGER:
      out[at] = INT64_TAG;
      return writeVarintHalves(out, at + 1, value.low, value.high);
    case JsonKind.HUGE_INTEGER:
      at = writeHead(out, at, STRING_TAG, value.end - value.start);
      text.copy(out, at, value.start, value.end);
      return at + value.end - value.start;
    case JsonKind.FLOAT:
      out[at] = DOUBLE_TAG;
      return out.writeDoubleLE(value.float, at + 1);
    case JsonKind.BOOL:
      out[at] = BOOL_TAG;
      out[at + 1] = value.low;
      return at + 2;
    default:
      return at;
  }
}
