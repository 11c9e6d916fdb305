import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DOUBLE,
  DuckDBBlobValue,
  DuckDBTimestampTZValue,
  FLOAT,
  INTEGER,
  LIST,
  listValue,
  TIMESTAMPTZ,
  VARCHAR,
} from '@duckdb/node-api';
import type { DuckDBType, DuckDBValue } from '@duckdb/node-api';
import type { FeatureValue, ScalarValue } from '../feast-encoding/typed-value.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { LIST_ELEMENTS, SET_ELEMENTS } from '../ingestion/list-elements.ts';

const SCALAR_TYPES: ReadonlyMap<number, DuckDBType> = new Map<number, DuckDBType>([
  [ValueType.INT32, INTEGER],
  [ValueType.INT64, BIGINT],
  [ValueType.FLOAT, FLOAT],
  [ValueType.DOUBLE, DOUBLE],
  [ValueType.BOOL, BOOLEAN],
  [ValueType.STRING, VARCHAR],
  [ValueType.JSON, VARCHAR],
  [ValueType.UUID, VARCHAR],
  [ValueType.TIME_UUID, VARCHAR],
  [ValueType.DECIMAL, VARCHAR],
  [ValueType.BYTES, BLOB],
  [ValueType.UNIX_TIMESTAMP, TIMESTAMPTZ],
]);

const MICROS_PER_SECOND = 1_000_000n;
/** As far as moments of DuckDB go; what lies outside, as Feast's "no moment" does, is none. */
const MAX_SECONDS = 9_223_372_036_854n;

/** The column type for values of `valueType`; `undefined` = there is none. */
export function computedColumnType(valueType: number): DuckDBType | undefined {
  const element = elementOf(valueType);
  if (element === undefined) return SCALAR_TYPES.get(valueType);
  const type = SCALAR_TYPES.get(element);
  return type && LIST(type);
}

/** A value as a column of `computedColumnType` takes it. */
export function toComputedValue(valueType: number, value: FeatureValue): DuckDBValue {
  if (value === null) return null;
  const element = elementOf(valueType);
  if (element === undefined) return toScalar(valueType, value as ScalarValue);
  return listValue((value as readonly ScalarValue[]).map((item) => toScalar(element, item)));
}

function elementOf(valueType: number): number | undefined {
  return LIST_ELEMENTS.get(valueType) ?? SET_ELEMENTS.get(valueType);
}

function toScalar(valueType: number, value: ScalarValue): DuckDBValue {
  if (value instanceof Uint8Array) return new DuckDBBlobValue(value);
  if (valueType !== ValueType.UNIX_TIMESTAMP) return value;
  const seconds = value as bigint;
  return seconds < -MAX_SECONDS || seconds > MAX_SECONDS
    ? null
    : new DuckDBTimestampTZValue(seconds * MICROS_PER_SECOND);
}
