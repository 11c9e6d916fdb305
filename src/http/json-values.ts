import { memberWireType } from '../feast-encoding/value-scan.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { varintHigh32, varintInt64, varintLow32 } from '../feast-encoding/varint.ts';
import { MAX_NESTING, skipLength, skipPayload, skipTag, WireType } from '../feast-encoding/wire.ts';
import { doubleJson, type NonFiniteJson } from './json-numbers.ts';
import { zonedTimestampJson } from './json-timestamps.ts';

/** The bytes are no `Value`; never leaves this file. */
class Malformed extends Error {}

/** Values inside each other: two messages each, and parsers stop at a hundred messages. */
const MAX_DEPTH = MAX_NESTING / 2 + 1;

const EMPTY: Uint8Array = new Uint8Array(0);

// `ignoreBOM` keeps a byte order mark, which is part of the string.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The JSON text that Feast's HTTP server prints for an encoded `feast.types.Value`, straight from its bytes: integers as
 * digits, floats with a point, bytes in base64, scalar maps, unset and null as null. Reads whatever protobuf parsers
 * read: members twice (the last wins, messages merge), unknown fields, numbers packed or not.
 *
 * @returns `undefined` where the bytes are no `Value`: cut, invalid UTF-8, nested too deeply, a date beyond all calendars
 */
export function valueJson(bytes: Uint8Array, nonFinite: NonFiniteJson): string | undefined {
  try {
    return valueText(bytes, nonFinite, 1);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function valueText(bytes: Uint8Array, nonFinite: NonFiniteJson, depth: number): string {
  if (depth > MAX_DEPTH) throw new Malformed();
  const end = bytes.length;
  let valueType = 0;
  let scalarAt = 0;
  let payload = EMPTY;
  let at = 0;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    at = fieldEnd(bytes, start, end, tag);
    if (memberWireType(tag >>> 3) !== (tag & 7)) continue;
    scalarAt = start;
    if ((tag & 7) === WireType.BYTES) {
      const again = tag >>> 3 === valueType && !isText(valueType);
      const part = bytes.subarray(skipLength(bytes, start, end), at);
      // A message that occurs twice is one whose fields stand one after the other.
      payload = again ? Buffer.concat([payload, part]) : part;
    }
    valueType = tag >>> 3;
  }
  if (valueType === 0 || valueType === ValueType.NULL) return 'null';
  return memberWireType(valueType) === WireType.BYTES
    ? messageText(payload, valueType, nonFinite, depth)
    : scalarText(bytes, scalarAt, valueType, nonFinite);
}

/** The tag at `at`. */
function tagAt(bytes: Uint8Array, at: number, end: number): number {
  if (skipTag(bytes, at, end) < 0) throw new Malformed();
  return varintLow32(bytes, at) >>> 0;
}

/** The position after the payload of the field with this tag that begins at `start`. */
function fieldEnd(bytes: Uint8Array, start: number, end: number, tag: number): number {
  const after = skipPayload(bytes, start, end, tag, MAX_NESTING);
  if (after < 0) throw new Malformed();
  return after;
}

/** Whether a member with a length is a string or bytes, not a message. */
function isText(valueType: number): boolean {
  switch (valueType) {
    case ValueType.BYTES:
    case ValueType.STRING:
    case ValueType.JSON:
    case ValueType.UUID:
    case ValueType.TIME_UUID:
    case ValueType.DECIMAL:
      return true;
    default:
      return false;
  }
}

/** A number or bool whose payload, known to be whole, begins at `at`. */
function scalarText(
  bytes: Uint8Array,
  at: number,
  valueType: number,
  nonFinite: NonFiniteJson,
): string {
  switch (valueType) {
    case ValueType.INT32:
      return String(varintLow32(bytes, at));
    case ValueType.BOOL:
      return (varintLow32(bytes, at) | varintHigh32(bytes, at)) === 0 ? 'false' : 'true';
    case ValueType.DOUBLE:
      return doubleJson(viewOf(bytes).getFloat64(at, true), nonFinite);
    case ValueType.FLOAT:
      return doubleJson(viewOf(bytes).getFloat32(at, true), nonFinite);
    default: {
      const low = varintLow32(bytes, at);
      // Up to 31 bits need no bigint.
      return varintHigh32(bytes, at) === 0 && low >= 0
        ? String(low)
        : varintInt64(bytes, at).toString();
    }
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A member with a length. */
function messageText(
  payload: Uint8Array,
  valueType: number,
  nonFinite: NonFiniteJson,
  depth: number,
): string {
  switch (valueType) {
    case ValueType.BYTES:
      return base64Json(payload);
    case ValueType.SCALAR_MAP:
      return 'null';
    case ValueType.ZONED_TIMESTAMP:
      return zonedText(payload);
    case ValueType.MAP:
    case ValueType.STRUCT:
      return mapText(payload, nonFinite, depth);
    default:
      return isText(valueType)
        ? JSON.stringify(stringOf(payload))
        : listText(payload, valueType, nonFinite, depth);
  }
}

function base64Json(bytes: Uint8Array): string {
  return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"`;
}

function stringOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Malformed();
  }
}

/** The type of the numbers of a list or set; others have elements with a length. */
const NUMBER_OF_LIST: Readonly<Record<number, number>> = {
  [ValueType.INT32_LIST]: ValueType.INT32,
  [ValueType.INT64_LIST]: ValueType.INT64,
  [ValueType.DOUBLE_LIST]: ValueType.DOUBLE,
  [ValueType.FLOAT_LIST]: ValueType.FLOAT,
  [ValueType.BOOL_LIST]: ValueType.BOOL,
  [ValueType.UNIX_TIMESTAMP_LIST]: ValueType.INT64,
  [ValueType.INT32_SET]: ValueType.INT32,
  [ValueType.INT64_SET]: ValueType.INT64,
  [ValueType.DOUBLE_SET]: ValueType.DOUBLE,
  [ValueType.FLOAT_SET]: ValueType.FLOAT,
  [ValueType.BOOL_SET]: ValueType.BOOL,
  [ValueType.UNIX_TIMESTAMP_SET]: ValueType.INT64,
};

/** Lists and sets: field 1 repeated; numbers packed, or one by one. */
function listText(
  bytes: Uint8Array,
  listType: number,
  nonFinite: NonFiniteJson,
  depth: number,
): string {
  const numberType = NUMBER_OF_LIST[listType];
  const numberWireType = numberType === undefined ? -1 : memberWireType(numberType);
  const end = bytes.length;
  const items: string[] = [];
  let at = 0;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    at = fieldEnd(bytes, start, end, tag);
    if (tag >>> 3 !== 1) continue;
    if ((tag & 7) === WireType.BYTES) {
      const part = bytes.subarray(skipLength(bytes, start, end), at);
      if (numberType === undefined) items.push(elementText(part, listType, nonFinite, depth));
      else pushPacked(items, part, numberType, nonFinite);
    } else if (numberType !== undefined && (tag & 7) === numberWireType) {
      items.push(scalarText(bytes, start, numberType, nonFinite));
    }
  }
  return `[${items.join(',')}]`;
}

