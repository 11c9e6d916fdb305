import { DuckDBTypeId } from '@duckdb/node-api';
import type {
  DuckDBArrayValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructType,
  DuckDBStructValue,
  DuckDBType,
  DuckDBValue,
} from '@duckdb/node-api';
import { ValueType } from '../feast-encoding/value-type.ts';
import type {
  FeatureValue,
  ScalarMapPair,
  TypedValue,
  ValueMap,
} from '../feast-encoding/typed-value.ts';
import { NULL_VALUE } from './json-source.ts';
import { readAll } from './list-elements.ts';
import {
  compileScalarReader,
  isIntegerType,
  isMomentType,
  isTextType,
  momentNanosReader,
} from './scalar-reader.ts';

/** Reads one value (never null) of a source with the type that it has there; `undefined` = no `Value` can hold it. */
export type ValueReader = (value: DuckDBValue) => TypedValue | undefined;

const NANOS_PER_SECOND = 1_000_000_000n;

/** Element type of a list or array type; `undefined` for any other. */
export function elementType(type: DuckDBType): DuckDBType | undefined {
  return type.typeId === DuckDBTypeId.LIST || type.typeId === DuckDBTypeId.ARRAY
    ? type.valueType
    : undefined;
}

/** Elements of a value of a list or array type. */
export function elementsOf(value: DuckDBValue): readonly DuckDBValue[] {
  return (value as DuckDBListValue | DuckDBArrayValue).items;
}

/** Whole seconds of a moment inside a list or map, where Feast cuts the fraction towards zero. */
export function truncatedSecondsReader(type: DuckDBType): (value: DuckDBValue) => bigint {
  const nanos = momentNanosReader(type)!;
  return (value) => nanos(value) / NANOS_PER_SECOND;
}

/**
 * How a struct, or a map with text for keys, is read as a `Map`: each value with the type that Feast infers for it.
 *
 * @returns `undefined` for any other type, or where a part of it can have no `Value`.
 */
export function compileMapReader(
  type: DuckDBType,
): ((value: DuckDBValue) => ValueMap | undefined) | undefined {
  if (type.typeId === DuckDBTypeId.STRUCT) {
    return compileStructReader(type);
  }
  if (type.typeId !== DuckDBTypeId.MAP || !isTextType(type.keyType)) {
    return undefined;
  }
  const readItem = compileValueReader(type.valueType);
  if (readItem === undefined) {
    return undefined;
  }
  return (value) => {
    const map = new Map<string, TypedValue>();
    for (const { key, value: item } of (value as DuckDBMapValue).entries) {
      const read = item === null ? NULL_VALUE : readItem(item);
      if (read === undefined) {
        return undefined;
      }
      map.set(key as string, read);
    }
    return map;
  };
}

/** How a map whose keys are no text is read; `undefined` for any other type. */
export function compileScalarMapReader(
  type: DuckDBType,
): ((value: DuckDBValue) => ScalarMapPair[] | undefined) | undefined {
  if (type.typeId !== DuckDBTypeId.MAP || isTextType(type.keyType)) {
    return undefined;
  }
  const readKey = compileValueReader(type.keyType);
  const readItem = compileValueReader(type.valueType);
  if (readKey === undefined || readItem === undefined) {
    return undefined;
  }
  return (value) => {
    const pairs: ScalarMapPair[] = [];
    for (const entry of (value as DuckDBMapValue).entries) {
      const key = readKey(entry.key);
      const item = entry.value === null ? NULL_VALUE : readItem(entry.value);
      if (key === undefined || item === undefined) {
        return undefined;
      }
      pairs.push([key, item]);
    }
    return pairs;
  };
}

/** How a list of lists is read as values, level by level; an inner list that is null or empty is null, as in Feast. */
export function compileNestedListReader(
  type: DuckDBType,
): ((value: DuckDBValue) => TypedValue[] | undefined) | undefined {
  const inner = elementType(type);
  const readInner =
    inner === undefined || elementType(inner) === undefined ? undefined : compileValueReader(inner);
  if (readInner === undefined) {
    return undefined;
  }
  return (value) =>
    readAll(elementsOf(value), (item) =>
      item === null || elementsOf(item).length === 0 ? NULL_VALUE : readInner(item),
    );
}

/**
 * How a value is read where nothing is declared for it (inside maps and nested lists), with the type that Feast infers: all
 * integers are INT64 and all floats DOUBLE, but lists keep 32 bits. NaN is null, as it is outside of maps.
 *
 * @returns `undefined` for types that no `Value` holds, such as intervals.
 */
