import { Buffer } from 'node:buffer';
import { memberWireType } from '../feast-encoding/value-scan.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { MAX_NESTING, skipLength, skipTag, WireType } from '../feast-encoding/wire.ts';
import {
  fieldEnd,
  isText,
  Malformed,
  numberOfList,
  stringOf,
  tagAt,
  writeBase64,
  writeScalar,
  writeString,
  writeZoned,
  type JsonTarget,
} from './json-elements.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import type { JsonWriter } from './json-writer.ts';

/** Values inside each other: two messages each, and parsers stop at a hundred messages. */
const MAX_DEPTH = MAX_NESTING / 2 + 1;

const COMMA = Uint8Array.of(0x2c);
const COLON = Uint8Array.of(0x3a);
const OPEN_LIST = Uint8Array.of(0x5b);
const CLOSE_LIST = Uint8Array.of(0x5d);
const OPEN_OBJECT = Uint8Array.of(0x7b);
const CLOSE_OBJECT = Uint8Array.of(0x7d);
const NULL = Buffer.from('null');

/**
 * Appends the JSON that Feast's HTTP server prints for the encoded `feast.types.Value` at `[start, end)`, straight from its
 * bytes: integers as digits, floats with a point, bytes in base64, scalar maps, unset and null as null. Reads whatever
 * protobuf parsers read: members twice (the last wins, messages merge), unknown fields, numbers packed or not.
 *
 * @returns `false` where the bytes are no `Value` (cut, invalid UTF-8, nested too deeply, a date beyond all calendars): what
 *   was appended of it means nothing
 */
export function appendValue(
  json: JsonWriter,
  bytes: Uint8Array,
  start: number,
  end: number,
  nonFinite: NonFiniteJson,
): boolean {
  try {
    writeValue({ json, nonFinite }, bytes, start, end, 1);
    return true;
  } catch (error) {
    if (error instanceof Malformed) return false;
    throw error;
  }
}

function writeValue(
  target: JsonTarget,
  bytes: Uint8Array,
  from: number,
  end: number,
  depth: number,
): void {
  if (depth > MAX_DEPTH) throw new Malformed();
  let valueType = 0;
  let payloadAt = from;
  let payloadEnd = from;
  /** The parts of a message that occurs several times. */
  let parts: Uint8Array[] | undefined;
  let at = from;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    at = fieldEnd(bytes, start, end, tag);
    if (memberWireType(tag >>> 3) !== (tag & 7)) continue;
    const isMessage = (tag & 7) === WireType.BYTES;
    const partAt = isMessage ? skipLength(bytes, start, end) : start;
    // A message that occurs twice is one whose fields stand one after the other.
    if (isMessage && tag >>> 3 === valueType && !isText(valueType)) {
      parts ??= [bytes.subarray(payloadAt, payloadEnd)];
      parts.push(bytes.subarray(partAt, at));
    } else parts = undefined;
    payloadAt = partAt;
    payloadEnd = at;
    valueType = tag >>> 3;
  }
  if (valueType === 0 || valueType === ValueType.NULL) target.json.bytes(NULL);
  else if (memberWireType(valueType) !== WireType.BYTES) {
    writeScalar(target, bytes, payloadAt, valueType);
  } else if (parts === undefined) {
    writeMessage(target, bytes, payloadAt, payloadEnd, valueType, depth);
  } else {
    const whole = Buffer.concat(parts);
    writeMessage(target, whole, 0, whole.length, valueType, depth);
  }
}

/** A member with a length. */
function writeMessage(
  target: JsonTarget,
  bytes: Uint8Array,
  start: number,
  end: number,
  valueType: number,
  depth: number,
): void {
  switch (valueType) {
    case ValueType.BYTES:
      writeBase64(target, bytes, start, end);
      break;
    case ValueType.SCALAR_MAP:
      target.json.bytes(NULL);
      break;
    case ValueType.ZONED_TIMESTAMP:
      writeZoned(target, bytes, start, end);
      break;
    case ValueType.MAP:
    case ValueType.STRUCT:
      writeMap(target, bytes, start, end, depth);
      break;
    default:
      if (isText(valueType)) writeString(target, bytes, start, end);
      else writeList(target, bytes, start, end, valueType, depth);
  }
}

/** Lists and sets: field 1 repeated; numbers packed, or one by one. */
function writeList(
  target: JsonTarget,
  bytes: Uint8Array,
  from: number,
  end: number,
  listType: number,
  depth: number,
): void {
  const { json } = target;
  const numberType = numberOfList(listType);
  const numberWireType = numberType === undefined ? -1 : memberWireType(numberType);
  json.bytes(OPEN_LIST);
  let count = 0;
  let at = from;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    at = fieldEnd(bytes, start, end, tag);
    if (tag >>> 3 !== 1) continue;
    if ((tag & 7) === WireType.BYTES) {
      const itemAt = skipLength(bytes, start, end);
      if (numberType === undefined) {
        if (count++ > 0) json.bytes(COMMA);
        writeElement(target, bytes, itemAt, at, listType, depth);
      } else {
        count = writePacked(target, bytes, itemAt, at, numberType, count);
      }
    } else if (numberType !== undefined && (tag & 7) === numberWireType) {
      if (count++ > 0) json.bytes(COMMA);
      writeScalar(target, bytes, start, numberType);
    }
  }
  json.bytes(CLOSE_LIST);
}

