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
import { FieldKind, itemType, MAP_KEY_TYPES, memberKind } from './value-schema.ts';
import { ValueType, valueTypeName } from './value-type.ts';
import { MAX_VARINT_BYTES, varintSize, writeVarint, writeVarint64 } from './varint.ts';
import { WireType } from './wire.ts';

const INT32_LIMIT = 0x8000_0000n;
const INT64_LIMIT = 0x8000_0000_0000_0000n;

/**
 * Encodes a `feast.types.Value` with the bytes that Feast's serializer gives it: one member (written even when zero),
 * numbers of lists packed. Whole numbers may be `number` or `bigint`; nothing is rounded, cut or parsed: a value that its
 * type does not hold exactly is refused (a DOUBLE for a FLOAT is rounded to the nearest, as everywhere).
 *
 * @param value as `FeatureValue` describes it; `null` or `undefined` = a null, which is the empty string in every type
 *   but NULL.
 * @throws EncodingError naming the type, never the value.
 */
export function writeValue(type: number, value: FeatureValue | undefined): Uint8Array {
  if (type === ValueType.NULL) {
    return Uint8Array.of(0x98, 0x01, 0x00);
  }
  if (value === null || value === undefined) {
    return new Uint8Array(0);
  }
  const kind = memberKind(type);
  switch (kind) {
    case FieldKind.UNKNOWN:
      throw new EncodingError(`no feast.types.Value holds type ${valueTypeName(type)}`);
    case FieldKind.BYTES_LIST:
    case FieldKind.STRING_LIST:
      return field(type, WireType.BYTES, repeated(items(type, value), itemType(type)));
    case FieldKind.VARINT_LIST:
    case FieldKind.DOUBLE_LIST:
    case FieldKind.FLOAT_LIST:
      return field(type, WireType.BYTES, packed(items(type, value), itemType(type)));
    case FieldKind.MAP:
      return field(type, WireType.BYTES, mapMessage(type, value));
    case FieldKind.MAP_LIST: {
      const maps = items(type, value) as readonly ValueMap[];
      const parts = maps.map((map) => field(1, WireType.BYTES, mapMessage(type, map)));
      return field(type, WireType.BYTES, Buffer.concat(parts));
    }
    case FieldKind.REPEATED_VALUE: {
      const values = items(type, value) as readonly TypedValue[];
      const parts = values.map((item) => field(1, WireType.BYTES, writeTypedValue(item)));
      return field(type, WireType.BYTES, Buffer.concat(parts));
    }
    case FieldKind.SCALAR_MAP: {
      const pairs = items(type, value) as readonly ScalarMapPair[];
      return field(type, WireType.BYTES, Buffer.concat(pairs.map(scalarMapEntry)));
    }
    case FieldKind.ZONED_TIMESTAMP:
      return field(type, WireType.BYTES, zonedTimestampMessage(value));
    default:
      return field(type, wireTypeOf(type), scalarPayload(type, value));
  }
}

/** Encodes a value of known type; the inverse of `readValue`. */
export function writeTypedValue(typed: TypedValue): Uint8Array {
  return writeValue(typed.type, typed.value);
}

/** One field: tag, length where the wire type has one, payload. */
function field(number: number, wireType: number, payload: Uint8Array): Uint8Array {
  const tag = (number << 3) | wireType;
  const lengthSize = wireType === WireType.BYTES ? varintSize(payload.length) : 0;
  const out = new Uint8Array(varintSize(tag) + lengthSize + payload.length);
  let at = writeVarint(out, 0, tag);
  if (lengthSize > 0) {
    at = writeVarint(out, at, payload.length);
  }
  out.set(payload, at);
  return out;
}

function repeated(list: readonly unknown[], type: number): Uint8Array {
  return Buffer.concat(list.map((item) => field(1, WireType.BYTES, scalarPayload(type, item))));
}

/** The one field of a packed list; an empty list has none. */
function packed(list: readonly unknown[], type: number): Uint8Array {
  if (list.length === 0) {
    return new Uint8Array(0);
  }
  return field(1, WireType.BYTES, Buffer.concat(list.map((item) => scalarPayload(type, item))));
}

