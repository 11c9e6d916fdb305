import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTypeId,
  DuckDBUUIDValue,
} from '@duckdb/node-api';
import type { DuckDBType, DuckDBValue } from '@duckdb/node-api';
import type { ScalarValue } from '../feast-encoding/typed-value.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { pythonBool, pythonDecimal, pythonFloat, pythonFloat32 } from './python-text.ts';
import {
  floorDivide,
  parseBool,
  parseFloatText,
  parseInteger,
  parseSeconds,
} from './text-scalars.ts';

/** Reads one value of a source (never null) as the declared type; `undefined` = it does not fit. */
export type ScalarReader = (value: DuckDBValue) => ScalarValue | undefined;

const INT32_MIN = -0x8000_0000;
const INT32_MAX = 0x7fff_ffff;
const INT64_MIN = -0x8000_0000_0000_0000n;
const INT64_MAX = 0x7fff_ffff_ffff_ffffn;
const NANOS_PER_SECOND = 1_000_000_000n;
const MICROS_PER_SECOND = 1_000_000n;
const SECONDS_PER_DAY = 86_400n;

/**
 * How a column of type `type` is read as a scalar of type `valueType`, as Feast's materialization does: integers from
 * integers, floats (the fraction is cut), bools and digits; text from everything that has a Python spelling; timestamps as
 * whole seconds, rounded down. Where Feast fails on a type that loses nothing (float32 as DOUBLE, text as BOOL) it is read.
 *
 * @returns `undefined` where no value of that column could be one.
 */
export function compileScalarReader(valueType: number, type: DuckDBType): ScalarReader | undefined {
  switch (valueType) {
    case ValueType.INT32:
      return compileInteger(type, (value) =>
        value >= INT32_MIN && value <= INT32_MAX ? value : undefined,
      );
    case ValueType.INT64:
      return compileInteger(type, (value) =>
        value >= INT64_MIN && value <= INT64_MAX ? value : undefined,
      );
    case ValueType.DOUBLE:
    case ValueType.FLOAT:
      return compileFloat(type);
    case ValueType.BOOL:
      return compileBool(type);
    case ValueType.STRING:
      return compileText(type);
    case ValueType.BYTES:
    case ValueType.PDF_BYTES:
    case ValueType.IMAGE_BYTES:
      return type.typeId === DuckDBTypeId.BLOB
        ? (value) => (value as DuckDBBlobValue).bytes
        : undefined;
    case ValueType.UNIX_TIMESTAMP:
      return compileTimestamp(type);
    case ValueType.UUID:
    case ValueType.TIME_UUID:
      return type.typeId === DuckDBTypeId.UUID ? compileText(type) : compileVerbatim(type);
    case ValueType.DECIMAL:
      return type.typeId === DuckDBTypeId.DECIMAL ? compileText(type) : compileVerbatim(type);
    default:
      return undefined;
  }
}

/** Whether columns of this type hold whole numbers. */
export function isIntegerType(type: DuckDBType): boolean {
  switch (type.typeId) {
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
    case DuckDBTypeId.UINTEGER:
    case DuckDBTypeId.UBIGINT:
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UHUGEINT:
      return true;
    default:
      return false;
  }
}

/** Whether columns of this type hold moments: timestamps of any unit, with or without zone, and dates. */
export function isMomentType(type: DuckDBType): boolean {
  return momentNanosReader(type) !== undefined;
}

/** Whether columns of this type hold text. */
export function isTextType(type: DuckDBType): boolean {
  return type.typeId === DuckDBTypeId.VARCHAR || type.typeId === DuckDBTypeId.ENUM;
}

/** Nanoseconds since the epoch of a timestamp or date; `undefined` for a type that is neither. */
export function momentNanosReader(type: DuckDBType): ((value: DuckDBValue) => bigint) | undefined {
  switch (type.typeId) {
    case DuckDBTypeId.TIMESTAMP:
      return (value) => (value as DuckDBTimestampValue).micros * 1000n;
    case DuckDBTypeId.TIMESTAMP_TZ:
      return (value) => (value as DuckDBTimestampTZValue).micros * 1000n;
    case DuckDBTypeId.TIMESTAMP_NS:
      return (value) => (value as DuckDBTimestampNanosecondsValue).nanos;
    case DuckDBTypeId.TIMESTAMP_MS:
      return (value) => (value as DuckDBTimestampMillisecondsValue).millis * MICROS_PER_SECOND;
    case DuckDBTypeId.TIMESTAMP_S:
      return (value) => (value as DuckDBTimestampSecondsValue).seconds * NANOS_PER_SECOND;
    case DuckDBTypeId.DATE:
      return (value) =>
        BigInt((value as DuckDBDateValue).days) * SECONDS_PER_DAY * NANOS_PER_SECOND;
    default:
      return undefined;
  }
}