export function compileValueReader(type: DuckDBType): ValueReader | undefined {
  const valueType = inferScalarType(type);
  if (valueType !== undefined) {
    const read = isMomentType(type)
      ? truncatedSecondsReader(type)
      : compileScalarReader(valueType, type)!;
    return (value) => {
      if (Number.isNaN(value)) {
        return NULL_VALUE;
      }
      const scalar = read(value);
      return scalar === undefined ? undefined : { type: valueType, value: scalar };
    };
  }
  if (elementType(type) !== undefined) {
    return compileListReader(type);
  }
  const readMap = compileMapReader(type);
  if (readMap !== undefined) {
    return wrap(ValueType.MAP, readMap);
  }
  const readScalarMap = compileScalarMapReader(type);
  return readScalarMap === undefined ? undefined : wrap(ValueType.SCALAR_MAP, readScalarMap);
}

function compileStructReader(
  type: DuckDBStructType,
): ((value: DuckDBValue) => ValueMap | undefined) | undefined {
  const fields: (readonly [string, ValueReader])[] = [];
  for (const [i, name] of type.entryNames.entries()) {
    const read = compileValueReader(type.entryTypes[i]!);
    if (read === undefined) {
      return undefined;
    }
    fields.push([name, read]);
  }
  return (value) => {
    const values = (value as DuckDBStructValue).entries;
    const map = new Map<string, TypedValue>();
    for (const [name, read] of fields) {
      const item = values[name] ?? null;
      const field = item === null ? NULL_VALUE : read(item);
      if (field === undefined) {
        return undefined;
      }
      map.set(name, field);
    }
    return map;
  };
}

function compileListReader(type: DuckDBType): ValueReader | undefined {
  const element = elementType(type)!;
  const scalar = inferElementType(element);
  if (scalar !== undefined) {
    const read = isMomentType(element)
      ? truncatedSecondsReader(element)
      : compileScalarReader(scalar, element)!;
    const list = ELEMENT_TO_LIST.get(scalar)!;
    return wrap(list, (value) =>
      readAll(elementsOf(value), (item) => (item === null ? undefined : read(item))),
    );
  }
  const readMap = compileMapReader(element);
  if (readMap !== undefined) {
    return wrap(ValueType.MAP_LIST, (value) =>
      readAll(elementsOf(value), (item) => (item === null ? undefined : readMap(item))),
    );
  }
  const readNested = compileNestedListReader(type);
  return readNested === undefined ? undefined : wrap(ValueType.VALUE_LIST, readNested);
}

function wrap(type: number, read: (value: DuckDBValue) => FeatureValue | undefined): ValueReader {
  return (value) => {
    const found = read(value);
    return found === undefined ? undefined : { type, value: found };
  };
}

function inferScalarType(type: DuckDBType): number | undefined {
  const inList = inferElementType(type);
  if (inList === ValueType.INT32) {
    return ValueType.INT64;
  }
  return inList === ValueType.FLOAT ? ValueType.DOUBLE : inList;
}

/** The scalar type that NumPy keeps in an array of such elements. */
function inferElementType(type: DuckDBType): number | undefined {
  switch (type.typeId) {
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
      return ValueType.INT32;
    case DuckDBTypeId.FLOAT:
      return ValueType.FLOAT;
    case DuckDBTypeId.DOUBLE:
      return ValueType.DOUBLE;
    case DuckDBTypeId.BOOLEAN:
      return ValueType.BOOL;
    case DuckDBTypeId.VARCHAR:
    case DuckDBTypeId.ENUM:
      return ValueType.STRING;
    case DuckDBTypeId.BLOB:
      return ValueType.BYTES;
    case DuckDBTypeId.DECIMAL:
      return ValueType.DECIMAL;
    case DuckDBTypeId.UUID:
      return ValueType.UUID;
    default:
      if (isIntegerType(type)) {
        return ValueType.INT64;
      }
      return isMomentType(type) ? ValueType.UNIX_TIMESTAMP : undefined;
  }
}

const ELEMENT_TO_LIST: ReadonlyMap<number, number> = new Map<number, number>([
  [ValueType.INT32, ValueType.INT32_LIST],
  [ValueType.INT64, ValueType.INT64_LIST],
  [ValueType.FLOAT, ValueType.FLOAT_LIST],
  [ValueType.DOUBLE, ValueType.DOUBLE_LIST],
  [ValueType.BOOL, ValueType.BOOL_LIST],
  [ValueType.STRING, ValueType.STRING_LIST],
  [ValueType.BYTES, ValueType.BYTES_LIST],
  [ValueType.DECIMAL, ValueType.DECIMAL_LIST],
  [ValueType.UUID, ValueType.UUID_LIST],
  [ValueType.UNIX_TIMESTAMP, ValueType.UNIX_TIMESTAMP_LIST],
]);
