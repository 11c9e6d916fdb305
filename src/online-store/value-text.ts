import type { TypedValue } from '../feast-encoding/typed-value.ts';
import { ValueType } from '../feast-encoding/value-type.ts';

/**
 * The text that Feast puts into `value_text` of its SQLite layout: strings as they are, numbers and booleans as Python's
 * `str` prints them, `null` for everything else.
 */
export function valueText({ type, value }: TypedValue): string | null {
  switch (type) {
    case ValueType.STRING:
      return value as string;
    case ValueType.INT32:
    case ValueType.INT64:
      return (value as number | bigint).toString();
    case ValueType.BOOL:
      return value === true ? 'True' : 'False';
    case ValueType.DOUBLE:
    case ValueType.FLOAT:
      return pythonFloat(value as number);
    default:
      return null;
  }
}

/** The number that Feast puts into `value_num` where a table has that part; `null` for what is no number. */
export function valueNumber({ type, value }: TypedValue): number | null {
  switch (type) {
    case ValueType.INT32:
    case ValueType.INT64:
    case ValueType.DOUBLE:
    case ValueType.FLOAT:
      return Number(value);
    default:
      return null;
  }
}

/**
 * A double as Python's `repr` prints it: the shortest digits that read back, with an exponent of two digits at least from
 * 1e16 on and below 1e-4, otherwise with a point. JavaScript has the same digits and other limits.
 */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) {
    return 'nan';
  }
  if (!Number.isFinite(value)) {
    return value > 0 ? 'inf' : '-inf';
  }
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const [mantissa, exponentText] = Math.abs(value).toExponential().split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  const exponent = Number(exponentText);
  if (exponent >= 16 || exponent < -4) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    const size = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${size}`;
  }
  if (exponent < 0) {
    return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  }
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`;
}
