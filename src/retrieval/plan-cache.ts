import { isSideboardError, type SideboardError } from '../errors.ts';
import type { RetrievalPlan } from './retrieval-plan.ts';
import type { RetrievalRequest, Selection } from './retrieval-request.ts';

/** What became of a selection: a plan, or the error that it deserves every time. */
export type CompiledSelection = RetrievalPlan | SideboardError;

interface RecentSelection {
  readonly selectionId: string;
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

/** Servers are asked for few selections; these many are found by comparing, which is five times as fast as hashing. */
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
  // Some of what is in `young`, for a look without hashing a few kilobytes of identity.
  let recent: RecentSelection[] = [];
  let nextRecent = 0;

  function remember(selectionId: string, compiled: CompiledSelection): void {
    recent[nextRecent] = { selectionId, compiled };
    nextRecent = (nextRecent + 1) % RECENT_SELECTIONS;
  }

  function find(selectionId: string): CompiledSelection | undefined {
    for (const entry of recent) {
      if (entry.selectionId === selectionId) return entry.compiled;
    }
    const compiled = young.get(selectionId);
    if (compiled !== undefined) remember(selectionId, compiled);
    return compiled;
  }

  function keep(selectionId: string, compiled: CompiledSelection): void {
    const bytes = entryBytes(selectionId, compiled);
    if (bytes > halfBytes) return;
    if (youngBytes + bytes > halfBytes) {
      old = young;
      young = new Map();
      youngBytes = 0;
      recent = [];
      nextRecent = 0;
    }
    young.set(selectionId, compiled);
    youngBytes += bytes;
  }

  return {
    planFor(request) {
      const { selectionId } = request;
      let compiled = find(selectionId);
      if (compiled === undefined) {
        compiled = old.get(selectionId) ?? compileOrFail(request, compile);
        keep(selectionId, compiled);
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

function entryBytes(selectionId: string, compiled: CompiledSelection): number {
  const bytes = isSideboardError(compiled)
    ? ERROR_BYTES + 2 * compiled.message.length
    : compiled.sizeBytes;
  return ENTRY_BYTES + 2 * selectionId.length + bytes;
}