function mapMessage(type: number, value: unknown): Uint8Array {
  if (!(value instanceof Map)) {
    throw unfit(type);
  }
  const entries: Uint8Array[] = [];
  for (const [key, item] of value as ValueMap) {
    const entry = Buffer.concat([
      field(1, WireType.BYTES, scalarPayload(ValueType.STRING, key)),
      field(2, WireType.BYTES, writeTypedValue(item)),
    ]);
    entries.push(field(1, WireType.BYTES, entry));
  }
  return Buffer.concat(entries);
}

function scalarMapEntry([key, value]: ScalarMapPair): Uint8Array {
  const keyField = key.type === ValueType.INVALID ? 0 : MAP_KEY_TYPES.indexOf(key.type);
  if (keyField < 0) {
    throw new EncodingError(`a scalar map cannot have keys of type ${valueTypeName(key.type)}`);
  }
  const mapKey =
    keyField === 0
      ? new Uint8Array(0)
      : field(keyField, wireTypeOf(key.type), scalarPayload(key.type, key.value));
  const entry = Buffer.concat([
    field(1, WireType.BYTES, mapKey),
    field(2, WireType.BYTES, writeTypedValue(value)),
  ]);
  return field(1, WireType.BYTES, entry);
}

function zonedTimestampMessage(value: unknown): Uint8Array {
  const { unixSeconds, zone } = value as ZonedTimestamp;
  const parts: Uint8Array[] = [];
  if (unixSeconds !== 0n) {
    parts.push(field(1, WireType.VARINT, scalarPayload(ValueType.INT64, unixSeconds)));
  }
  if (zone !== '') {
    parts.push(field(2, WireType.BYTES, scalarPayload(ValueType.STRING, zone)));
  }
  return Buffer.concat(parts);
}

/** Payload of a scalar without tag and length. @throws EncodingError where `value` is not of `type`. */
function scalarPayload(type: number, value: unknown): Uint8Array {
  switch (type) {
    case ValueType.BYTES:
      if (value instanceof Uint8Array) {
        return value;
      }
      break;
    case ValueType.INT32:
      return integerPayload(type, value, INT32_LIMIT);
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      return integerPayload(type, value, INT64_LIMIT);
    case ValueType.BOOL:
      if (typeof value === 'boolean') {
        return Uint8Array.of(value ? 1 : 0);
      }
      break;
    case ValueType.DOUBLE:
    case ValueType.FLOAT:
      if (typeof value === 'number') {
        return floatPayload(type, value);
      }
      break;
    default:
      // A lone surrogate has no UTF-8; Feast's serializer refuses it too.
      if (typeof value === 'string' && value.isWellFormed()) {
        return Buffer.from(value, 'utf8');
      }
  }
  throw unfit(type);
}

function integerPayload(type: number, value: unknown, limit: bigint): Uint8Array {
  const integer =
    typeof value === 'bigint'
      ? value
      : typeof value === 'number' && Number.isSafeInteger(value)
        ? BigInt(value)
        : undefined;
  if (integer === undefined || integer < -limit || integer >= limit) {
    throw unfit(type);
  }
  const out = new Uint8Array(MAX_VARINT_BYTES);
  return out.subarray(0, writeVarint64(out, 0, integer));
}

function floatPayload(type: number, value: number): Uint8Array {
  const out = new DataView(new ArrayBuffer(type === ValueType.DOUBLE ? 8 : 4));
  if (type === ValueType.DOUBLE) {
    out.setFloat64(0, value, true);
  } else {
    out.setFloat32(0, value, true);
  }
  return new Uint8Array(out.buffer);
}

function wireTypeOf(type: number): number {
  switch (memberKind(type)) {
    case FieldKind.VARINT:
      return WireType.VARINT;
    case FieldKind.FIXED64:
      return WireType.FIXED64;
    case FieldKind.FIXED32:
      return WireType.FIXED32;
    default:
      return WireType.BYTES;
  }
}

function items(type: number, value: FeatureValue): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw unfit(type);
  }
  return value as readonly ScalarValue[];
}

function unfit(type: number): EncodingError {
  return new EncodingError(`the value is no ${valueTypeName(type)}`);
}