/** One element that has a length: string, bytes, map or value. */
function writeElement(
  target: JsonTarget,
  bytes: Uint8Array,
  start: number,
  end: number,
  listType: number,
  depth: number,
): void {
  switch (listType) {
    case ValueType.VALUE_LIST:
    case ValueType.VALUE_SET:
      writeValue(target, bytes, start, end, depth + 1);
      break;
    case ValueType.MAP_LIST:
    case ValueType.STRUCT_LIST:
      writeMap(target, bytes, start, end, depth);
      break;
    case ValueType.BYTES_LIST:
    case ValueType.BYTES_SET:
      writeBase64(target, bytes, start, end);
      break;
    default:
      writeString(target, bytes, start, end);
  }
}

/** Appends the numbers that fill `[at, end)` behind `count` others; returns how many there are then. */
function writePacked(
  target: JsonTarget,
  bytes: Uint8Array,
  at: number,
  end: number,
  numberType: number,
  count: number,
): number {
  const wireType = memberWireType(numberType);
  while (at < end) {
    const after = fieldEnd(bytes, at, end, wireType);
    if (count++ > 0) target.json.bytes(COMMA);
    writeScalar(target, bytes, at, numberType);
    at = after;
  }
  return count;
}

/** Maps and structs: field 1 repeated, each an entry of a name (1) and a `Value` (2); of equal names the last counts. */
function writeMap(
  target: JsonTarget,
  bytes: Uint8Array,
  from: number,
  end: number,
  depth: number,
): void {
  const { json } = target;
  /** Where the entry of a name is. */
  const entries = new Map<string, number>();
  let at = from;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    const after = fieldEnd(bytes, start, end, tag);
    if (tag === FIRST_TAG) {
      const name = nameOf(bytes, skipLength(bytes, start, end), after);
      const before = entries.get(name);
      // What does not count has to be a value all the same.
      if (before !== undefined) json.discard(() => writeEntry(target, bytes, before, end, depth));
      entries.set(name, at);
    }
    at = after;
  }
  json.bytes(OPEN_OBJECT);
  let count = 0;
  for (const entryAt of entries.values()) {
    if (count++ > 0) json.bytes(COMMA);
    writeEntry(target, bytes, entryAt, end, depth);
  }
  json.bytes(CLOSE_OBJECT);
}

/** The name in the entry at `[at, end)`. */
function nameOf(bytes: Uint8Array, at: number, end: number): string {
  let nameAt = end;
  let nameEnd = end;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    at = fieldEnd(bytes, start, end, tag);
    if (tag !== FIRST_TAG) continue;
    nameAt = skipLength(bytes, start, end);
    nameEnd = at;
  }
  return stringOf(bytes, nameAt, nameEnd);
}

/** Name and value of the entry that is the field at `fieldAt` of a map that ends at `mapEnd`. */
function writeEntry(
  target: JsonTarget,
  bytes: Uint8Array,
  fieldAt: number,
  mapEnd: number,
  depth: number,
): void {
  const entryAt = skipTag(bytes, fieldAt, mapEnd);
  const end = fieldEnd(bytes, entryAt, mapEnd, FIRST_TAG);
  let [nameAt, nameEnd, valueAt, valueEnd] = [end, end, -1, -1];
  let parts: Uint8Array[] | undefined;
  for (let at = skipLength(bytes, entryAt, mapEnd); at < end;) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    at = fieldEnd(bytes, start, end, tag);
    if (tag !== FIRST_TAG && tag !== SECOND_TAG) continue;
    const partAt = skipLength(bytes, start, end);
    if (tag === FIRST_TAG) {
      [nameAt, nameEnd] = [partAt, at];
      continue;
    }
    // A value that occurs twice is one whose fields stand one after the other.
    if (valueAt >= 0) {
      parts ??= [bytes.subarray(valueAt, valueEnd)];
      parts.push(bytes.subarray(partAt, at));
    }
    [valueAt, valueEnd] = [partAt, at];
  }
  writeString(target, bytes, nameAt, nameEnd);
  target.json.bytes(COLON);
  if (parts !== undefined) {
    const whole = Buffer.concat(parts);
    writeValue(target, whole, 0, whole.length, depth + 1);
  } else if (valueAt < 0) target.json.bytes(NULL);
  else writeValue(target, bytes, valueAt, valueEnd, depth + 1);
}

const FIRST_TAG = (1 << 3) | WireType.BYTES;
const SECOND_TAG = (2 << 3) | WireType.BYTES;
