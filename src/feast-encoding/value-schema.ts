import { ValueType } from './value-type.ts';
import { WireType } from './wire.ts';

/**
 * What a field of the messages below `feast.types.Value` holds (Feast: `protos/feast/types/Value.proto`). 0 = no such field.
 * Numbers from `FIRST_MESSAGE` on are messages: the index of their row in `FIELD_KINDS`.
 */
export const FieldKind = {
  UNKNOWN: 0,
  VARINT: 1,
  FIXED64: 2,
  FIXED32: 3,
  BYTES: 4,
  STRING: 5,
  REPEATED_VARINT: 6,
  REPEATED_FIXED64: 7,
  REPEATED_FIXED32: 8,
  VALUE: 16,
  BYTES_LIST: 17,
  STRING_LIST: 18,
  VARINT_LIST: 19,
  DOUBLE_LIST: 20,
  FLOAT_LIST: 21,
  MAP: 22,
  MAP_ENTRY: 23,
  MAP_LIST: 24,
  REPEATED_VALUE: 25,
  SCALAR_MAP: 26,
  SCALAR_MAP_ENTRY: 27,
  MAP_KEY: 28,
  ZONED_TIMESTAMP: 29,
} as const;

/** The smallest `FieldKind` that is a message. */
export const FIRST_MESSAGE = FieldKind.VALUE;

/** Highest field number of these messages, plus one: the width of a row of `FIELD_KINDS`. */
export const FIELDS_PER_MESSAGE = 64;

/** Kind of field `n` of message kind `m`: at `m * FIELDS_PER_MESSAGE + n`. */
export const FIELD_KINDS: Uint8Array = buildFieldKinds();

/** `FieldKind` of the member of the `Value` oneof that holds this type; UNKNOWN for numbers that have no member. */
export function memberKind(valueType: number): number {
  return valueType >= 0 && valueType < FIELDS_PER_MESSAGE
    ? FIELD_KINDS[FieldKind.VALUE * FIELDS_PER_MESSAGE + valueType]!
    : FieldKind.UNKNOWN;
}

