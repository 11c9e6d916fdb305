import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { StoredCells } from '../online-store/online-store.ts';
import type { BoundEntities } from './bind-entities.ts';
import { ABSENT, LOST } from './cell-marks.ts';
import type {
  InputColumn,
  InputSource,
  OnDemandPlan,
  OnDemandViewPlan,
  TransformOnDemand,
} from './on-demand-plan.ts';
import type { EntityColumn, RetrievalRequest } from './retrieval-request.ts';
import type { ReadFeaturesOptions } from './feature-reader.ts';

/** What was read for a request that on-demand views are part of. */
export interface ReadRows {
  readonly request: RetrievalRequest;
  readonly rowCount: number;
  /** Aligned with `RetrievalPlan.entityColumns`, converted. */
  readonly columns: readonly EntityColumn[];
  readonly bound: readonly BoundEntities[];
  /** Checked. */
  readonly groupCells: readonly StoredCells[];
}

/** The outputs of one on-demand view, as rows of a group. */
export interface ComputedRows {
  readonly bound: BoundEntities;
  readonly cells: StoredCells;
}

const EMPTY = new Uint8Array(0);

/** Runs the functions of all on-demand views of a request, side by side, one call each. */
export async function computeOnDemand(
  plan: OnDemandPlan,
  rows: ReadRows,
  transform: TransformOnDemand,
  { deadlineAtMs, signal }: ReadFeaturesOptions,
): Promise<readonly ComputedRows[]> {
  return await Promise.all(
    plan.views.map(async (view) => {
      const { viewName, functionHash, inputs, outputs } = view;
      const { rowCount } = rows;
      const columns = inputs.map(({ name, shortName, valueType, source }): InputColumn => ({
        name,
        shortName,
        valueType,
        valueAt: valueReader(source, rows),
      }));
      const { project } = plan;
      const call = { project, viewName, functionHash, rowCount, inputs: columns, outputs };
      const computed =
        rowCount === 0 ? outputs.map(() => []) : await transform(call, { deadlineAtMs, signal });
      return layOut(view, rowCount, { computed, lostRows: lostRows(view, rows) });
    }),
  );
}

/** Rows for which a source could not be read: what was computed of them is as lost as the source, whatever it is. */
function lostRows({ inputs }: OnDemandViewPlan, { bound, groupCells }: ReadRows): Set<number> {
  const lost = new Set<number>();
  for (const { source } of inputs) {
    if (source.kind !== 'cell') continue;
    const { starts } = groupCells[source.group]!;
    const { keys, entityOfRow } = bound[source.group]!;
    const width = starts.length / keys.length;
    for (const [row, entity] of entityOfRow.entries()) {
      if (starts[entity * width + source.cell] === LOST) lost.add(row);
    }
  }
  return lost;
}

function valueReader(
  source: InputSource,
  { request, columns, bound, groupCells }: ReadRows,
): InputColumn['valueAt'] {
  switch (source.kind) {
    case 'cell': {
      const { buffers, starts, ends } = groupCells[source.group]!;
      const { keys, entityOfRow } = bound[source.group]!;
      const width = starts.length / keys.length;
      return (row) => {
        const entity = entityOfRow[row]!;
        const at = entity * width + source.cell;
        const start = entity < 0 ? ABSENT : starts[at]!;
        return start < 0 ? EMPTY : buffers[entity]!.subarray(start, ends[at]);
      };
    }
    case 'entity':
      return columnReader(columns[source.column]!);
    case 'request':
      return columnReader(request.columns[source.column]!);
    case 'context':
      return columnReader(request.contextColumns[source.column]!);
  }
}

function columnReader({ bytes, starts, ends }: EntityColumn): InputColumn['valueAt'] {
  return (row) => bytes.subarray(starts[row], ends[row]);
}

/** Each row's outputs end to end in a buffer of its own; no event timestamps. */
function layOut(
  { outputs }: OnDemandViewPlan,
  rowCount: number,
  {
    computed: columns,
    lostRows: lost,
  }: {
    readonly computed: readonly (readonly (Uint8Array | undefined)[])[];
    readonly lostRows: ReadonlySet<number>;
  },
): ComputedRows {
  assert.equal(columns.length, outputs.length, 'a transformation gives what it was asked for');
  const width = outputs.length + 1;
  const starts = new Int32Array(rowCount * width).fill(ABSENT);
  const ends = new Int32Array(rowCount * width);
  const buffers: Uint8Array[] = [];
  for (let row = 0; row < rowCount; row++) {
    const values = columns.flatMap((column) => column[row] ?? []);
    if (lost.has(row) || values.length < columns.length) {
      starts.fill(LOST, row * width, (row + 1) * width);
      buffers.push(EMPTY);
      continue;
    }
    let at = 0;
    for (const [cell, value] of values.entries()) {
      starts[row * width + cell] = at;
      at += value.length;
      ends[row * width + cell] = at;
    }
    buffers.push(Buffer.concat(values));
  }
  const keys = Array.from({ length: rowCount }, () => EMPTY);
  return {
    bound: { keys, entityOfRow: Int32Array.from({ length: rowCount }, (_, row) => row) },
    cells: { buffers, starts, ends },
  };
}
