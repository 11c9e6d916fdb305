import { BIGINT, DuckDBDataChunk } from '@duckdb/node-api';
import type { DuckDBType, DuckDBValue } from '@duckdb/node-api';
import type { ScratchConnection } from '../ingestion/scratch-connection.ts';
import { cancelled, SideboardError } from '../errors.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { valueTypeName } from '../feast-encoding/value-type.ts';
import { writeTypedValue } from '../feast-encoding/value-writer.ts';
import { quote } from '../ingestion/source-queries.ts';
import { compileValueConversion } from '../ingestion/value-conversion.ts';
import type { ValueConversion } from '../ingestion/value-conversion.ts';
import type { FieldDefinition } from '../registry/registry-model.ts';
import type { InputColumn, TransformOnDemand } from '../retrieval/on-demand-plan.ts';
import { computedColumnType, toComputedValue } from './computed-values.ts';
import type { EntityRows } from './entity-rows.ts';
import { computedTable, joinTable, rowsInStep } from './output-query.ts';
import type { PreparedJoin } from './prepare-join.ts';
import type { SelectedComputation } from './select-joins.ts';

/** Rows that a function gets at a time: as many as DuckDB keeps together. */
const PAGE_ROWS = 2048;

/** What on-demand views are computed from, and by whom. */
export interface ComputeContext {
  readonly connection: ScratchConnection;
  readonly project: string;
  readonly entities: EntityRows;
  readonly joins: readonly PreparedJoin[];
  readonly transform: TransformOnDemand;
  readonly signal?: AbortSignal | undefined;
  readonly onPercent: (percent: number) => void;
}

/** One column that a function is given. */
interface Input extends FieldDefinition {
  readonly shortName: string | undefined;
  readonly sql: string;
}

/**
 * The SQL that gathers what an on-demand view is computed from, one row per entity row, in a table of its own.
 *
 * @param index of the view among those that are computed.
 */
export function compileInputs(
  computation: SelectedComputation,
  index: number,
  { entities, joins }: Pick<ComputeContext, 'entities' | 'joins'>,
): string {
  const columns = inputsOf(computation, joins).map(({ sql }, i) => `${sql} AS c${i}`);
  const tables = computation.joins.map(joinTable);
  const rowNumber = rowsInStep(entities, tables, entities.rowNumber);
  return `CREATE TEMP TABLE ${inputTable(index)} AS SELECT ${[`${rowNumber} AS row_number`, ...columns].join(', ')} FROM ${entities.sql}${tables.map((table) => ` POSITIONAL JOIN ${table}`).join('')}`;
}

/**
 * Computes an on-demand view for every entity row from what `compileInputs` gathered, some rows at a time, into a table with
 * columns `row_number`, `o0`, `o1`, ….
 *
 * @throws SideboardError INVALID_REQUEST for an input that is none of its declared type, CANCELLED, and what the function does
 */
export async function computeView(
  computation: SelectedComputation,
  index: number,
  context: ComputeContext,
): Promise<void> {
  const { connection, entities, joins, transform, project, signal, onPercent } = context;
  const { requested, outputs } = computation.view;
  const { name: viewName, onDemand } = requested.definition;
  const inputs = inputsOf(computation, joins);
  const types = outputs.map((output) => outputType(viewName, output));
  const columns = types.map((type, i) => `o${i} ${type.toString()}`);
  const table = computedTable(index);
  await connection.run(`CREATE TABLE ${table} (${['row_number BIGINT', ...columns].join(', ')})`);
  const readPage = await openPages(connection, inputTable(index), viewName, inputs);
  const appender = await connection.createAppender(table);
  onPercent(0);
  for (let firstRow = 0; firstRow < entities.rowCount; firstRow += PAGE_ROWS) {
    if (signal?.aborted === true) throw cancelled();
    const rowCount = Math.min(PAGE_ROWS, entities.rowCount - firstRow);
    const given = await readPage(firstRow, rowCount);
    const computed = await transform(
      {
        project,
        viewName,
        functionHash: onDemand!.functionHash,
        rowCount,
        firstRow,
        inputs: given,
        outputs,
      },
      { deadlineAtMs: Infinity, signal },
    );
    const chunk = DuckDBDataChunk.create([BIGINT, ...types], rowCount);
    chunk.setColumns([
      Array.from({ length: rowCount }, (_, row) => BigInt(firstRow + row)),
      ...computed.map((values, i) => values.map((bytes) => toCell(outputs[i]!, bytes))),
    ]);
    appender.appendDataChunk(chunk);
    appender.flushSync();
    onPercent((100 * (firstRow + rowCount)) / entities.rowCount);
  }
  appender.closeSync();
  await connection.run(`DROP TABLE ${inputTable(index)}`);
}

