/**
 * Numbers of `feast.types.ValueType.Enum`. The member of the `Value` oneof that holds a type has the same field number,
 * so one number names both. 30 and 31 exist in Feast's Python enum alone and have no member.
 */
export const ValueType = {
  INVALID: 0,
  BYTES: 1,
  STRING: 2,
  INT32: 3,
  INT64: 4,
  DOUBLE: 5,
  FLOAT: 6,
  BOOL: 7,
  UNIX_TIMESTAMP: 8,
  BYTES_LIST: 11,
  STRING_LIST: 12,
  INT32_LIST: 13,
  INT64_LIST: 14,
  DOUBLE_LIST: 15,
  FLOAT_LIST: 16,
  BOOL_LIST: 17,
  UNIX_TIMESTAMP_LIST: 18,
  NULL: 19,
  MAP: 20,
  MAP_LIST: 21,
  BYTES_SET: 22,
  STRING_SET: 23,
  INT32_SET: 24,
  INT64_SET: 25,
  DOUBLE_SET: 26,
  FLOAT_SET: 27,
  BOOL_SET: 28,
  UNIX_TIMESTAMP_SET: 29,
  PDF_BYTES: 30,
  IMAGE_BYTES: 31,
  JSON: 32,
  JSON_LIST: 33,
  STRUCT: 34,
  STRUCT_LIST: 35,
  UUID: 36,
  TIME_UUID: 37,
  UUID_LIST: 38,
  TIME_UUID_LIST: 39,
  UUID_SET: 40,
  TIME_UUID_SET: 41,
  VALUE_LIST: 42,
  VALUE_SET: 43,
  DECIMAL: 44,
  DECIMAL_LIST: 45,
  DECIMAL_SET: 46,
  SCALAR_MAP: 47,
  ZONED_TIMESTAMP: 48,
} as const;

/** A name of the enum, such as `INT64_LIST`. */
export type ValueTypeName = keyof typeof ValueType;

const NAMES: ReadonlyMap<number, ValueTypeName> = new Map(
  (Object.keys(ValueType) as ValueTypeName[]).map((name) => [ValueType[name], name]),
);

/** The enum name of a number; `UNKNOWN_<n>` for a number that Feast does not define (yet). */
export function valueTypeName(valueType: number): string {
  return NAMES.get(valueType) ?? `UNKNOWN_${valueType}`;
}

/** The number of an enum name in upper case; `undefined` for a name that is none. */
export function valueTypeNumber(name: string): number | undefined {
  return Object.hasOwn(ValueType, name) ? ValueType[name as ValueTypeName] : undefined;
}

/** Whether Feast can put a value of this type into an entity key: string, bytes, int32, int64 and unix timestamp. */
export function isEntityKeyType(valueType: number): boolean {
  return (valueType >= ValueType.BYTES && valueType <= ValueType.INT64) || valueType === 8;
}
