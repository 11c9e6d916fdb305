import { Buffer } from 'node:buffer';
import { EncodingError } from './encoding-error.ts';
import { GrowingBytes } from './growing-bytes.ts';
import { FieldKind, itemType, memberKind, wireTypeOfKind } from './value-schema.ts';
import { ValueType, valueTypeName } from './value-type.ts';
import { MAX_VARINT_BYTES, varintSize, writeVarint, writeVarint64 } from './varint.ts';
import { WireType } from './wire.ts';

const INT32_LIMIT = 0x8000_0000n;
const INT64_LIMIT = 0x8000_0000_0000_0000n;

/** One field: tag, length where the wire type has one, payload. */
export function field(number: number, wireType: number, payload: Uint8Array): Uint8Array {
  const tag = (number << 3) | wireType;
  const lengthSize = wireType === WireType.BYTES ? varintSize(payload.length) : 0;
  const out = new Uint8Array(varintSize(tag) + lengthSize + payload.length);
  let at = writeVarint(out, 0, tag);
  if (lengthSize > 0) {
    at = writeVarint(out, at, payload.length);
  }
  out.set(payload, at);
  return out;
}

/** The field of a scalar with its tag. @throws EncodingError where `value` is not of `type` */
export function scalarField(type: number, value: unknown): Uint8Array {
  if (memberKind(type) === FieldKind.BYTES) {
    return field(type, WireType.BYTES, scalarPayload(type, value));
  }
  scratch.clear(MAX_SCRATCH_BYTES);
  appendScalar(scratch, type, value);
  return Buffer.from(scratch.bytes.subarray(0, scratch.at));
}

const MAX_SCRATCH_BYTES = 64 * 1024;
const scratch = new GrowingBytes();

/** Writes the field of a scalar with its tag. @throws EncodingError where `value` is not of `type`; nothing is written then */
export function appendScalar(out: GrowingBytes, type: number, value: unknown): void {
  switch (memberKind(type)) {
    case FieldKind.VARINT:
      appendVarint(out, type, value);
      break;
    case FieldKind.FIXED64:
    case FieldKind.FIXED32:
      appendFloat(out, type, value);
      break;
    default:
      if (typeof value === 'string') appendText(out, type, value);
      else out.put(field(type, wireTypeOf(type), scalarPayload(type, value)));
  }
}

function appendVarint(out: GrowingBytes, type: number, value: unknown): void {
  out.reserve(2 * MAX_VARINT_BYTES);
  const { bytes } = out;
  let at = writeVarint(bytes, out.at, type << 3);
  if (type === ValueType.BOOL) {
    if (typeof value !== 'boolean') {
      throw unfit(type);
    }
    bytes[at++] = value ? 1 : 0;
  } else {
    at = writeInteger(bytes, at, type, value);
  }
  out.at = at;
}

function appendFloat(out: GrowingBytes, type: number, value: unknown): void {
  if (typeof value !== 'number') {
    throw unfit(type);
  }
  const isDouble = type === ValueType.DOUBLE;
  out.reserve(MAX_VARINT_BYTES + 8);
  const tag = (type << 3) | (isDouble ? WireType.FIXED64 : WireType.FIXED32);
  const at = writeVarint(out.bytes, out.at, tag);
  out.at = isDouble ? out.bytes.writeDoubleLE(value, at) : out.bytes.writeFloatLE(value, at);
}

/** Up to here a loop over the letters beats a native copy. */
const SHORT_TEXT = 32;

function appendText(out: GrowingBytes, type: number, value: string): void {
  // A lone surrogate has no UTF-8; Feast's serializer refuses it too.
  if (type === ValueType.BYTES || !value.isWellFormed()) {
    throw unfit(type);
  }
  const tag = (type << 3) | WireType.BYTES;
  const isShort = value.length <= SHORT_TEXT;
  out.reserve(2 * MAX_VARINT_BYTES + 3 * value.length);
  const { bytes } = out;
  const after = writeVarint(bytes, out.at, tag);
  if (isShort) {
    const end = writeAscii(bytes, after + 1, value);
    if (end >= 0) {
      bytes[after] = value.length;
      out.at = end;
      return;
    }
  }
  const at = writeVarint(bytes, after, Buffer.byteLength(value, 'utf8'));
  out.at = at + bytes.write(value, at, 'utf8');
}

