import { DataType, tableFromIPC } from 'apache-arrow';
import type { Vector } from 'apache-arrow';
import type { PlainValue } from '../ingestion/plain-value.ts';
import { compileValueEncoder, encodePlain } from '../ingestion/value-encoder.ts';
import type { FieldDefinition } from '../registry/registry-model.ts';
import { transformationFailed } from './transformation-errors.ts';

/**
 * Reads the outputs of an on-demand view from an Arrow IPC file, whose columns are called `view__feature`, as the types that
 * the features are declared with. What pandas has instead of a value (NaN, NaT) is null.
 *
 * @returns one column per output, one encoded `Value` per row; empty = null.
 * @throws SideboardError TRANSFORMATION_FAILED for a column that is not there, too short, or does not fit its type
 */
export function decodeOutputs(
  bytes: Uint8Array,
  viewName: string,
  outputs: readonly FieldDefinition[],
  rowCount: number,
): readonly (readonly Uint8Array[])[] {
  let table: ReturnType<typeof tableFromIPC>;
  try {
    table = tableFromIPC(bytes);
  } catch (error) {
    throw transformationFailed(viewName, 'its answer is no Arrow table', error);
  }
  return outputs.map(({ name, valueType }) => {
    const column = table.getChild(`${viewName}__${name}`);
    if (column === null) {
      throw transformationFailed(viewName, `its function gives no column ${name}`);
    }
    if (column.length !== rowCount) {
      throw transformationFailed(
        viewName,
        `its function gives ${column.length} rows for ${rowCount}`,
      );
    }
    const encoder = compileValueEncoder(valueType);
    return Array.from({ length: rowCount }, (_, row) => {
      const bytes = encodePlain(encoder, plainAt(column, row));
      if (bytes === undefined) {
        throw transformationFailed(
          viewName,
          `its output ${name} does not fit its declared type, first in row ${row}`,
        );
      }
      return bytes;
    });
  });
}

/** Integers as bigint, floats as number, moments as whole seconds; null where there is no value. */
function plainAt(column: Vector, row: number): PlainValue {
  const type = column.type as DataType;
  if (DataType.isTimestamp(type)) return secondsAt(column, row);
  const value: unknown = column.get(row);
  return DataType.isInt(type) && typeof value === 'number' ? BigInt(value) : toPlain(value);
}

/** Arrow's `get` gives milliseconds whatever the unit of the column. */
function secondsAt(column: Vector, row: number): bigint | null {
  const milliseconds = column.get(row) as number | bigint | null;
  return milliseconds === null ? null : BigInt(Math.floor(Number(milliseconds) / 1000));
}

function toPlain(value: unknown): PlainValue {
  switch (typeof value) {
    case 'bigint':
    case 'number':
    case 'boolean':
    case 'string':
      return value;
    default:
      if (value === null || value === undefined) return null;
      if (value instanceof Uint8Array) return value;
      return Array.from(value as Iterable<unknown>, (item) => toPlain(item)) as PlainValue;
  }
}
