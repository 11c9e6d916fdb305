import { isAscii, type Buffer } from 'node:buffer';
import type { TypedValue } from '../feast-encoding/typed-value.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { skipVarint, varintLow32 } from '../feast-encoding/varint.ts';
import { WireType } from '../feast-encoding/wire.ts';

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

const STRING_TAG = (ValueType.STRING << 3) | WireType.BYTES;
const INT64_TAG = ValueType.INT64 << 3;
const DOUBLE_TAG = (ValueType.DOUBLE << 3) | WireType.FIXED64;
const DOUBLE_BYTES = 8;
const SHORT_LENGTH = 0x80;

/**
 * What `valueText` gives for an encoded `feast.types.Value`. Short strings, int64s and doubles that are all there is of it are read
 * where they are.
 *
 * @throws EncodingError as `readValue`
 */
export function storedText(bytes: Buffer): string | null {
  switch (bytes[0]) {
    case STRING_TAG:
      if (bytes[1]! < SHORT_LENGTH && bytes.length === 2 + bytes[1]! && isAscii(bytes)) {
        return bytes.toString('latin1', 2);
      }
      break;
    case INT64_TAG:
      if (
        bytes.length > 1 &&
        bytes.length <= 5 &&
        skipVarint(bytes, 1, bytes.length) === bytes.length
      ) {
        return String(varintLow32(bytes, 1));
      }
      break;
    case DOUBLE_TAG:
      if (bytes.length === 1 + DOUBLE_BYTES) {
        return pythonFloat(bytes.readDoubleLE(1));
      }
      break;
    default:
  }
  return valueText(readValue(bytes));
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
  const magnitude = Math.abs(value);
  if (magnitude === 0) {
    return Object.is(value, -0) ? '-0.0' : '0.0';
  }
  if (magnitude >= 1e-4 && magnitude < 1e16) {
    const text = String(value);
    return Number.isInteger(value) ? `${text}.0` : text;
  }
  const [mantissa, exponentText] = value.toExponential().split('e') as [string, string];
  const exponent = Number(exponentText);
  const size = String(Math.abs(exponent)).padStart(2, '0');
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${size}`;
}
