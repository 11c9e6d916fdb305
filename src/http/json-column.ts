import type { Buffer } from 'node:buffer';
import type { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { MAX_VARINT_BYTES, writeVarint, writeVarintHalves } from '../feast-encoding/varint.ts';
import { WireType } from '../feast-encoding/wire.ts';
import type { PlainValue } from '../ingestion/plain-value.ts';
import type { ValueEncoder } from '../ingestion/value-encoder.ts';
import type { FrameColumn } from '../ingestion/write-frame.ts';
import { createJsonScalar, JsonKind } from './json-scalar.ts';
import { readTree } from './json-tree.ts';
import { opensStructure, readScalar, writeString } from './read-json-scalar.ts';

/** Looked at as soon as it is read. */
const scalar = createJsonScalar();

/** A column of a `df`: where the value of each row begins in a checked text. */
export class JsonColumn implements FrameColumn {
  private readonly text: Buffer;
  private readonly starts: Int32Array;

  constructor(text: Buffer, starts: Int32Array) {
    this.text = text;
    this.starts = starts;
  }

  isNull(row: number): boolean {
    if (!this.read(row)) return false;
    return (
      scalar.kind === JsonKind.NULL ||
      (scalar.kind === JsonKind.FLOAT && Number.isNaN(scalar.float))
    );
  }

  append(out: GrowingBytes, row: number, encoder: ValueEncoder): boolean {
    if (this.read(row)) {
      if (scalar.kind === JsonKind.NULL) return true;
      if (this.appendScalar(out, encoder.storedType)) return true;
    }
    return encoder.appendPlain(out, this.plain(row));
  }

  plain(row: number): PlainValue {
    return readTree(this.text, this.starts[row]!);
  }

  unixSeconds(): undefined {
    return undefined;
  }

  losesAsKey(row: number, valueType: number): boolean {
    if (!this.read(row)) return false;
    const { kind, float } = scalar;
    const isFraction = kind === JsonKind.FLOAT && !Number.isNaN(float) && !Number.isInteger(float);
    return (isFraction && valueType !== ValueType.STRING) || kind === JsonKind.BOOL;
  }

  /** Whether the value of a row is a scalar, which is read then. */
  private read(row: number): boolean {
    const at = this.starts[row]!;
    if (opensStructure(this.text[at]!)) return false;
    readScalar(this.text, at, scalar);
    return true;
  }

  /** Appends the scalar that was read where it is what the type is in JSON; `false` = it is something else. */
  private appendScalar(out: GrowingBytes, type: number): boolean {
    const { kind, low, high } = scalar;
    switch (type) {
      case ValueType.INT32:
        return kind === JsonKind.INTEGER && high === low >> 31 && appendInteger(out, type);
      case ValueType.INT64:
        return kind === JsonKind.INTEGER && appendInteger(out, type);
      case ValueType.DOUBLE:
      case ValueType.FLOAT:
        if (kind === JsonKind.INTEGER) scalar.float = high * 2 ** 32 + (low >>> 0);
        return (kind === JsonKind.INTEGER || kind === JsonKind.FLOAT) && appendFloat(out, type);
      case ValueType.BOOL:
        if (kind !== JsonKind.BOOL) return false;
        out.reserve(2);
        out.bytes[out.at++] = ValueType.BOOL << 3;
        out.bytes[out.at++] = low;
        return true;
      case ValueType.STRING:
        if (kind !== JsonKind.STRING) return false;
        out.reserve(1 + MAX_VARINT_BYTES + scalar.byteLength);
        out.bytes[out.at++] = (ValueType.STRING << 3) | WireType.BYTES;
        out.at = writeVarint(out.bytes, out.at, scalar.byteLength);
        out.at = writeString(out.bytes, out.at, this.text, scalar);
        return true;
      default:
        return false;
    }
  }
}

function appendInteger(out: GrowingBytes, type: number): true {
  out.reserve(1 + MAX_VARINT_BYTES);
  out.bytes[out.at++] = type << 3;
  out.at = writeVarintHalves(out.bytes, out.at, scalar.low, scalar.high);
  return true;
}

/** NaN is a null. */
function appendFloat(out: GrowingBytes, type: number): true {
  if (Number.isNaN(scalar.float)) return true;
  out.reserve(1 + 8);
  if (type === ValueType.DOUBLE) {
    out.bytes[out.at] = (ValueType.DOUBLE << 3) | WireType.FIXED64;
    out.at = out.bytes.writeDoubleLE(scalar.float, out.at + 1);
  } else {
    out.bytes[out.at] = (ValueType.FLOAT << 3) | WireType.FIXED32;
    out.at = out.bytes.writeFloatLE(scalar.float, out.at + 1);
  }
  return true;
}