/** Position after the text, or -1 where a letter is none of ASCII. */
function writeAscii(out: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    if (letter > 0x7f) {
      return -1;
    }
    out[at++] = letter;
  }
  return at;
}

/** Embeddings have thousands of numbers: one allocation for all. */
export function floatList(type: number, list: readonly unknown[]): Uint8Array {
  const isDouble = itemType(type) === ValueType.DOUBLE;
  const size = list.length * (isDouble ? 8 : 4);
  const inner = size === 0 ? 0 : 1 + varintSize(size) + size;
  const tag = (type << 3) | WireType.BYTES;
  const out = Buffer.allocUnsafe(varintSize(tag) + varintSize(inner) + inner);
  let at = writeVarint(out, writeVarint(out, 0, tag), inner);
  if (inner > 0) {
    at = writeVarint(out, writeVarint(out, at, (1 << 3) | WireType.BYTES), size);
  }
  for (const item of list) {
    if (typeof item !== 'number') {
      throw unfit(itemType(type));
    }
    at = isDouble ? out.writeDoubleLE(item, at) : out.writeFloatLE(item, at);
  }
  return out;
}

/** Payload of a scalar without tag and length. @throws EncodingError where `value` is not of `type`. */
export function scalarPayload(type: number, value: unknown): Uint8Array {
  switch (type) {
    case ValueType.BYTES:
      if (value instanceof Uint8Array) {
        return value;
      }
      break;
    case ValueType.INT32:
      return integerPayload(type, value);
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      return integerPayload(type, value);
    case ValueType.BOOL:
      if (typeof value === 'boolean') {
        return Uint8Array.of(value ? 1 : 0);
      }
      break;
    case ValueType.DOUBLE:
    case ValueType.FLOAT:
      if (typeof value === 'number') {
        return floatPayload(type, value);
      }
      break;
    default:
      // A lone surrogate has no UTF-8; Feast's serializer refuses it too.
      if (typeof value === 'string' && value.isWellFormed()) {
        return Buffer.from(value, 'utf8');
      }
  }
  throw unfit(type);
}

/** Appends a number as it stands in a packed list. */
export function appendPayload(out: GrowingBytes, type: number, value: unknown): void {
  if (type === ValueType.BOOL) {
    out.put(scalarPayload(type, value));
    return;
  }
  out.reserve(MAX_VARINT_BYTES);
  out.at = writeInteger(out.bytes, out.at, type, value);
}

function integerPayload(type: number, value: unknown): Uint8Array {
  const out = new Uint8Array(MAX_VARINT_BYTES);
  return out.subarray(0, writeInteger(out, 0, type, value));
}

function writeInteger(out: Uint8Array, at: number, type: number, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 0x7fff_ffff && Number.isInteger(value)) {
    return writeVarint(out, at, value);
  }
  if (typeof value === 'bigint') {
    // What is not in this range does not come into it by rounding.
    const rounded = Number(value);
    if (rounded >= 0 && rounded <= 0x7fff_ffff) {
      return writeVarint(out, at, rounded);
    }
  }
  const limit = type === ValueType.INT32 ? INT32_LIMIT : INT64_LIMIT;
  const integer =
    typeof value === 'bigint'
      ? value
      : typeof value === 'number' && Number.isSafeInteger(value)
        ? BigInt(value)
        : undefined;
  if (integer === undefined || integer < -limit || integer >= limit) {
    throw unfit(type);
  }
  return writeVarint64(out, at, integer);
}

function floatPayload(type: number, value: number): Uint8Array {
  const out = new DataView(new ArrayBuffer(type === ValueType.DOUBLE ? 8 : 4));
  if (type === ValueType.DOUBLE) {
    out.setFloat64(0, value, true);
  } else {
    out.setFloat32(0, value, true);
  }
  return new Uint8Array(out.buffer);
}

export function wireTypeOf(type: number): number {
  return wireTypeOfKind(memberKind(type));
}

export function unfit(type: number): EncodingError {
  return new EncodingError(`the value is no ${valueTypeName(type)}`);
}
