import {
  Binary,
  Bool,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  Table,
  TimestampSecond,
  Utf8,
  Field,
  RecordBatch,
  Schema,
  Struct,
  makeData,
  tableToIPC,
  vectorFromArray,
} from 'apache-arrow';
import type { DataType } from 'apache-arrow';
import type { FeatureValue, ScalarValue } from '../feast-encoding/typed-value.ts';
import { isValueMessage } from '../feast-encoding/value-check.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import type { InputColumn } from '../retrieval/on-demand-plan.ts';
import { compileInputReader } from './input-reader.ts';
import { invalidInput } from './transformation-errors.ts';

/** Where the list types begin, relative to their scalars: `BYTES_LIST` is 11, `BYTES` 1; sets are 21 above. */
const LIST_OFFSET = ValueType.BYTES_LIST - ValueType.BYTES;
const SET_OFFSET = ValueType.BYTES_SET - ValueType.BYTES;

/**
 * Encodes a table of inputs as an Arrow IPC file of one record batch: the columns have the types of the features that they
 * are declared as; what has no declared type has that of its values. Maps, structs and the like, which Arrow has no type of
 * that fits every value, are left out: a function that uses them fails, and others do not care.
 *
 * @throws SideboardError INVALID_ENTITY_VALUE for a value that is none of its column's type
 */
export function encodeInputs(
  viewName: string,
  columns: readonly InputColumn[],
  rowCount: number,
): Uint8Array {
  const vectors = columns.flatMap((column) => {
    const values = Array.from({ length: rowCount }, (_, row) => {
      const encoded = column.valueAt(row);
      // What was stored has been checked; JSON nests request data deeper than a message can be.
      if (isValueMessage(encoded, 0, encoded.length)) return readValue(encoded);
      throw invalidInput(viewName, column.name, row, column.valueType);
    });
    const valueType =
      column.valueType || (values.find(({ type }) => type !== 0)?.type ?? ValueType.STRING);
    const type = arrowType(valueType);
    if (type === undefined) return [];
    const read = compileInputReader(valueType);
    const items = values.map((typed, row) => {
      const value = read(typed);
      if (value === undefined) throw invalidInput(viewName, column.name, row, valueType);
      return toArrow(valueType, value);
    });
    return [{ name: column.name, vector: vectorFromArray(items, type) }];
  });
  const schema = new Schema(vectors.map(({ name, vector }) => new Field(name, vector.type, true)));
  const data = makeData({
    type: new Struct(schema.fields),
    length: rowCount,
    nullCount: 0,
    children: vectors.map(({ vector }) => vector.data[0]!),
  });
  return tableToIPC(new Table([new RecordBatch(schema, data)]), 'file');
}

/** `undefined` = none. */
function arrowType(valueType: number): DataType | undefined {
  if (!isListType(valueType)) return scalarType(valueType);
  const item = scalarType(valueType - LIST_OFFSET) ?? scalarType(valueType - SET_OFFSET);
  return item === undefined ? undefined : new List(new Field('item', item, true));
}

function isListType(valueType: number): boolean {
  return (
    (valueType >= ValueType.BYTES_LIST && valueType <= ValueType.UNIX_TIMESTAMP_LIST) ||
    (valueType >= ValueType.BYTES_SET && valueType <= ValueType.UNIX_TIMESTAMP_SET)
  );
}

function scalarType(valueType: number): DataType | undefined {
  switch (valueType) {
    case ValueType.INT32:
      return new Int32();
    case ValueType.INT64:
      return new Int64();
    case ValueType.FLOAT:
      return new Float32();
    case ValueType.DOUBLE:
      return new Float64();
    case ValueType.BOOL:
      return new Bool();
    case ValueType.BYTES:
    case ValueType.PDF_BYTES:
    case ValueType.IMAGE_BYTES:
      return new Binary();
    case ValueType.UNIX_TIMESTAMP:
      return new TimestampSecond();
    case ValueType.STRING:
    case ValueType.JSON:
    case ValueType.UUID:
    case ValueType.TIME_UUID:
    case ValueType.DECIMAL:
      return new Utf8();
    default:
      return undefined;
  }
}

/** As far as dates of JavaScript go. */
const MAX_SECONDS = 8_640_000_000_000n;

/** What Arrow's builders take for a value. */
function toArrow(valueType: number, value: FeatureValue): unknown {
  switch (valueType) {
    case ValueType.UNIX_TIMESTAMP:
      return milliseconds(value);
    case ValueType.UNIX_TIMESTAMP_LIST:
    case ValueType.UNIX_TIMESTAMP_SET:
      return value === null ? null : (value as readonly ScalarValue[]).map(milliseconds);
    case ValueType.INT32:
      return value === null ? null : Number(value);
    default:
      return value;
  }
}

/** Arrow's builders take milliseconds whatever the unit; Feast's "no time" is none. */
function milliseconds(seconds: FeatureValue): number | null {
  return typeof seconds === 'bigint' && seconds <= MAX_SECONDS && seconds >= -MAX_SECONDS
    ? Number(seconds) * 1000
    : null;
}
