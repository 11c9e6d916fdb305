import { ValueType } from '../feast-encoding/value-type.ts';
import type { ScalarValue, TypedValue, ValueMap } from '../feast-encoding/typed-value.ts';
import { isJsonObject } from './python-text.ts';
import type { JsonTree } from './python-text.ts';
import { isInt64, parseFloatText, parseSeconds } from './text-scalars.ts';

const INT32_MAX = 0x7fff_ffffn;
const INTEGER = /^-?\d+$/;

/** A null, as Feast stores it: a `Value` without member. */
export const NULL_VALUE: TypedValue = { type: ValueType.INVALID, value: null };

/** What JSON.parse tells a reviver besides key and value. */
interface ReviverContext {
  readonly source?: string;
}

/** The three numbers that Python's JSON has and the standard has not. */
const SPECIAL_NUMBER = /-?Infinity|NaN/g;

/** Whether Feast takes a text for JSON: the standard, and NaN and infinities, which Python's parser reads too. */
export function isJson(text: string): boolean {
  return parses(text) || parses(withoutSpecialNumbers(text));
}

/** The text with a zero for each special number outside of its strings. */
function withoutSpecialNumbers(text: string): string {
  const parts: string[] = [];
  for (let at = 0; at < text.length;) {
    const quote = text.indexOf('"', at);
    const outside = quote < 0 ? text.slice(at) : text.slice(at, quote);
    parts.push(outside.replace(SPECIAL_NUMBER, '0'));
    if (quote < 0) break;
    at = afterString(text, quote);
    parts.push(text.slice(quote, at));
  }
  return parts.join('');
}

/** The position after the string whose quote is at `start`; the end of the text where nothing closes it. */
function afterString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const letter = text[at];
    if (letter === '"') return at + 1;
    if (letter === '\\') at++;
  }
  return text.length;
}

/** Parses JSON without rounding integers; `undefined` where it is none. */
export function parseJson(text: string): JsonTree | undefined {
  try {
    return JSON.parse(text, reviveJson as (key: string, value: unknown) => unknown) as JsonTree;
  } catch {
    return undefined;
  }
}

/** Reads an element of a JSON list as a scalar of the declared type; `undefined` = it does not fit. */
export function readJsonScalar(tree: JsonTree, valueType: number): ScalarValue | undefined {
  switch (valueType) {
    case ValueType.INT32:
      return typeof tree === 'bigint' && tree <= INT32_MAX && tree >= -INT32_MAX - 1n
        ? tree
        : undefined;
    case ValueType.INT64:
      return typeof tree === 'bigint' && isInt64(tree) ? tree : undefined;
    case ValueType.DOUBLE:
    case ValueType.FLOAT:
      return readJsonFloat(tree);
    case ValueType.BOOL:
      return typeof tree === 'boolean' ? tree : undefined;
    case ValueType.UNIX_TIMESTAMP:
      if (typeof tree === 'bigint') {
        return isInt64(tree) ? tree : undefined;
      }
      return typeof tree === 'string' ? parseSeconds(tree) : undefined;
    case ValueType.STRING:
    case ValueType.UUID:
    case ValueType.TIME_UUID:
    case ValueType.DECIMAL:
      return typeof tree === 'string' ? tree : undefined;
    default:
      return undefined;
  }
}

/**
 * The value that Feast infers from a JSON tree inside a map: integers are INT64, fractions DOUBLE, lists of one scalar type
 * the list of that type, lists of objects MAP_LIST, lists of lists VALUE_LIST.
 *
 * @returns `undefined` for an integer beyond 64 bits and for lists of mixed types, which Feast refuses.
 */
export function inferJsonValue(tree: JsonTree): TypedValue | undefined {
  if (tree === null) {
    return NULL_VALUE;
  }
  if (typeof tree === 'object') {
    if (!isJsonObject(tree)) {
      return inferJsonList(tree);
    }
    const map = readJsonMap(tree);
    return map === undefined ? undefined : { type: ValueType.MAP, value: map };
  }
  if (typeof tree === 'bigint') {
    return isInt64(tree) ? { type: ValueType.INT64, value: tree } : undefined;
  }
  return { type: scalarTypeOf(tree), value: tree };
}