/** One element that has a length: string, bytes, map or value. */
function elementText(
  element: Uint8Array,
  listType: number,
  nonFinite: NonFiniteJson,
  depth: number,
): string {
  switch (listType) {
    case ValueType.VALUE_LIST:
    case ValueType.VALUE_SET:
      return valueText(element, nonFinite, depth + 1);
    case ValueType.MAP_LIST:
    case ValueType.STRUCT_LIST:
      return mapText(element, nonFinite, depth);
    case ValueType.BYTES_LIST:
    case ValueType.BYTES_SET:
      return base64Json(element);
    default:
      return JSON.stringify(stringOf(element));
  }
}

/** Appends the texts of the numbers that fill `packed`. */
function pushPacked(
  items: string[],
  packed: Uint8Array,
  numberType: number,
  nonFinite: NonFiniteJson,
): void {
  const wireType = memberWireType(numberType);
  let at = 0;
  while (at < packed.length) {
    const after = fieldEnd(packed, at, packed.length, wireType);
    items.push(scalarText(packed, at, numberType, nonFinite));
    at = after;
  }
}

/** Maps and structs: field 1 repeated, each an entry of a name (1) and a `Value` (2); of equal names the last counts. */
function mapText(bytes: Uint8Array, nonFinite: NonFiniteJson, depth: number): string {
  const members = new Map<string, string>();
  const end = bytes.length;
  let at = 0;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    at = fieldEnd(bytes, start, end, tag);
    if (tag !== ((1 << 3) | WireType.BYTES)) continue;
    const entry = bytes.subarray(skipLength(bytes, start, end), at);
    const name = JSON.stringify(stringOf(lastPayload(entry, 1)));
    members.set(name, valueText(joinedPayloads(entry, 2), nonFinite, depth + 1));
  }
  return `{${[...members].map(([name, text]) => `${name}:${text}`).join(',')}}`;
}

/** Payloads, in order, of the fields of `message` with this number and a length. */
function payloadsOf(message: Uint8Array, fieldNumber: number): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  const end = message.length;
  let at = 0;
  while (at < end) {
    const tag = tagAt(message, at, end);
    const start = skipTag(message, at, end);
    at = fieldEnd(message, start, end, tag);
    if (tag === ((fieldNumber << 3) | WireType.BYTES)) {
      payloads.push(message.subarray(skipLength(message, start, end), at));
    }
  }
  return payloads;
}

function lastPayload(message: Uint8Array, fieldNumber: number): Uint8Array {
  return payloadsOf(message, fieldNumber).at(-1) ?? EMPTY;
}

function joinedPayloads(message: Uint8Array, fieldNumber: number): Uint8Array {
  const payloads = payloadsOf(message, fieldNumber);
  return payloads.length === 1 ? payloads[0]! : Buffer.concat(payloads);
}

/** `ZonedTimestamp`: field 1 seconds since the epoch, field 2 the zone; zeros are left out. */
function zonedText(bytes: Uint8Array): string {
  const end = bytes.length;
  let seconds = 0n;
  let at = 0;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    at = fieldEnd(bytes, start, end, tag);
    if (tag === ((1 << 3) | WireType.VARINT)) seconds = varintInt64(bytes, start);
  }
  const text = zonedTimestampJson(seconds, stringOf(lastPayload(bytes, 2)));
  if (text === undefined) throw new Malformed();
  return text;
}
