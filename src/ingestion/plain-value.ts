import type {
  ScalarValue,
  TypedValue,
  ValueMap,
  ZonedTimestamp,
} from '../feast-encoding/typed-value.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { readAll } from './list-elements.ts';
import type { JsonTree } from './python-text.ts';

/**
 * A value as it comes in a write, before it is read as the type of its feature: what JSON has (bigint = an integer, number =
 * a float, objects as entries), and bytes.
 */
export type PlainValue = JsonTree | Uint8Array;

/** Whether a value says that there is none: null, and NaN as pandas has it. */
export function isMissing(value: PlainValue): boolean {
  return value === null || Number.isNaN(value);
}

/** The plain form of a value that was sent with a type; `undefined` where it has none (scalar maps, bytes inside of maps). */
export function toPlain({ type, value }: TypedValue): PlainValue | undefined {
  if (value === null) {
    return null;
  }
  switch (type) {
    case ValueType.SCALAR_MAP:
      return undefined;
    case ValueType.MAP:
    case ValueType.STRUCT:
      return mapTree(value as ValueMap);
    case ValueType.MAP_LIST:
    case ValueType.STRUCT_LIST:
      return readAll(value as readonly ValueMap[], mapTree);
    case ValueType.VALUE_LIST:
    case ValueType.VALUE_SET:
      return readAll(value as readonly TypedValue[], toTree);
    case ValueType.ZONED_TIMESTAMP:
      return zonedText(value as ZonedTimestamp);
    case ValueType.BYTES:
      return value as Uint8Array;
    default:
      return Array.isArray(value)
        ? readAll(value as readonly ScalarValue[], (item) => scalarTree(item, elementIsFloat(type)))
        : scalarTree(value as ScalarValue, type === ValueType.DOUBLE || type === ValueType.FLOAT);
  }
}

function elementIsFloat(listType: number): boolean {
  switch (listType) {
    case ValueType.DOUBLE_LIST:
    case ValueType.FLOAT_LIST:
    case ValueType.DOUBLE_SET:
    case ValueType.FLOAT_SET:
      return true;
    default:
      return false;
  }
}

/** INT32 comes as a number. */
function scalarTree(value: ScalarValue, isFloat: boolean): JsonTree | undefined {
  if (value instanceof Uint8Array) {
    return undefined;
  }
  return typeof value === 'number' && !isFloat ? BigInt(value) : value;
}

function toTree(typed: TypedValue): JsonTree | undefined {
  const plain = toPlain(typed);
  return plain instanceof Uint8Array ? undefined : plain;
}

function mapTree(map: ValueMap): JsonTree | undefined {
  const entries: [string, JsonTree][] = [];
  for (const [name, item] of map) {
    const tree = toTree(item);
    if (tree === undefined) {
      return undefined;
    }
    entries.push([name, tree]);
  }
  return { entries };
}

function zonedText({ unixSeconds }: ZonedTimestamp): string | undefined {
  const date = new Date(Number(unixSeconds) * 1000);
  return Number.isNaN(date.getTime()) ? undefined : `${date.toISOString().slice(0, 19)}Z`;
}
