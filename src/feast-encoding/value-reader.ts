import { Buffer } from 'node:buffer';
import { EncodingError } from './encoding-error.ts';
import { MessageFields, MessageParts } from './message-fields.ts';
import type {
  FeatureValue,
  ScalarMapPair,
  ScalarValue,
  TypedValue,
  ValueMap,
  ZonedTimestamp,
} from './typed-value.ts';
import { isValueMessage } from './value-check.ts';
import {
  FIELD_KINDS,
  FIELDS_PER_MESSAGE,
  FieldKind,
  itemType,
  MAP_KEY_TYPES,
  wireTypeOfKind,
} from './value-schema.ts';
import { ValueType } from './value-type.ts';
import { varintHigh32, varintInt64, varintLow32 } from './varint.ts';
import { skipPayload, WireType } from './wire.ts';

/**
 * Decodes an encoded `feast.types.Value` as Feast's parser does: of several members the last one wins, a message member
 * given again is merged, list items may be packed or not, unknown fields are dropped.
 *
 * @throws EncodingError when the bytes are no `Value`.
 */
export function readValue(bytes: Uint8Array): TypedValue {
  if (!isValueMessage(bytes, 0, bytes.length)) {
    throw new EncodingError(`${bytes.length} bytes are no feast.types.Value`);
  }
  return readCheckedValue(bytes);
}

/** A member of a oneof. */
interface Member {
  readonly number: number;
  readonly payload: Uint8Array;
}

function readCheckedValue(bytes: Uint8Array): TypedValue {
  const member = lastMember(bytes, FieldKind.VALUE);
  return member === undefined
    ? NO_VALUE
    : { type: member.number, value: readMember(member.number, member.payload) };
}

const NO_VALUE: TypedValue = Object.freeze({ type: ValueType.INVALID, value: null });

function readMember(type: number, payload: Uint8Array): FeatureValue {
  switch (FIELD_KINDS[FieldKind.VALUE * FIELDS_PER_MESSAGE + type]) {
    case FieldKind.MAP:
      return readMap(payload);
    case FieldKind.MAP_LIST:
      return readPayloads(payload, readMap);
    case FieldKind.REPEATED_VALUE:
      return readPayloads(payload, readCheckedValue);
    case FieldKind.SCALAR_MAP:
      return readPayloads(payload, readScalarMapPair);
    case FieldKind.ZONED_TIMESTAMP:
      return readZonedTimestamp(payload);
    case FieldKind.STRING_LIST:
    case FieldKind.BYTES_LIST:
      return readTexts(payload, itemType(type));
    case FieldKind.VARINT_LIST:
    case FieldKind.DOUBLE_LIST:
    case FieldKind.FLOAT_LIST:
      return readNumbers(type, payload);
    default:
      return type === ValueType.NULL ? null : readScalar(type, payload);
  }
}

/** A scalar of a type from its payload: text, bytes, 8 or 4 little-endian bytes, or a varint. */
function readScalar(
  type: number,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): ScalarValue {
  switch (type) {
    case ValueType.BYTES:
      return new Uint8Array(bytes.subarray(start, end));
    case ValueType.INT32:
      return varintLow32(bytes, start);
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      return varintInt64(bytes, start);
    case ValueType.BOOL:
      return (varintLow32(bytes, start) | varintHigh32(bytes, start)) !== 0;
    case ValueType.DOUBLE:
      return copied(bytes, start, 8).getFloat64(0, true);
    case ValueType.FLOAT:
      return copied(bytes, start, 4).getFloat32(0, true);
    default:
      return text(bytes, start, end);
  }
}

/** Items of a list of numbers or booleans; a run of them may be packed into one field, or each stand alone. */
function readNumbers(listType: number, message: Uint8Array): readonly ScalarValue[] {
  const type = itemType(listType);
  const itemWireType =
    type === ValueType.DOUBLE
      ? WireType.FIXED64
      : type === ValueType.FLOAT
        ? WireType.FIXED32
        : WireType.VARINT;
  const items: ScalarValue[] = [];
  const fields = new MessageFields(message);
  while (fields.next()) {
    if (fields.number !== 1) {
      continue;
    }
    if (fields.wireType === itemWireType) {
      items.push(readScalar(type, message, fields.start));
    } else if (fields.wireType === WireType.BYTES) {
      for (let at = fields.start; at < fields.end;) {
        items.push(readScalar(type, message, at));
        at = skipPayload(message, at, fields.end, itemWireType, 0);
      }
    }
  }
  return items;
}

