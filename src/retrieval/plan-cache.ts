import { isSideboardError, type SideboardError } from '../errors.ts';
import type { RetrievalPlan } from './retrieval-plan.ts';
import type { RetrievalRequest, Selection } from './retrieval-request.ts';
import type { SelectionId } from './selection-id.ts';

/** What became of a selection: a plan, or the error that it deserves every time. */
export type CompiledSelection = RetrievalPlan | SideboardError;

interface RecentSelection {
  readonly selectionId: SelectionId;
  readonly compiled: CompiledSelection;
}

/** The compiled selections of one registry snapshot. */
export interface PlanCache {
  /** The plan of a request's selection. @throws SideboardError what compiling it threw, again each time */
  planFor(request: RetrievalRequest): RetrievalPlan;
}

/** Rough memory of an error, its stack trace included, and of an entry. */
const ERROR_BYTES = 2048;
const ENTRY_BYTES = 128;

/** Servers are asked for few selections; these many are found by comparing, without making and hashing a text. */
const RECENT_SELECTIONS = 8;

/**
 * A cache bounded by memory: two halves, of which the older one is dropped when the younger one is full. What is asked
 * for moves to the younger half, so what is used stays.
 *
 * @param maxBytes of plans and errors together, approximately; a selection larger than half of it is not kept.
 * @param compile called for selections that are not in the cache.
 */
export function createPlanCache(
  maxBytes: number,
  compile: (selection: Selection) => RetrievalPlan,
): PlanCache {
  const halfBytes = maxBytes / 2;
  let young = new Map<string, CompiledSelection>();
  let old = new Map<string, CompiledSelection>();
  let youngBytes = 0;
  // Some of what is in `young`, for a look without a text of a few kilobytes.
  let recent: RecentSelection[] = [];
  let nextRecent = 0;

  function remember(selectionId: SelectionId, compiled: CompiledSelection): void {
    recent[nextRecent] = { selectionId: selectionId.keep(), compiled };
    nextRecent = (nextRecent + 1) % RECENT_SELECTIONS;
  }

  function find(selectionId: SelectionId): CompiledSelection | undefined {
    for (const entry of recent) {
      if (selectionId.equals(entry.selectionId)) return entry.compiled;
    }
    const compiled = young.get(selectionId.toString());
    if (compiled !== undefined) remember(selectionId, compiled);
    return compiled;
  }

  function keep(key: string, compiled: CompiledSelection): void {
    const bytes = entryBytes(key, compiled);
    if (bytes > halfBytes) return;
    if (youngBytes + bytes > halfBytes) {
      old = young;
      young = new Map();
      youngBytes = 0;
      recent = [];
      nextRecent = 0;
    }
    young.set(key, compiled);
    youngBytes += bytes;
  }

  return {
    planFor(request) {
      const { selectionId } = request;
      let compiled = find(selectionId);
      if (compiled === undefined) {
        const key = selectionId.toString();
        compiled = old.get(key) ?? compileOrFail(request, compile);
        keep(key, compiled);
      }
      if (isSideboardError(compiled)) throw compiled;
      return compiled;
    },
  };
}

function compileOrFail(
  request: RetrievalRequest,
  compile: (selection: Selection) => RetrievalPlan,
): CompiledSelection {
  try {
    return compile(request.selection());
  } catch (error) {
    if (isSideboardError(error)) return error;
    throw error;
  }
}

function entryBytes(key: string, compiled: CompiledSelection): number {
  const bytes = isSideboardError(compiled)
    ? ERROR_BYTES + 2 * compiled.message.length
    : compiled.sizeBytes;
  return ENTRY_BYTES + 2 * key.length + bytes;
}
