import type { CallerSignal } from '../call/caller-signal.ts';
import type { FieldDefinition } from '../registry/registry-model.ts';
import type { RetrievalPlan } from './retrieval-plan.ts';

/** Where an input of an on-demand view comes from. */
export type InputSource =
  | { readonly kind: 'cell'; readonly group: number; readonly cell: number }
  /** Index into `RetrievalPlan.entityColumns`. */
  | { readonly kind: 'entity'; readonly column: number }
  /** Index into the columns, or the context columns, of the request. */
  | { readonly kind: 'request' | 'context'; readonly column: number };

/** One column that the function of an on-demand view sees. */
export interface OnDemandInput extends FieldDefinition {
  /** The feature's name without that of its view; `undefined` = it is no feature. */
  readonly shortName: string | undefined;
  readonly source: InputSource;
}

/** One on-demand view of a selection. */
export interface OnDemandViewPlan {
  readonly viewName: string;
  readonly functionHash: string | undefined;
  readonly inputs: readonly OnDemandInput[];
  /** Features that were asked for, once each; aligned with the cells of the view's group. */
  readonly outputs: readonly FieldDefinition[];
}

/** The part of a plan that is computed from what was read. */
export interface OnDemandPlan {
  readonly project: string;
  readonly views: readonly OnDemandViewPlan[];
  /** Values per row that the functions are given, all views together; they count as the answer's do. */
  readonly inputCount: number;
  /** The plan of the whole answer: that of the read, with one more group per view, whose entities are the request's rows. */
  readonly answer: RetrievalPlan;
}

/** One column of inputs. */
export interface InputColumn extends FieldDefinition {
  readonly shortName?: string | undefined;
  /** The encoded `feast.types.Value` of a row; empty = null. */
  readonly valueAt: (row: number) => Uint8Array;
}

/** One call of an on-demand view's function. */
export interface OnDemandCall {
  readonly project: string;
  readonly viewName: string;
  /** Of the function in TypeScript that is to run; absent = it is Python's. */
  readonly functionHash?: string | undefined;
  readonly rowCount: number;
  /** Number of the first row, for messages; absent = 0. */
  readonly firstRow?: number | undefined;
  readonly inputs: readonly InputColumn[];
  readonly outputs: readonly FieldDefinition[];
}

/**
 * Runs the functions of on-demand views.
 *
 * @returns one column per output, one encoded `feast.types.Value` per row; empty = null, `undefined` in all columns = the
 *   function failed for this row, and the others count.
 * @throws SideboardError (by rejection) TRANSFORMATION_FAILED, TRANSFORMATION_UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED
 */
export type TransformOnDemand = (
  call: OnDemandCall,
  limits: { readonly deadlineAtMs: number; readonly signal?: CallerSignal | undefined },
) => Promise<readonly (readonly (Uint8Array | undefined)[])[]>;
