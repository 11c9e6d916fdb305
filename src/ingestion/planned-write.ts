import { isSideboardError, SideboardError } from '../errors.ts';
import type {
  OnlineStore,
  ReadOptions,
  WriteResult,
  WriteRow,
} from '../online-store/online-store.ts';
import { planRows } from './plan-rows.ts';
import type { RowOptions } from './plan-rows.ts';
import type { WriteFrame } from './write-frame.ts';
import type { WriteGate } from './write-gate.ts';
import type { WritePlan } from './write-plan.ts';

/** A frame made into rows of every view that it is for. */
export interface PlannedWrite {
  readonly views: readonly PlannedView[];
}

/** One view of a planned write: its rows, or why it does not take them. */
type PlannedView =
  | { readonly viewName: string; readonly plan: WritePlan; readonly rows: readonly WriteRow[] }
  | { readonly viewName: string; readonly error: unknown };

/** How several planned writes ended. */
export interface WriteOutcome extends WriteResult {
  /** One per planned write, same order; `undefined` = all its views were written. */
  readonly errors: readonly unknown[];
}

/** @param planOf may throw what makes a view unfit for writing. */
export function planWrite(
  viewNames: readonly string[],
  planOf: (viewName: string) => WritePlan,
  frame: WriteFrame,
  options: RowOptions,
): PlannedWrite {
  const views = viewNames.map((viewName): PlannedView => {
    try {
      const plan = planOf(viewName);
      return { viewName, plan, rows: planRows(plan, frame, options) };
    } catch (error) {
      return { viewName, error };
    }
  });
  return { views };
}

/**
 * Writes several planned writes, those of one view together, and waits for all views even where one fails.
 *
 * @param waits whether to wait for room in the gate; else a write that finds none fails with OVERLOADED.
 */
export async function carryOut(
  planned: readonly PlannedWrite[],
  target: { readonly store: OnlineStore; readonly gate: WriteGate; readonly limits: ReadOptions },
  waits: boolean,
): Promise<WriteOutcome> {
  const rowsOf = new Map<WritePlan, WriteRow[][]>();
  for (const { views } of planned) {
    for (const view of views) {
      if ('error' in view || view.rows.length === 0) continue;
      const parts = rowsOf.get(view.plan) ?? [];
      rowsOf.set(view.plan, parts);
      parts.push(view.rows as WriteRow[]);
    }
  }
  const total = { written: 0, stale: 0 };
  const failed = new Map<WritePlan, unknown>();
  await Promise.all(
    [...rowsOf].map(async ([plan, parts]) => {
      const rows = parts.length === 1 ? parts[0]! : parts.flat();
      const { project, joinKeyNames: joinKeys, layout: view } = plan;
      try {
        const result = await target.gate.run(
          rows,
          () => target.store.write({ project, joinKeys, view, rows }, target.limits),
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
