import { Buffer } from 'node:buffer';
import { FieldKind, FIRST_MESSAGE, itemType, memberKind } from '../feast-encoding/value-schema.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { varintHigh32, varintInt64, varintLow32 } from '../feast-encoding/varint.ts';
import { MAX_NESTING, skipLength, skipPayload, skipTag, WireType } from '../feast-encoding/wire.ts';
import { doubleJson, type NonFiniteJson } from './json-numbers.ts';
import { zonedTimestampJson } from './json-timestamps.ts';
import type { JsonWriter } from './json-writer.ts';

/** The bytes are no `Value`; never leaves `appendValue`. */
export class Malformed extends Error {}

/** Where JSON goes, and how. */
export interface JsonTarget {
  readonly json: JsonWriter;
  readonly nonFinite: NonFiniteJson;
}

// `ignoreBOM` keeps a byte order mark, which is part of the string.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

/** The tag at `at`. */
export function tagAt(bytes: Uint8Array, at: number, end: number): number {
  if (skipTag(bytes, at, end) < 0) throw new Malformed();
  return varintLow32(bytes, at) >>> 0;
}

/** The position after the payload of the field with this tag that begins at `start`. */
export function fieldEnd(bytes: Uint8Array, start: number, end: number, tag: number): number {
  const after = skipPayload(bytes, start, end, tag, MAX_NESTING);
  if (after < 0) throw new Malformed();
  return after;
}

/** A number or bool whose payload, known to be whole, begins at `at`. */
export function writeScalar(
  { json, nonFinite }: JsonTarget,
  bytes: Uint8Array,
  at: number,
  valueType: number,
): void {
  switch (valueType) {
    case ValueType.INT32:
      json.integer(varintLow32(bytes, at));
      break;
    case ValueType.BOOL:
      json.bytes((varintLow32(bytes, at) | varintHigh32(bytes, at)) === 0 ? FALSE : TRUE);
      break;
    case ValueType.DOUBLE:
      json.text(doubleJson(readDouble(bytes, at), nonFinite));
      break;
    case ValueType.FLOAT:
      json.text(doubleJson(readFloat(bytes, at), nonFinite));
      break;
    default: {
      const low = varintLow32(bytes, at);
      // Up to 31 bits need no bigint.
      if (varintHigh32(bytes, at) === 0 && low >= 0) json.integer(low);
      else json.text(varintInt64(bytes, at).toString());
    }
  }
}

/** Eight bytes, and what they are as numbers. */
const scratch = new DataView(new ArrayBuffer(8));

function readDouble(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) scratch.setUint8(i, bytes[at + i]!);
  return scratch.getFloat64(0, true);
}

function readFloat(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 4; i++) scratch.setUint8(i, bytes[at + i]!);
  return scratch.getFloat32(0, true);
}

export function writeBase64(
  { json }: JsonTarget,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const { buffer, byteOffset } = bytes;
  json.text(`"${Buffer.from(buffer, byteOffset + start, end - start).toString('base64')}"`);
}

export function writeString(
  { json }: JsonTarget,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  if (json.plainString(bytes, start, end)) return;
  json.text(JSON.stringify(stringOf(bytes, start, end)));
}

/** @throws Malformed where the bytes at `[start, end)` are no UTF-8 */
export function stringOf(bytes: Uint8Array, start: number, end: number): string {
  // Most are names; native code takes longer to begin with one than to end.
  if (bytes instanceof Buffer && isAscii(bytes, start, end)) {
    return bytes.toString('latin1', start, end);
  }
  try {
    return utf8.decode(bytes.subarray(start, end));
  } catch {
    throw new Malformed();
  }
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at]! > 0x7f) return false;
  return true;
}

/** `ZonedTimestamp`: field 1 seconds since the epoch, field 2 the zone; zeros are left out. */
export function writeZoned(
  { json }: JsonTarget,
  bytes: Uint8Array,
  from: number,
  end: number,
): void {
  let seconds = 0n;
  let zoneAt = end;
  let zoneEnd = end;
  let at = from;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const start = skipTag(bytes, at, end);
    at = fieldEnd(bytes, start, end, tag);
    if (tag === ((1 << 3) | WireType.VARINT)) seconds = varintInt64(bytes, start);
    if (tag !== ((2 << 3) | WireType.BYTES)) continue;
    zoneAt = skipLength(bytes, start, end);
    zoneEnd = at;
  }
  const text = zonedTimestampJson(seconds, stringOf(bytes, zoneAt, zoneEnd));
  if (text === undefined) throw new Malformed();
  json.text(text);
}

/** Type of the numbers of a list or set; `undefined` = its elements have a length. */
export function numberOfList(listType: number): number | undefined {
  switch (memberKind(listType)) {
    case FieldKind.VARINT_LIST:
    case FieldKind.DOUBLE_LIST:
    case FieldKind.FLOAT_LIST:
      return itemType(listType);
    default:
      return undefined;
  }
}

/** Whether a member with a length is a string or bytes, not a message. */
export function isText(valueType: number): boolean {
  return memberKind(valueType) < FIRST_MESSAGE;
}
