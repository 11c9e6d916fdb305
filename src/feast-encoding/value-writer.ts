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
import { GrowingBytes } from './growing-bytes.ts';
import {
  appendPayload,
  appendScalar,
  field,
  floatList,
  scalarField,
  scalarPayload,
  unfit,
  wireTypeOf,
} from './scalar-writer.ts';
import { FIRST_MESSAGE, FieldKind, itemType, MAP_KEY_TYPES, memberKind } from './value-schema.ts';
import { ValueType, valueTypeName } from './value-type.ts';
import { MAX_VARINT_BYTES, writeVarint } from './varint.ts';
import { MAX_NESTING, WireType } from './wire.ts';

/**
 * Encodes a `feast.types.Value` with the bytes that Feast's serializer gives it: one member (written even when zero),
 * numbers of lists packed. Whole numbers may be `number` or `bigint`; nothing is rounded, cut or parsed: a value that its
 * type does not hold exactly is refused (a DOUBLE for a FLOAT is rounded to the nearest, as everywhere).
 *
 * @param value as `FeatureValue` describes it; `null` or `undefined` = a null, which is the empty string in every type
 *   but NULL.
 * @param nesting how many more messages may stand inside each other
 * @throws EncodingError naming the type, never the value; for what is nested more deeply than can be read again.
 */
export function writeValue(
  type: number,
  value: FeatureValue | undefined,
  nesting: number = MAX_NESTING,
): Uint8Array {
  if (nesting < (memberKind(type) < FIRST_MESSAGE ? 0 : 1)) {
    throw new EncodingError('the value is nested too deeply for a feast.types.Value');
  }
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
      return field(type, WireType.BYTES, mapMessage(type, value, nesting));
    case FieldKind.MAP_LIST: {
      const maps = items(type, value) as readonly ValueMap[];
      return field(
        type,
        WireType.BYTES,
        repeatedOf(maps, (map) => mapMessage(type, map, nesting - 1)),
      );
    }
    case FieldKind.REPEATED_VALUE: {
      const values = items(type, value) as readonly TypedValue[];
      return field(
        type,
        WireType.BYTES,
        repeatedOf(values, (item) => writeTypedValue(item, nesting - 2)),
      );
    }
    case FieldKind.SCALAR_MAP: {
      const pairs = items(type, value) as readonly ScalarMapPair[];
      return field(
        type,
        WireType.BYTES,
        repeatedOf(pairs, (pair) => scalarMapEntry(pair, nesting)),
      );
    }
    case FieldKind.ZONED_TIMESTAMP:
      return field(type, WireType.BYTES, zonedTimestampMessage(value));
    default:
      return scalarField(type, value);
  }
}

/** Encodes a value of known type; the inverse of `readValue`. */
export function writeTypedValue(typed: TypedValue, nesting: number = MAX_NESTING): Uint8Array {
  return writeValue(typed.type, typed.value, nesting);
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

/** Where lists of scalars are joined. Copied from before the next one is. */
const scratch = new GrowingBytes();
const MAX_SCRATCH_BYTES = 64 * 1024;

function repeated(list: readonly unknown[], type: number): Uint8Array {
  scratch.clear(MAX_SCRATCH_BYTES);
  for (const item of list) putField(scratch, scalarPayload(type, item));
  return scratch.bytes.subarray(0, scratch.at);
}

/** The one field of a packed list; an empty list has none. */
function packed(list: readonly unknown[], type: number): Uint8Array {
  if (list.length === 0) {
    return new Uint8Array(0);
  }
  scratch.clear(MAX_SCRATCH_BYTES);
  for (const item of list) appendPayload(scratch, type, item);
  return field(1, WireType.BYTES, scratch.bytes.subarray(0, scratch.at));
}

/** Field 1 for each item, joined as they are made: a list of parts takes many times their bytes. */
function repeatedOf<T>(list: Iterable<T>, encode: (item: T) => Uint8Array): Uint8Array {
  const out = new GrowingBytes();
  for (const item of list) putField(out, encode(item));
  return out.bytes.subarray(0, out.at);
}

function putField(out: GrowingBytes, payload: Uint8Array): void {
  out.reserve(1 + MAX_VARINT_BYTES);
  out.bytes[out.at] = (1 << 3) | WireType.BYTES;
  out.at = writeVarint(out.bytes, out.at + 1, payload.length);
  out.put(payload);
}

function mapMessage(type: number, value: unknown, nesting: number): Uint8Array {
  if (!(value instanceof Map)) {
    throw unfit(type);
  }
  return repeatedOf(value as ValueMap, ([key, item]) =>
    Buffer.concat([
      field(1, WireType.BYTES, scalarPayload(ValueType.STRING, key)),
      field(2, WireType.BYTES, writeTypedValue(item, nesting - 3)),
    ]),
  );
}

function scalarMapEntry([key, value]: ScalarMapPair, nesting: number): Uint8Array {
  const keyField = key.type === ValueType.INVALID ? 0 : MAP_KEY_TYPES.indexOf(key.type);
  if (keyField < 0) {
    throw new EncodingError(`a scalar map cannot have keys of type ${valueTypeName(key.type)}`);
  }
  const mapKey =
    keyField === 0
      ? new Uint8Array(0)
      : field(keyField, wireTypeOf(key.type), scalarPayload(key.type, key.value));
  return Buffer.concat([
    field(1, WireType.BYTES, mapKey),
    field(2, WireType.BYTES, writeTypedValue(value, nesting - 3)),
  ]);
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