function buildFieldKinds(): Uint8Array {
  const kinds = new Uint8Array(32 * FIELDS_PER_MESSAGE);
  const set = (message: number, kind: number, ...fields: readonly number[]): void => {
    for (const field of fields) {
      kinds[message * FIELDS_PER_MESSAGE + field] = kind;
    }
  };
  const K = FieldKind;
  const T = ValueType;
  set(K.VALUE, K.VARINT, T.INT32, T.INT64, T.BOOL, T.UNIX_TIMESTAMP, T.NULL);
  set(K.VALUE, K.FIXED64, T.DOUBLE);
  set(K.VALUE, K.FIXED32, T.FLOAT);
  set(K.VALUE, K.BYTES, T.BYTES);
  set(K.VALUE, K.STRING, T.STRING, T.JSON, T.UUID, T.TIME_UUID, T.DECIMAL);
  set(K.VALUE, K.BYTES_LIST, T.BYTES_LIST, T.BYTES_SET);
  set(K.VALUE, K.STRING_LIST, T.STRING_LIST, T.STRING_SET, T.JSON_LIST, T.UUID_LIST);
  set(K.VALUE, K.STRING_LIST, T.TIME_UUID_LIST, T.UUID_SET, T.TIME_UUID_SET);
  set(K.VALUE, K.STRING_LIST, T.DECIMAL_LIST, T.DECIMAL_SET);
  set(K.VALUE, K.VARINT_LIST, T.INT32_LIST, T.INT64_LIST, T.BOOL_LIST, T.UNIX_TIMESTAMP_LIST);
  set(K.VALUE, K.VARINT_LIST, T.INT32_SET, T.INT64_SET, T.BOOL_SET, T.UNIX_TIMESTAMP_SET);
  set(K.VALUE, K.DOUBLE_LIST, T.DOUBLE_LIST, T.DOUBLE_SET);
  set(K.VALUE, K.FLOAT_LIST, T.FLOAT_LIST, T.FLOAT_SET);
  set(K.VALUE, K.MAP, T.MAP, T.STRUCT);
  set(K.VALUE, K.MAP_LIST, T.MAP_LIST, T.STRUCT_LIST);
  set(K.VALUE, K.REPEATED_VALUE, T.VALUE_LIST, T.VALUE_SET);
  set(K.VALUE, K.SCALAR_MAP, T.SCALAR_MAP);
  set(K.VALUE, K.ZONED_TIMESTAMP, T.ZONED_TIMESTAMP);
  set(K.BYTES_LIST, K.BYTES, 1);
  set(K.STRING_LIST, K.STRING, 1);
  set(K.VARINT_LIST, K.REPEATED_VARINT, 1);
  set(K.DOUBLE_LIST, K.REPEATED_FIXED64, 1);
  set(K.FLOAT_LIST, K.REPEATED_FIXED32, 1);
  set(K.MAP, K.MAP_ENTRY, 1);
  set(K.MAP_ENTRY, K.STRING, 1);
  set(K.MAP_ENTRY, K.VALUE, 2);
  set(K.MAP_LIST, K.MAP, 1);
  set(K.REPEATED_VALUE, K.VALUE, 1);
  set(K.SCALAR_MAP, K.SCALAR_MAP_ENTRY, 1);
  set(K.SCALAR_MAP_ENTRY, K.MAP_KEY, 1);
  set(K.SCALAR_MAP_ENTRY, K.VALUE, 2);
  set(K.MAP_KEY, K.VARINT, 1, 2, 5, 6);
  set(K.MAP_KEY, K.FIXED32, 3);
  set(K.MAP_KEY, K.FIXED64, 4);
  set(K.MAP_KEY, K.BYTES, 7);
  set(K.MAP_KEY, K.STRING, 8, 9, 10);
  set(K.ZONED_TIMESTAMP, K.VARINT, 1);
  set(K.ZONED_TIMESTAMP, K.STRING, 2);
  return kinds;
}

/** `ValueType` of each field of `feast.types.MapKey`, by field number; index 0 is not a field. */
export const MAP_KEY_TYPES: readonly number[] = [
  ValueType.INVALID,
  ValueType.INT32,
  ValueType.INT64,
  ValueType.FLOAT,
  ValueType.DOUBLE,
  ValueType.BOOL,
  ValueType.UNIX_TIMESTAMP,
  ValueType.BYTES,
  ValueType.UUID,
  ValueType.TIME_UUID,
  ValueType.DECIMAL,
];

/** `ValueType` of the items of a list or set of scalars; those not in the table hold text. */
export function itemType(listType: number): number {
  return ITEM_TYPES.get(listType) ?? ValueType.STRING;
}

const ITEM_TYPES: ReadonlyMap<number, number> = new Map<number, number>([
  [ValueType.BYTES_LIST, ValueType.BYTES],
  [ValueType.BYTES_SET, ValueType.BYTES],
  [ValueType.INT32_LIST, ValueType.INT32],
  [ValueType.INT32_SET, ValueType.INT32],
  [ValueType.INT64_LIST, ValueType.INT64],
  [ValueType.INT64_SET, ValueType.INT64],
  [ValueType.DOUBLE_LIST, ValueType.DOUBLE],
  [ValueType.DOUBLE_SET, ValueType.DOUBLE],
  [ValueType.FLOAT_LIST, ValueType.FLOAT],
  [ValueType.FLOAT_SET, ValueType.FLOAT],
  [ValueType.BOOL_LIST, ValueType.BOOL],
  [ValueType.BOOL_SET, ValueType.BOOL],
  [ValueType.UNIX_TIMESTAMP_LIST, ValueType.UNIX_TIMESTAMP],
  [ValueType.UNIX_TIMESTAMP_SET, ValueType.UNIX_TIMESTAMP],
]);

/** How a field of a kind stands on the wire; packed numbers as bytes. */
export function wireTypeOfKind(kind: number): number {
  switch (kind) {
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
