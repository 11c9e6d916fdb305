import { SideboardError } from '../errors.ts';
import { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import { valueTypeName } from '../feast-encoding/value-type.ts';
import type { ReadOptions } from '../online-store/online-store.ts';
import type {
  FieldDefinition,
  RegistrySnapshot,
  ViewDefinition,
} from '../registry/registry-model.ts';
import { createRowProblems } from './row-problems.ts';
import type { RowProblems } from './row-problems.ts';
import { TypedColumn } from './typed-column.ts';
import { compileValueEncoder } from './value-encoder.ts';
import { invalidWrite, listNames } from './write-errors.ts';
import type { FrameColumn, WriteFrame } from './write-frame.ts';

/** One column that a function is given. */
export interface ComputedInput extends FieldDefinition {
  /** The feature's name without that of its view; `undefined` = it is no feature. */
  readonly shortName: string | undefined;
  /** The encoded `feast.types.Value` of a row; empty = null. */
  readonly valueAt: (row: number) => Uint8Array;
}

/**
 * Runs the function of an on-demand view.
 *
 * @returns one column per output, one encoded value per row; empty = null, `undefined` = the function failed for this row.
 */
export type ComputeOnWrite = (
  call: {
    readonly project: string;
    readonly viewName: string;
    /** Of the function in TypeScript; `undefined` = it is Python's. */
    readonly functionHash: string | undefined;
    readonly rowCount: number;
    readonly inputs: readonly ComputedInput[];
    readonly outputs: readonly FieldDefinition[];
  },
  limits: ReadOptions,
) => Promise<readonly (readonly (Uint8Array | undefined)[])[]>;

/** Who runs functions when on-demand views are written. */
export interface WriteComputer {
  readonly compute: ComputeOnWrite;
  /** Whether functions of mode `pandas` are run too, by Feast's transformation server. */
  readonly delegates: boolean;
}

/** The mode that Feast's transformation server runs. */
const DELEGATED_MODE = 'pandas';

/** Whether the function of an on-demand view can be run here. */
export function canCompute(
  { onDemand }: ViewDefinition,
  computer: WriteComputer | undefined,
): boolean {
  if (onDemand === undefined || computer === undefined) return false;
  return (
    onDemand.functionHash !== undefined || (computer.delegates && onDemand.mode === DELEGATED_MODE)
  );
}

/**
 * Adds to a frame what an on-demand view computes of it. The frame has the features of the view's sources, by their names
 * or as `view__feature`, its request data and its join keys.
 *
 * @throws SideboardError (by rejection) INVALID_REQUEST naming the columns that are missing, or columns and rows whose values do
 *   not fit; TRANSFORMATION_FAILED, TRANSFORMATION_UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED
 */
export async function computeFrame(
  view: ViewDefinition,
  frame: WriteFrame,
  {
    snapshot,
    computer,
    limits,
  }: {
    readonly snapshot: RegistrySnapshot;
    readonly computer: WriteComputer;
    readonly limits: ReadOptions;
  },
): Promise<WriteFrame> {
  const { rowCount } = frame;
  if (rowCount === 0) return frame;
  const keyNames = new Set(view.joinKeys.map(({ name }) => name));
  const outputs = view.features.filter(({ name }) => !keyNames.has(name));
  const computed = await computer.compute(
    {
      project: snapshot.project,
      viewName: view.name,
      functionHash: view.onDemand!.functionHash,
      rowCount,
      inputs: inputsOf(view, frame, snapshot),
      outputs,
    },
    limits,
  );
  const columns = new Map(frame.columns);
  for (const [index, { name }] of outputs.entries()) {
    const values = computed[index]!.map((bytes, row) => {
      if (bytes !== undefined) return bytes;
      throw new SideboardError(
        'TRANSFORMATION_FAILED',
        `On-demand feature view ${view.name}: its function failed, first in row ${row}; nothing was written`,
      );
    });
    columns.set(name, TypedColumn.of(values));
  }
  return { rowCount, columns };
}

function inputsOf(
  view: ViewDefinition,
  { columns, rowCount }: WriteFrame,
  snapshot: RegistrySnapshot,
): readonly ComputedInput[] {
  const missing: string[] = [];
  const problems = createRowProblems();
  const inputs = new Map<string, ComputedInput>();
  const add = (
    field: FieldDefinition,
    column: FrameColumn | undefined,
    shortName?: string,
  ): void => {
    if (column === undefined) missing.push(shortName ?? field.name);
    else if (!inputs.has(field.name)) {
      const values = encodeColumn(field, column, rowCount, problems);
      inputs.set(field.name, { ...field, shortName, valueAt: (row) => values[row]! });
    }
  };
  const { sources, requestFields } = view.onDemand!;
  for (const { viewName, featureNames } of sources) {
    const types = snapshot.views.get(viewName)?.featuresByName;
    for (const shortName of featureNames) {
      const name = `${viewName}__${shortName}`;
      const valueType = types?.get(shortName)?.valueType ?? 0;
      add({ name, valueType }, columns.get(name) ?? columns.get(shortName), shortName);
    }
  }
  for (const field of requestFields) add(field, columns.get(field.name));
  for (const joinKey of view.joinKeys) {
    const column = columns.get(joinKey.name);
    // Without it the row has no key, which is said of all views alike.
    if (column !== undefined) add(joinKey, column);
  }
  if (missing.length > 0) {
    throw invalidWrite(
      view.name,
      `the columns ${listNames(missing)}, which it is computed from, are missing; there are ${listNames(columns.keys())}`,
    );
  }
  if (!problems.isEmpty) throw invalidWrite(view.name, problems.describe());
  return [...inputs.values()];
}

function encodeColumn(
  { name, valueType }: FieldDefinition,
  column: FrameColumn,
  rowCount: number,
  problems: RowProblems,
): readonly Uint8Array[] {
  const encoder = compileValueEncoder(valueType);
  const out = new GrowingBytes();
  const ends: number[] = [];
  for (let row = 0; row < rowCount; row++) {
    if (!column.append(out, row, encoder)) {
      problems.add(`${name} is no ${valueTypeName(valueType)}`, row);
    }
    ends.push(out.at);
  }
  return ends.map((end, row) => out.bytes.subarray(row === 0 ? 0 : ends[row - 1], end));
}