function compileInteger(
  type: DuckDBType,
  check: (value: number | bigint) => number | bigint | undefined,
): ScalarReader | undefined {
  if (isIntegerType(type)) {
    return (value) => check(value as number | bigint);
  }
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return (value) => (value === true ? 1 : 0);
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return (value) =>
        Number.isFinite(value) ? check(BigInt(Math.trunc(value as number))) : undefined;
    case DuckDBTypeId.DECIMAL:
      return (value) => {
        const decimal = value as DuckDBDecimalValue;
        return check(decimal.value / 10n ** BigInt(decimal.scale));
      };
    case DuckDBTypeId.VARCHAR:
    case DuckDBTypeId.ENUM:
      return (value) => {
        const integer = parseInteger(value as string);
        return integer === undefined ? undefined : check(integer);
      };
    default:
      return undefined;
  }
}

function compileFloat(type: DuckDBType): ScalarReader | undefined {
  if (isIntegerType(type)) {
    return Number;
  }
  switch (type.typeId) {
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return (value) => value as number;
    case DuckDBTypeId.DECIMAL:
      return (value) => {
        const decimal = value as DuckDBDecimalValue;
        return Number(pythonDecimal(decimal.value, decimal.scale));
      };
    case DuckDBTypeId.VARCHAR:
    case DuckDBTypeId.ENUM:
      return (value) => parseFloatText(value as string);
    default:
      return undefined;
  }
}

function compileBool(type: DuckDBType): ScalarReader | undefined {
  if (isIntegerType(type)) {
    return (value) => Number(value) !== 0;
  }
  if (type.typeId === DuckDBTypeId.BOOLEAN) {
    return (value) => value as boolean;
  }
  return isTextType(type) ? (value) => parseBool(value as string) : undefined;
}

/** `undefined` for bytes, lists and structures: Feast writes their Python spelling or nothing, which nobody means. */
function compileText(type: DuckDBType): ScalarReader | undefined {
  if (isIntegerType(type)) {
    return (value) => (value as number | bigint).toString();
  }
  switch (type.typeId) {
    case DuckDBTypeId.VARCHAR:
    case DuckDBTypeId.ENUM:
      return (value) => value as string;
    case DuckDBTypeId.BOOLEAN:
      return (value) => pythonBool(value as boolean);
    case DuckDBTypeId.FLOAT:
      return (value) => pythonFloat32(value as number);
    case DuckDBTypeId.DOUBLE:
      return (value) => pythonFloat(value as number);
    case DuckDBTypeId.DECIMAL:
      return (value) => {
        const decimal = value as DuckDBDecimalValue;
        return pythonDecimal(decimal.value, decimal.scale);
      };
    case DuckDBTypeId.UUID:
      return (value) => (value as DuckDBUUIDValue).toString();
    default:
      return compileMomentText(type);
  }
}

/** NumPy's spelling: ISO 8601 without zone, as many decimals as the unit of the column has. */
function compileMomentText(type: DuckDBType): ScalarReader | undefined {
  const nanos = momentNanosReader(type);
  if (nanos === undefined) {
    return undefined;
  }
  const decimals = type.typeId === DuckDBTypeId.TIMESTAMP_NS ? 9 : 6;
  return (value) => {
    const timestampNs = nanos(value);
    const seconds = floorDivide(timestampNs, NANOS_PER_SECOND);
    const text = new Date(Number(seconds) * 1000).toISOString();
    if (type.typeId === DuckDBTypeId.DATE) {
      return text.slice(0, 10);
    }
    const fraction = (timestampNs - seconds * NANOS_PER_SECOND).toString().padStart(9, '0');
    return `${text.slice(0, 19)}.${fraction.slice(0, decimals)}`;
  };
}

function compileTimestamp(type: DuckDBType): ScalarReader | undefined {
  const nanos = momentNanosReader(type);
  if (nanos !== undefined) {
    return (value) => floorDivide(nanos(value), NANOS_PER_SECOND);
  }
  if (isIntegerType(type)) {
    return compileInteger(type, (value) =>
      value >= INT64_MIN && value <= INT64_MAX ? value : undefined,
    );
  }
  return isTextType(type) ? (value) => parseSeconds(value as string) : undefined;
}

function compileVerbatim(type: DuckDBType): ScalarReader | undefined {
  return isTextType(type) ? (value) => value as string : undefined;
}
