import type { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { createScannedValue, scanValue } from '../feast-encoding/value-scan.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { toPlain, type PlainValue } from './plain-value.ts';
import type { ValueEncoder } from './value-encoder.ts';
import type { FrameColumn } from './write-frame.ts';

/** Looked at as soon as it is written. */
const scanned = createScannedValue();

/** A column of encoded `feast.types.Value`s (checked to be such messages): row `i` is `bytes[starts[i], ends[i])`. */
export class TypedColumn implements FrameColumn {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;

  constructor(bytes: Uint8Array, starts: Int32Array, ends: Int32Array) {
    this.bytes = bytes;
    this.starts = starts;
    this.ends = ends;
  }

  /** A column of values that stand apart. */
  static of(values: readonly Uint8Array[]): TypedColumn {
    const starts = new Int32Array(values.length);
    const ends = new Int32Array(values.length);
    const single = values.length === 1 ? values[0] : undefined;
    const bytes = single ?? Buffer.concat(values);
    let at = 0;
    for (const [row, value] of values.entries()) {
      starts[row] = at;
      at += value.length;
      ends[row] = at;
    }
    return new TypedColumn(bytes, starts, ends);
  }

  isNull(row: number): boolean {
    const type = this.typeAt(row);
    return type === ValueType.INVALID || type === ValueType.NULL;
  }

  append(out: GrowingBytes, row: number, encoder: ValueEncoder): boolean {
    return encoder.appendTyped(out, this.bytes, this.starts[row]!, this.ends[row]!);
  }

  plain(row: number): PlainValue | undefined {
    return toPlain(readValue(this.valueAt(row)));
  }

  unixSeconds(row: number): number | undefined {
    if (this.typeAt(row) !== ValueType.UNIX_TIMESTAMP) return undefined;
    return scanned.high * 2 ** 32 + (scanned.low >>> 0);
  }

  losesAsKey(): boolean {
    return false;
  }

  /** The encoded value of a row. */
  valueAt(row: number): Uint8Array {
    return this.bytes.subarray(this.starts[row], this.ends[row]);
  }

  private typeAt(row: number): number {
    scanValue(this.bytes, this.starts[row]!, this.ends[row]!, scanned);
    return scanned.valueType;
  }
}
