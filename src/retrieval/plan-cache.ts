import { isSideboardError, type SideboardError } from '../errors.ts';
import type { RegistryDefinitions } from '../registry/registry-model.ts';
import { recordLookups, type Lookups } from './record-lookups.ts';
import type { RetrievalPlan } from './retrieval-plan.ts';
import type { RetrievalRequest, Selection } from './retrieval-request.ts';
import type { SelectionId } from './selection-id.ts';

/** What became of a selection: a plan, or the error that it deserves every time. */
export type CompiledSelection = RetrievalPlan | SideboardError;

interface Entry {
  readonly compiled: CompiledSelection;
  /** What of the registry it was made of. */
  readonly lookups: Lookups;
}

interface RecentSelection extends Entry {
  readonly selectionId: SelectionId;
}

/** The compiled selections of a registry. */
export interface PlanCache {
  /**
   * The plan of a request's selection for a snapshot. One that was compiled for the snapshot before is taken if nothing
   * that it was made of has changed. @throws SideboardError what compiling it threw, again each time
   */
  planFor(request: RetrievalRequest, snapshot: RegistryDefinitions): RetrievalPlan;
}

/** Rough memory of an error, its stack trace included, and of an entry. */
const ERROR_BYTES = 2048;
const ENTRY_BYTES = 128;
/** Of what records the lookups, and of each. */
const LOOKUPS_BYTES = 1280;
const LOOKUP_BYTES = 64;

/** Servers are asked for few selections; these many are found by comparing, without making and hashing a text. */
const RECENT_SELECTIONS = 8;

/**
 * A cache bounded by memory: two halves, of which the older one is dropped when the younger one is full, or when there is
 * a new snapshot. What is asked for moves to the younger half, so what is used stays; all in that half is right for the
 * snapshot. What nobody asks for keeps nothing of the registry alive beyond the next snapshot but one.
 *
 * @param maxBytes of plans and errors together, approximately; a selection larger than half of it is not kept.
 * @param compile called for selections that are not in the cache; what it looks up in the definitions decides how long its
 *   result is good for, so it looks nowhere else.
 */
export function createPlanCache(
  maxBytes: number,
  compile: (selection: Selection, definitions: RegistryDefinitions) => RetrievalPlan,
): PlanCache {
  const halfBytes = maxBytes / 2;
  let current: RegistryDefinitions | undefined;
  let young = new Map<string, Entry>();
  let old = new Map<string, Entry>();
  let youngBytes = 0;
  // Some of what is in `young`, for a look without a text of a few kilobytes.
  let recent: RecentSelection[] = [];
  let nextRecent = 0;

  function age(): void {
    old = young;
    young = new Map();
    youngBytes = 0;
    recent = [];
    nextRecent = 0;
  }

  function remember(selectionId: SelectionId, { compiled, lookups }: Entry): void {
    recent[nextRecent] = { selectionId: selectionId.keep(), compiled, lookups };
    nextRecent = (nextRecent + 1) % RECENT_SELECTIONS;
  }

  function find(selectionId: SelectionId): Entry | undefined {
    for (const entry of recent) {
      if (selectionId.equals(entry.selectionId)) return entry;
    }
    const entry = young.get(selectionId.toString());
    if (entry !== undefined) remember(selectionId, entry);
    return entry;
  }

  function keep(key: string, entry: Entry): void {
    const bytes = entryBytes(key, entry);
    if (bytes > halfBytes) return;
    if (youngBytes + bytes > halfBytes) age();
    young.set(key, entry);
    youngBytes += bytes;
  }

  return {
    planFor(request, snapshot) {
      if (snapshot !== current) {
        age();
        current = snapshot;
      }
      const { selectionId } = request;
      let entry = find(selectionId);
      if (entry === undefined) {
        const key = selectionId.toString();
        const before = old.get(key);
        entry =
          before?.lookups.holdFor(snapshot) === true
            ? before
            : compileOrFail(request, snapshot, compile);
        keep(key, entry);
      }
      const { compiled } = entry;
      if (isSideboardError(compiled)) throw compiled;
      return compiled;
    },
  };
}

function compileOrFail(
  request: RetrievalRequest,
  snapshot: RegistryDefinitions,
  compile: (selection: Selection, definitions: RegistryDefinitions) => RetrievalPlan,
): Entry {
  const { recorded, lookups } = recordLookups(snapshot);
  try {
    return { compiled: compile(request.selection(), recorded), lookups };
  } catch (error) {
    if (isSideboardError(error)) return { compiled: error, lookups };
    throw error;
  }
}

function entryBytes(key: string, { compiled, lookups }: Entry): number {
  const bytes = isSideboardError(compiled)
    ? ERROR_BYTES + 2 * compiled.message.length
    : compiled.sizeBytes;
  return ENTRY_BYTES + 2 * key.length + LOOKUPS_BYTES + LOOKUP_BYTES * lookups.count + bytes;
}
