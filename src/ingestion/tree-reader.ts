import type { FeatureValue, ScalarValue } from '../feast-encoding/typed-value.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import {
  isJson,
  readJsonList,
  readJsonMap,
  readJsonMapList,
  readJsonNestedList,
  readJsonScalar,
} from './json-source.ts';
import { LIST_ELEMENTS, LIST_ZEROS, SET_ELEMENTS } from './list-elements.ts';
import { pythonJson } from './python-text.ts';
import type { JsonTree } from './python-text.ts';

/** Reads a JSON tree (never null) as the declared type; `undefined` = it does not fit. */
export type TreeReader = (tree: JsonTree) => FeatureValue | undefined;

/**
 * How JSON is read as a map, list or set of type `valueType`: null inside a list is the zero of its type.
 *
 * @param floatZero what null inside a list of floats becomes.
 * @returns `undefined` for scalars, bytes and scalar maps, which are no structure of JSON.
 */
export function compileTreeReader(valueType: number, floatZero: number): TreeReader | undefined {
  switch (valueType) {
    case ValueType.MAP:
    case ValueType.STRUCT:
      return readJsonMap;
    case ValueType.MAP_LIST:
    case ValueType.STRUCT_LIST:
      return readJsonMapList;
    case ValueType.VALUE_LIST:
    case ValueType.VALUE_SET:
      return readJsonNestedList;
    default:
      return compileListReader(valueType, floatZero);
  }
}

function compileListReader(valueType: number, floatZero: number): TreeReader | undefined {
  const setElement = SET_ELEMENTS.get(valueType);
  if (setElement !== undefined) {
    return (tree) => {
      const list = readJsonList(tree, (item) => readElement(item, setElement));
      return list === undefined ? undefined : distinct(list);
    };
  }
  const element = LIST_ELEMENTS.get(valueType);
  if (element === undefined || element === ValueType.BYTES) {
    return undefined;
  }
  const isFloat = element === ValueType.DOUBLE || element === ValueType.FLOAT;
  const zero = isFloat ? floatZero : LIST_ZEROS.get(element)!;
  return (tree) =>
    readJsonList(tree, (item) =>
      item === null && element !== ValueType.JSON ? zero : readElement(item, element),
    );
}

function readElement(item: JsonTree, element: number): ScalarValue | undefined {
  if (element !== ValueType.JSON) {
    return readJsonScalar(item, element);
  }
  return typeof item === 'string' ? (isJson(item) ? item : undefined) : pythonJson(item);
}

/** The first of equal elements; NaN equals NaN, bytes by their content. */
export function distinct(list: readonly ScalarValue[]): ScalarValue[] {
  const seen = new Map<unknown, ScalarValue>();
  for (const item of list) {
    const key = item instanceof Uint8Array ? Buffer.from(item).toString('latin1') : item;
    if (!seen.has(key)) {
      seen.set(key, item);
    }
  }
  return [...seen.values()];
}
