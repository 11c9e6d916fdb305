import { columnKind } from '../definitions/column-types.ts';
import type { ComputeFunction } from '../definitions/definition.ts';
import { isSideboardError } from '../errors.ts';
import type { FieldDefinition } from '../registry/registry-model.ts';
import { packColumns, type ColumnSlab } from './column-slab.ts';
import { encodeColumnValue } from './column-values.ts';
import { errorPlace } from './error-place.ts';
import { FunctionFault, readInputs, sliceRow, type Columns } from './function-inputs.ts';
import { transformationFailed } from './transformation-errors.ts';

/** One call of a function in TypeScript, as it crosses to the thread. */
export interface FunctionCall {
  readonly viewName: string;
  readonly rowCount: number;
  /** Number of the first row, for messages; absent = 0. */
  readonly firstRow?: number | undefined;
  readonly inputs: readonly FunctionInput[];
  /** Of the inputs. */
  readonly values: ColumnSlab;
  readonly outputs: readonly FieldDefinition[];
}

export interface FunctionInput extends FieldDefinition {
  readonly shortName: string | undefined;
}

/** What comes back. */
export interface FunctionResult {
  /** Of the outputs; empty = null. */
  readonly values: ColumnSlab;
  /** Rows for which the function failed; their values are empty. */
  readonly failedRows: readonly number[];
}

/** How a function is run. */
export interface FunctionContext {
  readonly compute: ComputeFunction;
  /** Absolute, to name places in it. */
  readonly repoPath: string;
  /** What becomes of a row for which it throws: the call fails, or that row alone. */
  readonly onError: 'fail' | 'invalid';
}

/**
 * Runs the function of an on-demand view over all rows at once. When it throws, it is run again row by row, which tells the
 * row.
 *
 * @throws SideboardError TRANSFORMATION_FAILED, INVALID_ENTITY_VALUE; no value shows in their messages
 */
export function runFunction(call: FunctionCall, context: FunctionContext): FunctionResult {
  const { rowCount, outputs } = call;
  const columns = readInputs(call);
  try {
    const given = readOutputs(call, runOnce(call, context, columns, rowCount), rowCount);
    const values = packColumns(outputs.length, rowCount, (column, row) => given[column]![row]!);
    return { values, failedRows: [] };
  } catch (error) {
    return runByRow(call, context, columns, error);
  }
}

function runByRow(
  call: FunctionCall,
  context: FunctionContext,
  columns: Columns,
  firstError: unknown,
): FunctionResult {
  const { viewName, rowCount, firstRow = 0, outputs } = call;
  const rows: (readonly (readonly Uint8Array[])[] | undefined)[] = [];
  const failedRows: number[] = [];
  for (let row = 0; row < rowCount; row++) {
    try {
      rows.push(readOutputs(call, runOnce(call, context, sliceRow(columns, row), 1), 1));
    } catch (error) {
      if (context.onError === 'fail') throw failure(viewName, error, context, firstRow + row);
      rows.push(undefined);
      failedRows.push(row);
    }
  }
  if (failedRows.length === 0) throw failure(viewName, firstError, context, undefined);
  const empty = new Uint8Array(0);
  const values = packColumns(outputs.length, rowCount, (column, row) => {
    return rows[row]?.[column]![0] ?? empty;
  });
  return { values, failedRows };
}

function runOnce(
  { viewName }: FunctionCall,
  { compute }: FunctionContext,
  columns: Columns,
  rowCount: number,
): Readonly<Record<string, ArrayLike<unknown>>> {
  const given: unknown = compute(columns, rowCount);
  if (typeof given !== 'object' || given === null || given instanceof Promise) {
    throw transformationFailed(viewName, 'its function gives no columns: it has to return them');
  }
  return given as Readonly<Record<string, ArrayLike<unknown>>>;
}

/** One column per output, encoded. */
function readOutputs(
  { viewName, outputs }: FunctionCall,
  given: Readonly<Record<string, ArrayLike<unknown>>>,
  rowCount: number,
): readonly (readonly Uint8Array[])[] {
  return outputs.map(({ name, valueType }) => {
    const column = given[name];
    if (typeof column !== 'object' || column === null) {
      throw transformationFailed(viewName, `its function gives no column ${name}`);
    }
    if (column.length !== rowCount) {
      throw transformationFailed(
        viewName,
        `its function gives ${column.length} rows for ${rowCount} of ${name}`,
      );
    }
    const kind = columnKind(valueType);
    return Array.from({ length: rowCount }, (_, row) => {
      const bytes = kind && encodeColumnValue(kind, valueType, column[row]);
      if (bytes === undefined)
        throw new FunctionFault(`its output ${name} does not fit its declared type`);
      return bytes;
    });
  });
}

function failure(
  viewName: string,
  error: unknown,
  { repoPath }: FunctionContext,
  row: number | undefined,
): Error {
  if (isSideboardError(error)) return error;
  const reason =
    error instanceof FunctionFault
      ? error.message
      : `its function threw ${errorPlace(error, repoPath)}`;
  const where = row === undefined ? '' : `, first in row ${row}`;
  return transformationFailed(viewName, `${reason}${where}`);
}
