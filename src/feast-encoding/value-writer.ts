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
import type { GrowingBytes } from './growing-bytes.ts';
import {
  appendScalar,
  field,
  floatList,
  scalarField,
  scalarPayload,
  unfit,
  wireTypeOf,
} from './scalar-writer.ts';
import { FieldKind, itemType, MAP_KEY_TYPES, memberKind } from './value-schema.ts';
import { ValueType, valueTypeName } from './value-type.ts';
import { WireType } from './wire.ts';

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
      return field(type, WireType.BYTES, packed(items(type, value), itemType(type)));
    case FieldKind.DOUBLE_LIST:
    case FieldKind.FLOAT_LIST:
      return floatList(type, items(type, value));
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
      return scalarField(type, value);
  }
}

/** Encodes a value of known type; the inverse of `readValue`. */
export function writeTypedValue(typed: TypedValue): Uint8Array {
  return writeValue(typed.type, typed.value);
}

/** Writes what `writeTypedValue` gives; scalars at no cost but their bytes. @throws EncodingError as `writeValue` */
export function appendTypedValue(out: GrowingBytes, { type, value }: TypedValue): void {
  const isScalar = memberKind(type) > FieldKind.UNKNOWN && memberKind(type) <= FieldKind.STRING;
  if (isScalar && type !== ValueType.NULL && value !== null) {
    appendScalar(out, type, value);
  } else {
    out.put(writeValue(type, value));
  }
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

function items(type: number, value: FeatureValue): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw unfit(type);
  }
  return value as readonly ScalarValue[];
}
