import type { FeatureValue } from '../feast-encoding/typed-value.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { isJson, parseJson, readJsonMap } from './json-source.ts';
import { readAll } from './list-elements.ts';
import type { PlainValue } from './plain-value.ts';
import { pythonBool, pythonFloat, pythonJson } from './python-text.ts';
import type { JsonTree } from './python-text.ts';
import { isInt64, parseBool, parseFloatText, parseInteger, parseSeconds } from './text-scalars.ts';
import { compileTreeReader } from './tree-reader.ts';
import { readZonedText } from './zoned-text.ts';

/** Reads a plain value (never a missing one) as the declared type; `undefined` = it does not fit. */
export type PlainReader = (value: PlainValue) => FeatureValue | undefined;

const INT32_LIMIT = 0x8000_0000n;

/**
 * How plain values become values of type `valueType`, as Feast's push does it (`type_map.py`): integers from floats (the
 * fraction is cut), bools and digits; text from numbers and bools in Python's spelling; lists, maps and sets from JSON
 * structures, or from text that is JSON. Where Feast fails on a value that loses nothing (text as BOOL or DOUBLE, integers
 * in a list of floats) it is read; where it stores something else than what was sent (null for a list in a scalar column,
 * letters for a text in a list column) it does not fit.
 */
export function compilePlainReader(valueType: number): PlainReader {
  switch (valueType) {
    case ValueType.INT32:
      return (value) => {
        const integer = toInteger(value);
        return integer !== undefined && integer >= -INT32_LIMIT && integer < INT32_LIMIT
          ? integer
          : undefined;
      };
    case ValueType.INT64:
      return (value) => {
        const integer = toInteger(value);
        return integer !== undefined && isInt64(integer) ? integer : undefined;
      };
    case ValueType.FLOAT:
    case ValueType.DOUBLE:
      return toFloat;
    case ValueType.BOOL:
      return toBool;
    case ValueType.STRING:
      return toText;
    case ValueType.UNIX_TIMESTAMP:
      return toSeconds;
    case ValueType.UUID:
    case ValueType.TIME_UUID:
    case ValueType.DECIMAL:
      return (value) => (typeof value === 'string' ? value : undefined);
    case ValueType.BYTES:
    case ValueType.PDF_BYTES:
    case ValueType.IMAGE_BYTES:
      return (value) => (value instanceof Uint8Array ? value : undefined);
    case ValueType.JSON:
      return toJsonText;
    case ValueType.ZONED_TIMESTAMP:
      return (value) => (typeof value === 'string' ? readZonedText(value) : undefined);
    default:
      return compileStructureReader(valueType);
  }
}

function toInteger(value: PlainValue): bigint | undefined {
  switch (typeof value) {
    case 'bigint':
      return value;
    case 'number':
      return Number.isFinite(value) ? BigInt(Math.trunc(value)) : undefined;
    case 'boolean':
      return value ? 1n : 0n;
    case 'string':
      return parseInteger(value);
    default:
      return undefined;
  }
}

function toFloat(value: PlainValue): number | undefined {
  switch (typeof value) {
    case 'number':
      return value;
    case 'bigint':
    case 'boolean':
      return Number(value);
    case 'string':
      return parseFloatText(value);
    default:
      return undefined;
  }
}

function toBool(value: PlainValue): boolean | undefined {
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'bigint':
      return value !== 0n;
    case 'string':
      return parseBool(value);
    default:
      return undefined;
  }
}

function toText(value: PlainValue): string | undefined {
  switch (typeof value) {
    case 'string':
      return value;
    case 'bigint':
      return value.toString();
    case 'number':
      return pythonFloat(value);
    case 'boolean':
      return pythonBool(value);
    default:
      return undefined;
  }
}

function toSeconds(value: PlainValue): bigint | undefined {
  switch (typeof value) {
    case 'bigint':
      return isInt64(value) ? value : undefined;
    case 'number':
      return Number.isInteger(value) && isInt64(BigInt(value)) ? BigInt(value) : undefined;
    case 'string':
      return parseSeconds(value);
    default:
      return undefined;
  }
}

/** Text has to be JSON already and is kept as it is; anything else is spelled as Python's `json.dumps` does. */
function toJsonText(value: PlainValue): string | undefined {
  if (typeof value === 'string') {
    return isJson(value) ? value : undefined;
  }
  return value instanceof Uint8Array ? undefined : pythonJson(value);
}

function compileStructureReader(valueType: number): PlainReader {
  const readTree = compileTreeReader(valueType, Number.NaN);
  if (readTree === undefined) {
    // Lists of bytes and scalar maps have no plain form.
    return () => undefined;
  }
  const isMapList = valueType === ValueType.MAP_LIST || valueType === ValueType.STRUCT_LIST;
  return (value) => {
    if (value instanceof Uint8Array) {
      return undefined;
    }
    if (typeof value === 'string') {
      const tree = parseJson(value);
      return tree === undefined || tree === null ? undefined : readTree(tree);
    }
    return isMapList && Array.isArray(value)
      ? readAll(value as readonly JsonTree[], readMapOrText)
      : readTree(value);
  };
}

/** Feast's remote online store sends the maps of a list as text. */
function readMapOrText(item: JsonTree): ReturnType<typeof readJsonMap> {
  if (typeof item !== 'string') {
    return readJsonMap(item);
  }
  const tree = parseJson(item);
  return tree === undefined ? undefined : readJsonMap(tree);
}
