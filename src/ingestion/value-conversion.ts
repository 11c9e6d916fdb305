import { DuckDBTypeId } from '@duckdb/node-api';
import type { DuckDBType, DuckDBValue } from '@duckdb/node-api';
import { ValueType } from '../feast-encoding/value-type.ts';
import type { FeatureValue, TypedValue, ValueMap } from '../feast-encoding/typed-value.ts';
import { NULL_VALUE, parseJson } from './json-source.ts';
import { compileJsonDocumentReader, compileTextReader } from './json-document.ts';
import { LIST_ELEMENTS, LIST_ZEROS, NOT_A_TIME, readAll, SET_ELEMENTS } from './list-elements.ts';
import { compileScalarReader, isMomentType, momentNanosReader } from './scalar-reader.ts';
import type { ScalarReader } from './scalar-reader.ts';
import {
  compileMapReader,
  compileNestedListReader,
  compileScalarMapReader,
  elementsOf,
  elementType,
  truncatedSecondsReader,
} from './structure-reader.ts';
import { compileTreeReader, distinct } from './tree-reader.ts';

/**
 * Reads one value of a source column as the declared type of its feature; a null comes as `NULL_VALUE`. `undefined` = it does
 * not fit, so that the row is a bad one.
 */
export type ValueConversion = (value: DuckDBValue) => TypedValue | undefined;

type FormReader = (value: DuckDBValue) => FeatureValue | undefined;

const NANOS_PER_SECOND = 1_000_000_000n;

/**
 * How a column of type `type` becomes values of type `valueType`, as Feast's materialization does it: NaN of a scalar is
 * null, a missing timestamp is the least int64, null inside a list is the zero of its type (NaN for floats). Text, and bytes
 * that are text, may stand for lists and maps as JSON.
 *
 * @returns `undefined` where the column cannot hold such values.
 */
export function compileValueConversion(
  valueType: number,
  type: DuckDBType,
): ValueConversion | undefined {
  // A column of nothing but nulls has no type of its own.
  if (type.typeId === DuckDBTypeId.SQLNULL) {
    return () => NULL_VALUE;
  }
  if (valueType === ValueType.UNIX_TIMESTAMP) {
    return compileTimestampConversion(type);
  }
  const read = compileFormReader(valueType, type) ?? compileJsonTextReader(valueType, type);
  if (read === undefined) {
    return undefined;
  }
  const storedType = isFile(valueType) ? ValueType.BYTES : valueType;
  return (value) => {
    if (value === null || Number.isNaN(value)) {
      return NULL_VALUE;
    }
    const form = read(value);
    if (form === undefined) {
      return undefined;
    }
    return Number.isNaN(form) ? NULL_VALUE : { type: storedType, value: form };
  };
}

/** PDFs and images have types of their own in Python alone; their values are bytes. */
function isFile(valueType: number): boolean {
  return valueType === ValueType.PDF_BYTES || valueType === ValueType.IMAGE_BYTES;
}

function compileTimestampConversion(type: DuckDBType): ValueConversion | undefined {
  const read = compileScalarReader(ValueType.UNIX_TIMESTAMP, type);
  if (read === undefined) {
    return undefined;
  }
  const isText = compileTextReader(type) !== undefined;
  return (value) => {
    if (value === null) {
      return isText ? NULL_VALUE : { type: ValueType.UNIX_TIMESTAMP, value: NOT_A_TIME };
    }
    const seconds = read(value);
    return seconds === undefined ? undefined : { type: ValueType.UNIX_TIMESTAMP, value: seconds };
  };
}

function compileFormReader(valueType: number, type: DuckDBType): FormReader | undefined {
  const element = LIST_ELEMENTS.get(valueType) ?? SET_ELEMENTS.get(valueType);
  if (element !== undefined) {
    return compileListReader(element, type, SET_ELEMENTS.has(valueType));
  }
  switch (valueType) {
    case ValueType.MAP:
    case ValueType.STRUCT:
      return compileMapReader(type);
    case ValueType.MAP_LIST:
    case ValueType.STRUCT_LIST:
      return compileMapListReader(type);
    case ValueType.VALUE_LIST:
    case ValueType.VALUE_SET:
      return compileNestedListReader(type);
    case ValueType.SCALAR_MAP:
      return compileScalarMapReader(type);
    case ValueType.ZONED_TIMESTAMP:
      return compileZonedReader(type);
    case ValueType.JSON:
      return compileJsonDocumentReader(type);
    default:
      return compileScalarReader(valueType, type);
  }
}

function compileListReader(
  element: number,
  type: DuckDBType,
  isSet: boolean,
): FormReader | undefined {
  const inner = elementType(type);
  const read = inner === undefined ? undefined : compileElementReader(element, inner, isSet);
  if (read === undefined) {
    return undefined;
  }
  if (isSet) {
    return (value) => {
      const list = readAll(elementsOf(value), (item) => (item === null ? undefined : read(item)));
      return list === undefined ? undefined : distinct(list);
    };
  }
  const zero = LIST_ZEROS.get(element)!;
  return (value) => readAll(elementsOf(value), (item) => (item === null ? zero : read(item)));
}

function compileElementReader(
  element: number,
  type: DuckDBType,
  isSet: boolean,
): ScalarReader | undefined {
  if (element === ValueType.JSON) {
    return compileJsonDocumentReader(type);
  }
  // Feast's lists cut the fraction of a second towards zero, its sets (and plain timestamps) round it down.
  if (element === ValueType.UNIX_TIMESTAMP && !isSet && isMomentType(type)) {
    return truncatedSecondsReader(type);
  }
  return compileScalarReader(element, type);
}

function compileMapListReader(type: DuckDBType): FormReader | undefined {
  const inner = elementType(type);
  const readMap = inner === undefined ? undefined : compileMapReader(inner);
  if (readMap === undefined) {
    return undefined;
  }
  return (value) =>
    readAll<DuckDBValue, ValueMap>(elementsOf(value), (item) =>
      item === null ? undefined : readMap(item),
    );
}

/** Parquet keeps the instant and whether it is one, not the zone it was written in. */
function compileZonedReader(type: DuckDBType): FormReader | undefined {
  const nanos = momentNanosReader(type);
  if (nanos === undefined || type.typeId === DuckDBTypeId.DATE) {
    return undefined;
  }
  const zone = type.typeId === DuckDBTypeId.TIMESTAMP_TZ ? 'UTC' : '';
  return (value) => ({ unixSeconds: nanos(value) / NANOS_PER_SECOND, zone });
}

function compileJsonTextReader(valueType: number, type: DuckDBType): FormReader | undefined {
  const readTree = compileTreeReader(valueType, 0);
  const readText = compileTextReader(type);
  if (readTree === undefined || readText === undefined) {
    return undefined;
  }
  return (value) => {
    const text = readText(value);
    const tree = text === undefined ? undefined : parseJson(text);
    return tree === undefined ? undefined : readTree(tree);
  };
}
