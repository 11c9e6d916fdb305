/** A `feast.types.Value` in plain JavaScript, with the type that it was stored with. */
export interface TypedValue {
  /** `ValueType` number of the oneof member; 0 = none, which is how Feast stores a null. */
  readonly type: number;
  readonly value: FeatureValue;
}

/**
 * What a `Value` holds, by type:
 *
 * - null: INVALID (unset) and NULL
 * - number: INT32, DOUBLE, FLOAT (the exact double of the float); bigint: INT64, UNIX_TIMESTAMP (seconds)
 * - boolean: BOOL; string: STRING, JSON (raw text), UUID, TIME_UUID, DECIMAL; Uint8Array: BYTES
 * - array of one of these: the `_LIST` and `_SET` types, in stored order
 * - map from text: MAP, STRUCT; array of maps: MAP_LIST, STRUCT_LIST
 * - array of typed values: VALUE_LIST, VALUE_SET
 * - array of pairs: SCALAR_MAP; its keys are INT32, INT64, FLOAT, DOUBLE, BOOL, UNIX_TIMESTAMP, BYTES, UUID, TIME_UUID or
 *   DECIMAL
 */
export type FeatureValue =
  | null
  | ScalarValue
  | ZonedTimestamp
  | ValueMap
  | readonly ScalarValue[]
  | readonly ValueMap[]
  | readonly TypedValue[]
  | readonly ScalarMapPair[];

export type ScalarValue = boolean | number | bigint | string | Uint8Array;

export type ValueMap = ReadonlyMap<string, TypedValue>;

export type ScalarMapPair = readonly [key: TypedValue, value: TypedValue];

/** `feast.types.ZonedTimestamp`: an instant and the zone it was written in. */
export interface ZonedTimestamp {
  readonly unixSeconds: bigint;
  /** IANA name or fixed offset such as `-07:00`; empty = UTC. */
  readonly zone: string;
}