function readTexts(message: Uint8Array, type: number): readonly ScalarValue[] {
  const items: ScalarValue[] = [];
  const fields = new MessageFields(message);
  while (fields.nextBytes(1)) items.push(readScalar(type, message, fields.start, fields.end));
  return items;
}

/** Of equal keys the last one counts. */
function readMap(message: Uint8Array): ValueMap {
  const map = new Map<string, TypedValue>();
  const fields = new MessageFields(message);
  while (fields.nextBytes(1)) {
    const entry = fields.payload();
    const key = lastPayload(entry, 1);
    map.set(
      key === undefined ? '' : text(key, 0, key.length),
      readCheckedValue(joinedPayload(entry, 2)),
    );
  }
  return map;
}

function readScalarMapPair(entry: Uint8Array): ScalarMapPair {
  const key = lastMember(joinedPayload(entry, 1), FieldKind.MAP_KEY);
  const keyType = MAP_KEY_TYPES[key?.number ?? 0]!;
  return [
    { type: keyType, value: key === undefined ? null : readScalar(keyType, key.payload) },
    readCheckedValue(joinedPayload(entry, 2)),
  ];
}

function readZonedTimestamp(message: Uint8Array): ZonedTimestamp {
  let unixSeconds = 0n;
  let zone = '';
  const fields = new MessageFields(message);
  while (fields.next()) {
    if (fields.number === 1 && fields.wireType === WireType.VARINT) {
      unixSeconds = varintInt64(message, fields.start);
    } else if (fields.number === 2 && fields.wireType === WireType.BYTES) {
      zone = text(message, fields.start, fields.end);
    }
  }
  return { unixSeconds, zone };
}

/**
 * The member of a message whose fields are all one oneof. Message members repeated without another one in between are
 * merged, which for encoded messages is to append them.
 */
function lastMember(message: Uint8Array, messageKind: number): Member | undefined {
  let number = 0;
  const parts = new MessageParts(message);
  const fields = new MessageFields(message);
  while (fields.next()) {
    const kind =
      fields.number < FIELDS_PER_MESSAGE
        ? FIELD_KINDS[messageKind * FIELDS_PER_MESSAGE + fields.number]!
        : FieldKind.UNKNOWN;
    if (kind === FieldKind.UNKNOWN || fields.wireType !== wireTypeOfKind(kind)) {
      continue;
    }
    if (number !== fields.number || kind < FieldKind.VALUE) parts.clear();
    parts.add(fields);
    number = fields.number;
  }
  return number === 0 ? undefined : { number, payload: parts.joined() };
}

function readPayloads<T>(message: Uint8Array, read: (payload: Uint8Array) => T): T[] {
  const items: T[] = [];
  const fields = new MessageFields(message);
  while (fields.nextBytes(1)) items.push(read(fields.payload()));
  return items;
}

function lastPayload(message: Uint8Array, number: number): Uint8Array | undefined {
  const fields = new MessageFields(message);
  let last: Uint8Array | undefined;
  while (fields.nextBytes(number)) last = fields.payload();
  return last;
}

/** A message that is given several times is one: its parts follow each other. */
function joinedPayload(message: Uint8Array, number: number): Uint8Array {
  const parts = new MessageParts(message);
  const fields = new MessageFields(message);
  while (fields.nextBytes(number)) parts.add(fields);
  return parts.joined();
}

function text(bytes: Uint8Array, start: number, end: number): string {
  const { buffer, byteOffset } = bytes;
  return Buffer.from(buffer, byteOffset + start, end - start).toString('utf8');
}

/** Looked at as soon as it is written. */
const scratch = new DataView(new ArrayBuffer(8));

function copied(bytes: Uint8Array, at: number, count: number): DataView {
  for (let i = 0; i < count; i++) scratch.setUint8(i, bytes[at + i]!);
  return scratch;
}
