import { copyBytes } from '../feast-encoding/copy-bytes.ts';
import { EncodingError } from '../feast-encoding/encoding-error.ts';
import { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import type { FeatureValue, ScalarValue, TypedValue } from '../feast-encoding/typed-value.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { appendTypedValue } from '../feast-encoding/value-writer.ts';
import { skipVarint } from '../feast-encoding/varint.ts';
import { SET_ELEMENTS } from './list-elements.ts';
import { compilePlainReader } from './plain-conversion.ts';
import { isMissing, toPlain } from './plain-value.ts';
import type { PlainValue } from './plain-value.ts';
import { distinct } from './tree-reader.ts';

/** Encodes values of a frame as `feast.types.Value`s of one declared type. */
export interface ValueEncoder {
  /** The type that is written, which for PDFs and images is BYTES. */
  readonly storedType: number;
  /** Appends a value, nothing for a null; false = it does not fit, and nothing is appended. */
  appendPlain(out: GrowingBytes, value: PlainValue): boolean;
  /** The same for what stands at `[start, end)`: a well-formed `Value` of any type. */
  appendTyped(out: GrowingBytes, bytes: Uint8Array, start: number, end: number): boolean;
}

/** PDFs and images have types of their own in Python alone; their values are bytes. */
function storedTypeOf(valueType: number): number {
  return valueType === ValueType.PDF_BYTES || valueType === ValueType.IMAGE_BYTES
    ? ValueType.BYTES
    : valueType;
}

export function compileValueEncoder(valueType: number): ValueEncoder {
  const type = storedTypeOf(valueType);
  const readPlain = compilePlainReader(valueType);
  const appendPlain = (out: GrowingBytes, value: PlainValue): boolean => {
    if (isMissing(value)) return true;
    const form = readPlain(value);
    return form !== undefined && append(out, type, form);
  };
  return {
    storedType: type,
    appendPlain,
    appendTyped(out, bytes, start, end) {
      if (isCanonicalScalar(type, bytes, start, end)) {
        if (isNan(type, bytes, start)) return true;
        out.reserve(end - start);
        out.at = copyBytes(out.bytes, out.at, bytes, start, end);
        return true;
      }
      const typed = readValue(bytes.subarray(start, end));
      const same = convertAlike(typed, type);
      if (same !== undefined) return Number.isNaN(same) || append(out, type, same);
      const plain = toPlain(typed);
      return plain !== undefined && appendPlain(out, plain);
    },
  };
}

/** Looked at as soon as it is written. */
const scratch = new GrowingBytes();
const MAX_KEPT_BYTES = 64 * 1024;

/** The bytes that `appendPlain` appends; `undefined` = the value does not fit. */
export function encodePlain(encoder: ValueEncoder, value: PlainValue): Uint8Array | undefined {
  scratch.clear(MAX_KEPT_BYTES);
  return encoder.appendPlain(scratch, value)
    ? new Uint8Array(scratch.bytes.subarray(0, scratch.at))
    : undefined;
}

/** Half a surrogate pair in a text has no UTF-8, and text inside of JSON may spell one. */
function append(out: GrowingBytes, type: number, form: FeatureValue): boolean {
  const { at } = out;
  try {
    appendTypedValue(out, { type, value: form });
    return true;
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    out.at = at;
    return false;
  }
}

/** The value for a type that holds the same things: itself, maps and structs, lists of values and sets of values. */
function convertAlike({ type, value }: TypedValue, declared: number): FeatureValue | undefined {
  // Documents are checked to be JSON, as text is.
  const isDocument = declared === ValueType.JSON || declared === ValueType.JSON_LIST;
  if (value === null || isDocument || (type !== declared && ALIKE[type] !== declared)) {
    return undefined;
  }
  return SET_ELEMENTS.has(declared) ? distinct(value as readonly ScalarValue[]) : value;
}

const ALIKE: Readonly<Record<number, number>> = {
  [ValueType.MAP]: ValueType.STRUCT,
  [ValueType.STRUCT]: ValueType.MAP,
  [ValueType.MAP_LIST]: ValueType.STRUCT_LIST,
  [ValueType.STRUCT_LIST]: ValueType.MAP_LIST,
  [ValueType.VALUE_LIST]: ValueType.VALUE_SET,
  [ValueType.VALUE_SET]: ValueType.VALUE_LIST,
};

/** Whether the bytes are exactly what Feast writes for a scalar of this type, so that they can be stored as they are. */
function isCanonicalScalar(type: number, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  switch (type) {
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      return isCanonicalInteger(type, bytes, start, end);
    case ValueType.INT32:
      // Up to 28 bits and no sign.
      return length <= 5 && isCanonicalInteger(type, bytes, start, end);
    case ValueType.BOOL:
      return length === 2 && bytes[start] === 0x38 && bytes[start + 1]! <= 1;
    case ValueType.DOUBLE:
      return length === 9 && bytes[start] === 0x29;
    case ValueType.FLOAT:
      return length === 5 && bytes[start] === 0x35;
    case ValueType.STRING:
    case ValueType.BYTES:
      return (
        length >= 2 &&
        length < 0x82 &&
        bytes[start] === ((type << 3) | 2) &&
        bytes[start + 1] === length - 2
      );
    default:
      return false;
  }
}

/** One varint, of as few bytes as may be. */
function isCanonicalInteger(type: number, bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start >= 2 &&
    bytes[start] === type << 3 &&
    skipVarint(bytes, start + 1, end) === end &&
    (end - start === 2 || bytes[end - 1] !== 0)
  );
}

/** Whether the canonical bytes of a DOUBLE or FLOAT at `start` are those of NaN. */
function isNan(type: number, bytes: Uint8Array, start: number): boolean {
  if (type === ValueType.DOUBLE) {
    return (
      (bytes[start + 8]! & 0x7f) === 0x7f &&
      bytes[start + 7]! >= 0xf0 &&
      ((bytes[start + 7]! & 0x0f) |
        bytes[start + 6]! |
        bytes[start + 5]! |
        bytes[start + 4]! |
        bytes[start + 3]! |
        bytes[start + 2]! |
        bytes[start + 1]!) !==
        0
    );
  }
  return (
    type === ValueType.FLOAT &&
    (bytes[start + 4]! & 0x7f) === 0x7f &&
    bytes[start + 3]! >= 0x80 &&
    ((bytes[start + 3]! & 0x7f) | bytes[start + 2]! | bytes[start + 1]!) !== 0
  );
}
