import type { FeatureValue, TypedValue } from '../feast-encoding/typed-value.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { compilePlainReader } from '../ingestion/plain-conversion.ts';
import { toPlain } from '../ingestion/plain-value.ts';

/** How values become those of a column of type `valueType`, which they may not be sent as; `undefined` = they do not fit. */
export function compileInputReader(
  valueType: number,
): (typed: TypedValue) => FeatureValue | undefined {
  const read = compilePlainReader(valueType);
  // Pushes cut the fraction off, as Feast does; an input without it would be another one.
  const isInteger = valueType === ValueType.INT32 || valueType === ValueType.INT64;
  return (typed) => {
    if (typed.type === valueType) return typed.value;
    if (typed.value === null) return null;
    const plain = toPlain(typed);
    if (plain === undefined || plain === null) return undefined;
    if (isInteger && typeof plain === 'number' && !Number.isInteger(plain)) return undefined;
    return read(plain);
  };
}
