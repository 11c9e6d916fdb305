import type { ColumnKind } from '../definitions/column-types.ts';
import { EncodingError } from '../feast-encoding/encoding-error.ts';
import type { FeatureValue, ScalarValue } from '../feast-encoding/typed-value.ts';
import { writeValue } from '../feast-encoding/value-writer.ts';

/** As far as dates of JavaScript go. */
const MAX_SECONDS = 8_640_000_000_000n;
const NULL_BYTES = new Uint8Array(0);

/** A value as a function in TypeScript gets it. Moments are `Date`s; Feast's "no time" is none. */
export function toColumnValue(kind: ColumnKind, value: FeatureValue): unknown {
  if (kind.item !== 'moment' || value === null) return value;
  return kind.isList ? (value as readonly ScalarValue[]).map(toDate) : toDate(value as ScalarValue);
}

function toDate(seconds: ScalarValue): Date | null {
  return typeof seconds === 'bigint' && seconds <= MAX_SECONDS && seconds >= -MAX_SECONDS
    ? new Date(Number(seconds) * 1000)
    : null;
}

/**
 * Encodes what a function gave as the type that its view declares: no value is bent to fit.
 *
 * @returns empty = null (which NaN is too); `undefined` = it does not fit.
 */
export function encodeColumnValue(
  kind: ColumnKind,
  valueType: number,
  given: unknown,
): Uint8Array | undefined {
  if (given === null || given === undefined || Number.isNaN(given)) return NULL_BYTES;
  const value = kind.isList ? readList(kind, given) : readScalar(kind.item, given);
  if (value === undefined) return undefined;
  try {
    return writeValue(valueType, value);
  } catch (error) {
    if (error instanceof EncodingError) return undefined;
    throw error;
  }
}

function readList({ item }: ColumnKind, given: unknown): readonly ScalarValue[] | undefined {
  if (!Array.isArray(given)) return undefined;
  const list: ScalarValue[] = [];
  for (const each of given as readonly unknown[]) {
    const value = readScalar(item, each);
    if (value === undefined) return undefined;
    list.push(value);
  }
  return list;
}

function readScalar(item: ColumnKind['item'], given: unknown): ScalarValue | undefined {
  switch (item) {
    case 'bigint': {
      const integer = Number.isSafeInteger(given) ? BigInt(given as number) : given;
      return typeof integer === 'bigint' && BigInt.asIntN(64, integer) === integer
        ? integer
        : undefined;
    }
    case 'int32':
      return typeof given === 'number' && (given | 0) === given ? given | 0 : undefined;
    case 'float':
      return typeof given === 'number' ? given : undefined;
    case 'boolean':
      return typeof given === 'boolean' ? given : undefined;
    case 'text':
      return typeof given === 'string' ? given : undefined;
    case 'json':
      return typeof given === 'string' && isJson(given) ? given : undefined;
    case 'bytes':
      return given instanceof Uint8Array ? given : undefined;
    case 'moment':
      return given instanceof Date && !Number.isNaN(given.getTime())
        ? BigInt(Math.floor(given.getTime() / 1000))
        : undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