/** A JSON object as a map; `undefined` where it is none or one of its values does not fit. */
export function readJsonMap(tree: JsonTree): ValueMap | undefined {
  if (tree === null || typeof tree !== 'object' || !isJsonObject(tree)) {
    return undefined;
  }
  const map = new Map<string, TypedValue>();
  for (const [name, item] of tree.entries) {
    const value = inferJsonValue(item);
    if (value === undefined) {
      return undefined;
    }
    map.set(name, value);
  }
  return map;
}

/** A JSON list of objects as maps; `undefined` where it is none or one of them does not fit. */
export function readJsonMapList(tree: JsonTree): ValueMap[] | undefined {
  return readJsonList(tree, readJsonMap);
}

/** A JSON list whose elements are lists; an empty or null one becomes null, as in Feast. */
export function readJsonNestedList(tree: JsonTree): TypedValue[] | undefined {
  return readJsonList(tree, (item) => {
    if (item === null || (Array.isArray(item) && item.length === 0)) {
      return NULL_VALUE;
    }
    return Array.isArray(item) ? inferJsonValue(item) : undefined;
  });
}

/** Reads every element of a JSON list; `undefined` where it is no list or one element does not fit. */
export function readJsonList<T>(
  tree: JsonTree,
  read: (item: JsonTree) => T | undefined,
): T[] | undefined {
  if (!Array.isArray(tree)) {
    return undefined;
  }
  const list: T[] = [];
  for (const item of tree as readonly JsonTree[]) {
    const value = read(item);
    if (value === undefined) {
      return undefined;
    }
    list.push(value);
  }
  return list;
}

function inferJsonList(list: readonly JsonTree[]): TypedValue | undefined {
  const first = list[0];
  if (first === undefined) {
    return { type: ValueType.VALUE_LIST, value: [] };
  }
  if (first !== null && typeof first === 'object') {
    if (isJsonObject(first)) {
      const maps = readJsonMapList(list);
      return maps === undefined ? undefined : { type: ValueType.MAP_LIST, value: maps };
    }
    const nested = readJsonNestedList(list);
    return nested === undefined ? undefined : { type: ValueType.VALUE_LIST, value: nested };
  }
  const kind = typeof first;
  if (first === null || !list.every((item) => typeof item === kind)) {
    return undefined;
  }
  const type = typeof first === 'bigint' ? ValueType.INT64 : scalarTypeOf(first);
  const scalars = readJsonList(list, (item) => readJsonScalar(item, type));
  return scalars === undefined ? undefined : { type: LIST_OF_SCALAR[type]!, value: scalars };
}

/** List type of the scalar types that JSON has. */
const LIST_OF_SCALAR: Readonly<Record<number, number>> = {
  [ValueType.INT64]: ValueType.INT64_LIST,
  [ValueType.DOUBLE]: ValueType.DOUBLE_LIST,
  [ValueType.BOOL]: ValueType.BOOL_LIST,
  [ValueType.STRING]: ValueType.STRING_LIST,
};

function scalarTypeOf(value: number | boolean | string): number {
  if (typeof value === 'number') {
    return ValueType.DOUBLE;
  }
  return typeof value === 'boolean' ? ValueType.BOOL : ValueType.STRING;
}

function readJsonFloat(tree: JsonTree): number | undefined {
  if (typeof tree === 'number' || typeof tree === 'bigint') {
    return Number(tree);
  }
  return typeof tree === 'string' ? parseFloatText(tree) : undefined;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Numbers written without fraction or exponent become bigint, objects their entries. */
function reviveJson(_key: string, value: unknown, context: ReviverContext): unknown {
  if (typeof value === 'number') {
    return context.source !== undefined && INTEGER.test(context.source)
      ? BigInt(context.source)
      : value;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return { entries: Object.entries(value) };
  }
  return value;
}
