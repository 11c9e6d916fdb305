import { EncodingError } from '../feast-encoding/encoding-error.ts';
import type { FeatureValue, ScalarValue, TypedValue } from '../feast-encoding/typed-value.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { writeValue } from '../feast-encoding/value-writer.ts';
import { skipVarint } from '../feast-encoding/varint.ts';
import { SET_ELEMENTS } from './list-elements.ts';
import { compilePlainReader } from './plain-conversion.ts';
import { isMissing, toPlain } from './plain-value.ts';
import type { PlainValue } from './plain-value.ts';
import { distinct } from './tree-reader.ts';

/** Encodes values of a frame as `feast.types.Value`s of one declared type; empty = null, `undefined` = it does not fit. */
export interface ValueEncoder {
  readonly fromPlain: (value: PlainValue) => Uint8Array | undefined;
  /** @param bytes a well-formed `Value` of any type. */
  readonly fromTyped: (bytes: Uint8Array) => Uint8Array | undefined;
}

const NULL_BYTES = new Uint8Array(0);

/** PDFs and images have types of their own in Python alone; their values are bytes. */
function storedTypeOf(valueType: number): number {
  return valueType === ValueType.PDF_BYTES || valueType === ValueType.IMAGE_BYTES
    ? ValueType.BYTES
    : valueType;
}

export function compileValueEncoder(valueType: number): ValueEncoder {
  const type = storedTypeOf(valueType);
  const readPlain = compilePlainReader(valueType);
  const fromPlain = (value: PlainValue): Uint8Array | undefined => {
    if (isMissing(value)) {
      return NULL_BYTES;
    }
    const form = readPlain(value);
    return form === undefined ? undefined : write(type, form);
  };
  return {
    fromPlain,
    fromTyped(bytes) {
      if (isCanonicalScalar(type, bytes)) {
        return isNan(type, bytes) ? NULL_BYTES : bytes;
      }
      const typed = readValue(bytes);
      const same = convertAlike(typed, type);
      if (same !== undefined) {
        return Number.isNaN(same) ? NULL_BYTES : write(type, same);
      }
      const plain = toPlain(typed);
      return plain === undefined ? undefined : fromPlain(plain);
    },
  };
}

/** Half a surrogate pair in a text has no UTF-8, and text inside of JSON may spell one. */
function write(type: number, form: FeatureValue): Uint8Array | undefined {
  try {
    return writeValue(type, form);
  } catch (error) {
    if (error instanceof EncodingError) {
      return undefined;
    }
    throw error;
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
function isCanonicalScalar(type: number, bytes: Uint8Array): boolean {
  const { length } = bytes;
  switch (type) {
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      return (
        bytes[0] === type << 3 &&
        skipVarint(bytes, 1, length) === length &&
        (length === 2 || bytes[length - 1] !== 0)
      );
    case ValueType.INT32:
      // Up to 28 bits and no sign.
      return (
        bytes[0] === 0x18 &&
        length <= 5 &&
        skipVarint(bytes, 1, length) === length &&
        (length === 2 || bytes[length - 1] !== 0)
      );
    case ValueType.BOOL:
      return bytes[0] === 0x38 && length === 2 && bytes[1]! <= 1;
    case ValueType.DOUBLE:
      return bytes[0] === 0x29 && length === 9;
    case ValueType.FLOAT:
      return bytes[0] === 0x35 && length === 5;
    case ValueType.STRING:
    case ValueType.BYTES:
      return bytes[0] === ((type << 3) | 2) && length < 0x82 && bytes[1] === length - 2;
    default:
      return false;
  }
}

/** Whether the canonical bytes of a DOUBLE or FLOAT are those of NaN. */
function isNan(type: number, bytes: Uint8Array): boolean {
  if (type === ValueType.DOUBLE) {
    return (
      (bytes[8]! & 0x7f) === 0x7f &&
      bytes[7]! >= 0xf0 &&
      ((bytes[7]! & 0x0f) |
        bytes[6]! |
        bytes[5]! |
        bytes[4]! |
        bytes[3]! |
        bytes[2]! |
        bytes[1]!) !==
        0
    );
  }
  return (
    type === ValueType.FLOAT &&
    (bytes[4]! & 0x7f) === 0x7f &&
    bytes[3]! >= 0x80 &&
    ((bytes[3]! & 0x7f) | bytes[2]! | bytes[1]!) !== 0
  );
}
