import { isSideboardError, SideboardError } from '../errors.ts';
import { RowSlab } from '../feast-encoding/row-slab.ts';
import type { OnlineStore, ReadOptions, WriteResult } from '../online-store/online-store.ts';
import { planRows, RowPlanner } from './plan-rows.ts';
import type { RowOptions } from './plan-rows.ts';
import type { WriteFrame } from './write-frame.ts';
import { bytesOfRows, type WriteGate } from './write-gate.ts';
import type { WritePlan } from './write-plan.ts';

/** A frame made into rows of every view that it is for. */
export interface PlannedWrite {
  readonly views: readonly PlannedView[];
}

/** One view of a planned write: whose rows are in its slab, or why it does not take them. */
type PlannedView =
  | { readonly viewName: string; readonly plan: WritePlan }
  | { readonly viewName: string; readonly error: unknown };

/** Rows of several planned writes, those of one view together. */
export class PlannedRows {
  readonly slabs = new Map<WritePlan, RowSlab>();

  /** The slab of a view. @param rowCount rows that are going to be added */
  slabOf(plan: WritePlan, rowCount: number): RowSlab {
    const slab = this.slabs.get(plan) ?? new RowSlab(plan.features.length, Math.max(1, rowCount));
    this.slabs.set(plan, slab);
    return slab;
  }
}

/** How several planned writes ended. */
export interface WriteOutcome extends WriteResult {
  /** One per planned write, same order; `undefined` = all its views were written. */
  readonly errors: readonly unknown[];
}

/** A frame on its way to views. */
export interface FrameTarget {
  readonly viewNames: readonly string[];
  /** May throw what makes a view unfit for writing. */
  readonly planOf: (viewName: string) => WritePlan;
  readonly options: RowOptions;
}

/** Values that are made of a frame in one turn of the event loop. */
const CELLS_PER_TURN = 20_000;

/** Makes a frame into rows: a large one with others served meanwhile, and nothing else may add to `rows` until it has ended. */
export function planWrite(
  target: FrameTarget,
  frame: WriteFrame,
  rows: PlannedRows,
): PlannedWrite | Promise<PlannedWrite> {
  return isSmall(target.viewNames, frame)
    ? planAtOnce(target, frame, rows)
    : planInTurns(target, frame, rows);
}

function planAtOnce(target: FrameTarget, frame: WriteFrame, rows: PlannedRows): PlannedWrite {
  const views = target.viewNames.map((viewName): PlannedView => {
    try {
      const plan = target.planOf(viewName);
      planRows(plan, frame, target.options, rows.slabOf(plan, frame.rowCount));
      return { viewName, plan };
    } catch (error) {
      return { viewName, error };
    }
  });
  return { views };
}

async function planInTurns(
  target: FrameTarget,
  frame: WriteFrame,
  rows: PlannedRows,
): Promise<PlannedWrite> {
  const views: PlannedView[] = [];
  for (const viewName of target.viewNames) {
    await nextTurn();
    try {
      const plan = target.planOf(viewName);
      const planner = new RowPlanner(
        plan,
        frame,
        target.options,
        rows.slabOf(plan, frame.rowCount),
      );
      while (!planner.run(rowsPerTurn(plan))) await nextTurn();
      views.push({ viewName, plan });
    } catch (error) {
      views.push({ viewName, error });
    }
  }
  return { views };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function rowsPerTurn({ features }: WritePlan): number {
  return Math.max(1, Math.floor(CELLS_PER_TURN / (1 + features.length)));
}

/** Whether `planAtOnce` takes no longer than a turn of the event loop may. */
export function isSmall(viewNames: readonly string[], { rowCount, columns }: WriteFrame): boolean {
  return rowCount * viewNames.length * columns.size <= CELLS_PER_TURN;
}

/**
 * Writes several planned writes, those of one view together, and waits for all views even where one fails.
 *
 * @param waits whether to wait for room in the gate; else a write that finds none fails with OVERLOADED.
 */
export async function carryOut(
  planned: readonly PlannedWrite[],
  rows: PlannedRows,
  target: { readonly store: OnlineStore; readonly gate: WriteGate; readonly limits: ReadOptions },
  waits: boolean,
): Promise<WriteOutcome> {
  const total = { written: 0, stale: 0 };
  const failed = new Map<WritePlan, unknown>();
  await Promise.all(
    Array.from(rows.slabs, async ([plan, slab]) => {
      if (slab.length === 0) return;
      const { project, joinKeyNames: joinKeys, layout: view } = plan;
      try {
        const result = await target.gate.run(
          bytesOfRows(slab),
          () => target.store.write({ project, joinKeys, view, rows: slab }, target.limits),
          waits,
        );
        total.written += result.written;
        total.stale += result.stale;
      } catch (error) {
        failed.set(plan, error);
      }
    }),
  );
  return { ...total, errors: planned.map((write) => errorOf(write, failed)) };
}

/** The first failure of a write, saying what else failed and what was written all the same. */
function errorOf({ views }: PlannedWrite, failed: ReadonlyMap<WritePlan, unknown>): unknown {
  const failures: unknown[] = [];
  const written: string[] = [];
  for (const view of views) {
    if ('error' in view) failures.push(view.error);
    else if (failed.has(view.plan)) failures.push(failed.get(view.plan));
    else written.push(view.viewName);
  }
  const [first] = failures;
  const bug = failures.find((failure) => !isSideboardError(failure));
  if (bug !== undefined || !isSideboardError(first)) {
    return bug;
  }
  const texts = new Set(failures.map((failure) => (failure as SideboardError).message));
  const rest = written.length === 0 ? '' : `; written all the same: ${written.join(', ')}`;
  return new SideboardError(first.code, `${[...texts].join('; ')}${rest}`, { cause: first.cause });
}