function inputTable(index: number): string {
  return `inputs_${index}`;
}

/** The features of the sources, the request data, and the join keys, each once, as they are when a view is computed online. */
function inputsOf(
  { view, inputs: places, joins: sources }: SelectedComputation,
  joins: readonly PreparedJoin[],
): readonly Input[] {
  const inputs = new Map<string, Input>();
  const add = (input: Input): void => {
    if (!inputs.has(input.name)) inputs.set(input.name, input);
  };
  for (const [i, { field, shortName }] of view.inputs.entries()) {
    const { join, feature } = places[i]!;
    add({ ...field, shortName, sql: `${joinTable(join)}.f${feature}` });
  }
  for (const field of view.requestFields) {
    add({ ...field, shortName: undefined, sql: `source.${quote(field.name)}` });
  }
  for (const source of sources) {
    const { selected, keys } = joins[source]!;
    for (const [i, name] of selected.entityColumns.entries()) {
      const { valueType } = keys[i]!;
      add({ name, valueType, shortName: undefined, sql: `source.${quote(name)}` });
    }
  }
  return [...inputs.values()];
}

/** Reads some rows of the inputs as encoded values. */
async function openPages(
  connection: ScratchConnection,
  table: string,
  viewName: string,
  inputs: readonly Input[],
): Promise<(firstRow: number, rowCount: number) => Promise<readonly InputColumn[]>> {
  const names = inputs.map((_input, i) => `c${i}`);
  const columns = ['row_number', ...names].join(', ');
  const described = await connection.run(`SELECT ${columns} FROM ${table} LIMIT 0`);
  const conversions = inputs.map((input, i) =>
    conversionOf(viewName, input, described.columnType(i + 1)),
  );
  return async (firstRow, rowCount) => {
    const page = await connection.runAndReadAll(
      `SELECT ${columns} FROM ${table} WHERE row_number >= ${firstRow} AND row_number < ${firstRow + rowCount} ORDER BY row_number`,
    );
    const [, ...given] = page.getColumns();
    return inputs.map(({ name, shortName, valueType }, i): InputColumn => {
      const encoded = given[i]!.map((value, row) => {
        const typed = conversions[i]!(value);
        if (typed !== undefined) return writeTypedValue(typed);
        throw misfit(
          viewName,
          name,
          `a value that is no ${valueTypeName(valueType)}`,
          firstRow + row,
        );
      });
      return { name, shortName, valueType, valueAt: (row) => encoded[row]! };
    });
  };
}

function conversionOf(
  viewName: string,
  { name, valueType }: Input,
  type: DuckDBType,
): ValueConversion {
  const conversion = compileValueConversion(valueType, type);
  if (conversion !== undefined) return conversion;
  throw misfit(viewName, name, `${type.toString()}, which is no ${valueTypeName(valueType)}`);
}

function misfit(viewName: string, input: string, holds: string, row?: number): SideboardError {
  const where = row === undefined ? '' : `, first in row ${row} of the entity rows`;
  return new SideboardError(
    'INVALID_REQUEST',
    `on-demand feature view ${viewName}: its input ${input} holds ${holds}${where}`,
  );
}

function outputType(viewName: string, { name, valueType }: FieldDefinition): DuckDBType {
  const type = computedColumnType(valueType);
  if (type !== undefined) return type;
  throw new SideboardError(
    'UNSUPPORTED_OPERATION',
    `on-demand feature view ${viewName}: ${valueTypeName(valueType)} of its output ${name} has no column in Parquet; leave it out, or join it with Feast`,
  );
}

/** @param bytes empty = null, `undefined` = the function failed for this row. */
function toCell({ valueType }: FieldDefinition, bytes: Uint8Array | undefined): DuckDBValue {
  return toComputedValue(valueType, bytes === undefined ? null : readValue(bytes).value);
}
