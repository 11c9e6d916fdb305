import type { FeatureValue, TypedValue } from '../feast-encoding/typed-value.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { pythonNumberText } from './python-number-text.ts';

const INT32_LIMIT = 0x8000_0000n;
const INT64_LIMIT = 0x8000_0000_0000_0000n;

const DECIMAL_DIGITS = /^-?\d+$/;
/** What Python's `int` takes: also a plus sign, white space around, single underscores between digits, digits of any script. */
const PYTHON_INTEGER = /^\s*([+-]?)(\p{Nd}+(?:_\p{Nd}+)*)\s*$/u;

/**
 * Converts an entity value to the type that its join key is declared with, where that loses nothing: integers among each
 * other and from whole floating-point numbers, integers from plain decimal digits, numbers and text types to text.
 *
 * @param targetType STRING, BYTES, INT32, INT64 or UNIX_TIMESTAMP.
 * @param lossy also what Python would do: 1001.7 → 1001, true → 1 or "True", "1_001" → 1001.
 * @returns the value for `writeValue(targetType, …)`; `undefined` where it cannot be converted.
 */
export function coerceEntityValue(
  typed: TypedValue,
  targetType: number,
  lossy: boolean,
): FeatureValue | undefined {
  switch (targetType) {
    case ValueType.STRING:
      return toText(typed, lossy);
    case ValueType.INT32: {
      const integer = toInteger(typed, lossy);
      if (integer === undefined || integer < -INT32_LIMIT || integer >= INT32_LIMIT)
        return undefined;
      return Number(integer);
    }
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP: {
      const integer = toInteger(typed, lossy);
      if (integer === undefined || integer < -INT64_LIMIT || integer >= INT64_LIMIT)
        return undefined;
      return integer;
    }
    default:
      return typed.type === targetType ? typed.value : undefined;
  }
}

/** Whether a value that `coerceEntityValue` does not convert is an integer beyond what its target type holds. */
export function isOutOfRange(typed: TypedValue, targetType: number): boolean {
  switch (targetType) {
    case ValueType.INT32:
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      // Integers of JSON beyond 64 bits come as text.
      return typed.type === ValueType.STRING
        ? DECIMAL_DIGITS.test(typed.value as string)
        : toInteger(typed, false) !== undefined;
    default:
      return false;
  }
}

function toInteger({ type, value }: TypedValue, lossy: boolean): bigint | undefined {
  switch (type) {
    case ValueType.INT32:
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      return BigInt(value as number | bigint);
    case ValueType.DOUBLE:
    case ValueType.FLOAT: {
      const number = value as number;
      if (!Number.isFinite(number) || (!lossy && !Number.isInteger(number))) return undefined;
      return BigInt(Math.trunc(number));
    }
    case ValueType.STRING:
      return integerFromText(value as string, lossy);
    case ValueType.BOOL:
      return lossy ? BigInt(value as boolean) : undefined;
    default:
      return undefined;
  }
}

function integerFromText(text: string, lossy: boolean): bigint | undefined {
  // 40 digits are beyond every type; longer text would only cost time.
  if (text.length > 40) return undefined;
  if (DECIMAL_DIGITS.test(text)) return BigInt(text);
  const match = lossy ? PYTHON_INTEGER.exec(text) : null;
  if (match === null) return undefined;
  const digits = BigInt(match[2]!.replaceAll('_', '').replace(/[^0-9]/gu, decimalDigit));
  return match[1] === '-' ? -digits : digits;
}

/** The ASCII digit for one of another script: ten stand in a row everywhere, and rows may follow each other. */
function decimalDigit(digit: string): string {
  const codePoint = digit.codePointAt(0)!;
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(codePoint - before - 1))) before++;
  return String(before % 10);
}

function toText({ type, value }: TypedValue, lossy: boolean): string | undefined {
  switch (type) {
    case ValueType.STRING:
    case ValueType.UUID:
    case ValueType.TIME_UUID:
    case ValueType.DECIMAL:
      return value as string;
    case ValueType.INT32:
    case ValueType.INT64:
      return (value as number | bigint).toString();
    case ValueType.DOUBLE:
    case ValueType.FLOAT:
      return Number.isFinite(value) ? pythonNumberText(value as number) : undefined;
    case ValueType.BOOL:
      if (!lossy) return undefined;
      return value === true ? 'True' : 'False';
    default:
      return undefined;
  }
}
