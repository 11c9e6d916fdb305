import { Buffer } from 'node:buffer';
import { EncodingError } from './encoding-error.ts';
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
import { MAX_NESTING, skipLength, skipPayload, skipTag, WireType } from './wire.ts';

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

/** One field of a message; the bytes are known to be well formed. */
interface WireField {
  readonly number: number;
  readonly wireType: number;
  /** Payload without its length. */
  readonly payload: Uint8Array;
}

function readCheckedValue(bytes: Uint8Array): TypedValue {
  const member = lastMember(bytes, FieldKind.VALUE);
  return member === undefined
    ? { type: ValueType.INVALID, value: null }
    : { type: member.number, value: readMember(member.number, member.payload) };
}

function readMember(type: number, payload: Uint8Array): FeatureValue {
  switch (FIELD_KINDS[FieldKind.VALUE * FIELDS_PER_MESSAGE + type]) {
    case FieldKind.MAP:
      return readMap(payload);
    case FieldKind.MAP_LIST:
      return payloadsOf(payload, 1).map(readMap);
    case FieldKind.REPEATED_VALUE:
      return payloadsOf(payload, 1).map(readCheckedValue);
    case FieldKind.SCALAR_MAP:
      return payloadsOf(payload, 1).map(readScalarMapPair);
    case FieldKind.ZONED_TIMESTAMP:
      return readZonedTimestamp(payload);
    case FieldKind.STRING_LIST:
    case FieldKind.BYTES_LIST:
      return payloadsOf(payload, 1).map((item) => readScalar(itemType(type), item));
    case FieldKind.VARINT_LIST:
    case FieldKind.DOUBLE_LIST:
    case FieldKind.FLOAT_LIST:
      return readNumbers(type, payload);
    default:
      return type === ValueType.NULL ? null : readScalar(type, payload);
  }
}

/** A scalar of a type from its payload: text, bytes, 8 or 4 little-endian bytes, or a varint. */
function readScalar(type: number, payload: Uint8Array): ScalarValue {
  switch (type) {
    case ValueType.BYTES:
      return payload.slice();
    case ValueType.INT32:
      return varintLow32(payload, 0);
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      return varintInt64(payload, 0);
    case ValueType.BOOL:
      return (varintLow32(payload, 0) | varintHigh32(payload, 0)) !== 0;
    case ValueType.DOUBLE:
      return dataView(payload).getFloat64(0, true);
    case ValueType.FLOAT:
      return dataView(payload).getFloat32(0, true);
    default:
      return text(payload);
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
  for (const field of fieldsOf(message)) {
    if (field.number !== 1) {
      continue;
    }
    if (field.wireType === itemWireType) {
      items.push(readScalar(type, field.payload));
    } else if (field.wireType === WireType.BYTES) {
      const packed = field.payload;
      for (let at = 0; at < packed.length;) {
        const next = skipPayload(packed, at, packed.length, itemWireType, 0);
        items.push(readScalar(type, packed.subarray(at, next)));
        at = next;
      }
    }
  }
  return items;
}

function readMap(message: Uint8Array): ValueMap {
  const map = new Map<string, TypedValue>();
  for (const entry of payloadsOf(message, 1)) {
    const key = payloadsOf(entry, 1).at(-1);
    map.set(key === undefined ? '' : text(key), readCheckedValue(merged(payloadsOf(entry, 2))));
  }
  return map;
}

function readScalarMapPair(entry: Uint8Array): ScalarMapPair {
  const key = lastMember(merged(payloadsOf(entry, 1)), FieldKind.MAP_KEY);
  const keyType = MAP_KEY_TYPES[key?.number ?? 0]!;
  return [
    { type: keyType, value: key === undefined ? null : readScalar(keyType, key.payload) },
    readCheckedValue(merged(payloadsOf(entry, 2))),
  ];
}

function readZonedTimestamp(message: Uint8Array): ZonedTimestamp {
  let unixSeconds = 0n;
  let zone = '';
  for (const field of fieldsOf(message)) {
    if (field.number === 1 && field.wireType === WireType.VARINT) {
      unixSeconds = varintInt64(field.payload, 0);
    } else if (field.number === 2 && field.wireType === WireType.BYTES) {
      zone = text(field.payload);
    }
  }
  return { unixSeconds, zone };
}

/**
 * The member of a message whose fields are all one oneof. Message members repeated without another one in between are
 * merged, which for encoded messages is to append them.
 */
function lastMember(message: Uint8Array, messageKind: number): WireField | undefined {
  let member: WireField | undefined;
  let payloads: Uint8Array[] = [];
  for (const field of fieldsOf(message)) {
    const kind =
      field.number < FIELDS_PER_MESSAGE
        ? FIELD_KINDS[messageKind * FIELDS_PER_MESSAGE + field.number]!
        : FieldKind.UNKNOWN;
    if (kind === FieldKind.UNKNOWN || field.wireType !== wireTypeOfKind(kind)) {
      continue;
    }
    if (member?.number === field.number && kind >= FieldKind.VALUE) payloads.push(field.payload);
    else payloads = [field.payload];
    member = field;
  }
  return member && { ...member, payload: merged(payloads) };
}

/** Payloads of all length-delimited fields of this number. */
function payloadsOf(message: Uint8Array, number: number): Uint8Array[] {
  return fieldsOf(message)
    .filter((field) => field.number === number && field.wireType === WireType.BYTES)
    .map((field) => field.payload);
}

/** The fields of a well-formed message in the order of its bytes. */
function fieldsOf(message: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  for (let at = 0; at < message.length;) {
    const tag = varintLow32(message, at) >>> 0;
    const afterTag = skipTag(message, at, message.length);
    const start =
      (tag & 7) === WireType.BYTES ? skipLength(message, afterTag, message.length) : afterTag;
    at = skipPayload(message, afterTag, message.length, tag, MAX_NESTING);
    fields.push({ number: tag >>> 3, wireType: tag & 7, payload: message.subarray(start, at) });
  }
  return fields;
}

function merged(payloads: readonly Uint8Array[]): Uint8Array {
  return payloads.length === 1 ? payloads[0]! : Buffer.concat(payloads);
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
