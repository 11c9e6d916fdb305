import { DuckDBTypeId } from '@duckdb/node-api';
import type {
  DuckDBBlobValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBType,
  DuckDBValue,
} from '@duckdb/node-api';
import { isJson } from './json-source.ts';
import { pythonJson } from './python-text.ts';
import type { JsonTree } from './python-text.ts';
import { isIntegerType, isMomentType, isTextType } from './scalar-reader.ts';
import { readAll } from './list-elements.ts';
import { elementsOf, elementType } from './structure-reader.ts';

/**
 * How a column is read as a JSON document. Text has to be JSON already and is kept as it is; structures are spelled as Python's `json.dumps` does.
 *
 * @returns `undefined` for timestamps and dates, which JSON does not have.
 */
export function compileJsonDocumentReader(
  type: DuckDBType,
): ((value: DuckDBValue) => string | undefined) | undefined {
  const readText = compileTextReader(type);
  if (readText !== undefined) {
    return (value) => {
      const text = readText(value);
      return text !== undefined && isJson(text) ? text : undefined;
    };
  }
  if (isMomentType(type)) {
    return undefined;
  }
  return (value) => {
    const tree = toJsonTree(value, type);
    return tree === undefined ? undefined : pythonJson(tree);
  };
}

/** Text of a column that holds text, or bytes that are text; `undefined` where the bytes are no UTF-8. */
export function compileTextReader(
  type: DuckDBType,
): ((value: DuckDBValue) => string | undefined) | undefined {
  if (isTextType(type)) {
    return (value) => value as string;
  }
  return type.typeId === DuckDBTypeId.BLOB
    ? (value) => decodeUtf8((value as DuckDBBlobValue).bytes)
    : undefined;
}

/** A value as JSON, for features that are declared as JSON but kept as structures; `undefined` where JSON has no form. */
function toJsonTree(value: DuckDBValue, type: DuckDBType): JsonTree | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') {
    return value;
  }
  if (isIntegerType(type)) {
    return BigInt(value as number | bigint);
  }
  if (typeof value === 'number') {
    return value;
  }
  const inner = elementType(type);
  if (inner !== undefined) {
    return readAll(elementsOf(value), (item) => toJsonTree(item, inner));
  }
  const entries = jsonEntries(value, type);
  return entries?.every((entry): entry is [string, JsonTree] => entry[1] !== undefined) === true
    ? { entries }
    : undefined;
}

function jsonEntries(
  value: DuckDBValue,
  type: DuckDBType,
): [string, JsonTree | undefined][] | undefined {
  if (type.typeId === DuckDBTypeId.STRUCT) {
    const { entryNames, entryTypes } = type;
    const { entries } = value as DuckDBStructValue;
    return entryNames.map((name, i) => [name, toJsonTree(entries[name] ?? null, entryTypes[i]!)]);
  }
  if (type.typeId === DuckDBTypeId.MAP && isTextType(type.keyType)) {
    const itemType = type.valueType;
    return (value as DuckDBMapValue).entries.map(({ key, value: item }) => [
      key as string,
      toJsonTree(item, itemType),
    ]);
  }
  return undefined;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
