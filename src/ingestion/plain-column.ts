import type { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { isMissing, type PlainValue } from './plain-value.ts';
import type { ValueEncoder } from './value-encoder.ts';
import type { FrameColumn } from './write-frame.ts';

/** A column of values that were read before. */
export class PlainColumn implements FrameColumn {
  private readonly values: readonly PlainValue[];

  constructor(values: readonly PlainValue[]) {
    this.values = values;
  }

  isNull(row: number): boolean {
    return isMissing(this.values[row]!);
  }

  append(out: GrowingBytes, row: number, encoder: ValueEncoder): boolean {
    return encoder.appendPlain(out, this.values[row]!);
  }

  plain(row: number): PlainValue {
    return this.values[row]!;
  }

  unixSeconds(): undefined {
    return undefined;
  }

  losesAsKey(row: number, valueType: number): boolean {
    return plainLosesAsKey(this.values[row]!, valueType);
  }
}

/** As `FrameColumn.losesAsKey`, of a value. */
export function plainLosesAsKey(value: PlainValue, valueType: number): boolean {
  const isFraction = typeof value === 'number' && !Number.isNaN(value) && !Number.isInteger(value);
  return (isFraction && valueType !== ValueType.STRING) || typeof value === 'boolean';
}
