import type { AskingCall, Authorize } from '../call/access.ts';
import type { CallerSignal } from '../call/caller-signal.ts';
import type { RequestTiming } from '../call/request-timing.ts';
import assert from 'node:assert/strict';
import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import type { OnlineStore, StoredCells } from '../online-store/online-store.ts';
import type { RegistrySource } from '../registry/registry-model.ts';
import { measureResponse } from './assemble-response.ts';
import { bindEntities, type BoundEntities } from './bind-entities.ts';
import { ABSENT } from './cell-marks.ts';
import { checkStoredRows } from './check-stored-rows.ts';
import { coerceEntityColumn } from './coerce-entity-column.ts';
import { compilePlan } from './compile-plan.ts';
import { computeOnDemand } from './compute-on-demand.ts';
import type { TransformOnDemand } from './on-demand-plan.ts';
import { createPlanCache, type PlanCache } from './plan-cache.ts';
import { readByVectors } from './read-by-vectors.ts';
import { entityRowLengthMismatch, limitExceeded, messageTooLarge } from './retrieval-errors.ts';
import type { FunctionRunners } from './refuse-on-demand.ts';
import type { RetrievalPlan } from './retrieval-plan.ts';
import type {
  EntityColumn,
  RetrievalLimits,
  RetrievalRequest,
  RetrievalSemantics,
} from './retrieval-request.ts';
import type { RetrievedFeatures } from './retrieved-features.ts';
import { requestedObjects } from './requested-objects.ts';
import { settleRows, SettlingRoom } from './row-status.ts';
import type { OnVectors } from './vector-result.ts';

/** What a feature reader is made of. */
export interface FeatureReaderOptions {
  readonly registry: RegistrySource;
  readonly store: OnlineStore;
  readonly entityKeyVersion: EntityKeyVersion;
  readonly limits: RetrievalLimits;
  readonly semantics: RetrievalSemantics;
  /** Runs the functions of on-demand views; absent = they are refused. */
  readonly transform?: TransformOnDemand | undefined;
  /** Whose functions `transform` runs. */
  readonly runners?: FunctionRunners | undefined;
  /** Asked before anything is read; absent = everybody may read everything. */
  readonly authorize?: Authorize | undefined;
  /** Hears of every answer before it is written. */
  readonly onRetrieved?: (retrieved: RetrievedFeatures) => void;
  /** Hears what became of precomputed vectors. */
  readonly onVectors?: OnVectors | undefined;
}

const NOBODY: FunctionRunners = { delegates: false, computes: false };

/** What a request says besides its message. */
export interface ReadFeaturesOptions {
  /** Whether the protocol marks values older than their TTL; `semantics.onlineTtl` may overrule it. */
  readonly enforceTtl: boolean;
  /** Whole seconds since the epoch. */
  readonly nowSeconds: number;
  /** On the clock of `performance.now()`; `Infinity` = none. */
  readonly deadlineAtMs: number;
  readonly signal?: CallerSignal | undefined;
  /** The call that asks; needed where `authorize` is. */
  readonly call?: AskingCall | undefined;
  /** Whether values that cannot be read are marked instead of failing the request; `undefined` = as the server has it. */
  readonly partialResults?: boolean | undefined;
  /** Told when the stages of the read are over. */
  readonly timing?: RequestTiming | undefined;
}

/** The read path: from a decoded request to the rows that answer it. */
export interface FeatureReader {
  /**
   * Reads what a request asks for. The registry is looked at once, in the beginning, so that an answer belongs to one
   * snapshot; the store is asked once.
   *
   * @param answer makes something of what was read, whose memory is used for others as soon as it returns.
   * @throws SideboardError (by rejection) whatever is wrong with the request, see `compilePlan` and `coerceEntityColumn`;
   *   PERMISSION_DENIED, ENTITY_ROW_LENGTH_MISMATCH, LIMIT_EXCEEDED, MESSAGE_TOO_LARGE, CORRUPT_STORED_VALUE, REGISTRY_UNAVAILABLE, and what
   *   `OnlineStore.read` rejects with
   */
  read<T>(
    request: RetrievalRequest,
    options: ReadFeaturesOptions,
    answer: (retrieved: RetrievedFeatures) => T,
  ): Promise<T>;
}

/** Creates a feature reader; it holds the compiled plans of the registry. */
export function createFeatureReader(options: FeatureReaderOptions): FeatureReader {
  const { registry, store, limits, semantics, transform } = options;
  const plans = planCacheOf(options);

  function planFor(request: RetrievalRequest, call: AskingCall | undefined): RetrievalPlan {
    const snapshot = registry.current();
    const { authorize } = options;
    if (authorize === undefined) return plans.planFor(request, snapshot);
    let plan: RetrievalPlan;
    try {
      plan = plans.planFor(request, snapshot);
    } catch (error) {
      // What is wrong with a selection tells what there is: only to those who may see it.
      const objects = requestedObjects(request.selection(), snapshot);
      authorize(call, { action: 'READ_ONLINE', objects, snapshot });
      throw error;
    }
    authorize(call, { action: 'READ_ONLINE', objects: plan.requested, snapshot });
    return plan;
  }

  const room = new SettlingRoom();

  /** What is to be read, before anybody is asked. */
  function begin(request: RetrievalRequest, readOptions: ReadFeaturesOptions): AskedRows {
    const plan = planFor(request, readOptions.call);
    const rowCount = countRows(request, plan, limits);
    const columns = plan.entityColumns.map((column) =>
      coerceEntityColumn(
        request.columns[column.requestColumn]!,
        column,
        semantics.lossyEntityCoercion,
      ),
    );
    const bound = plan.groups.map((group) => bindEntities(group, columns, rowCount));
    readOptions.timing?.planned();
    return { request, readOptions, plan, rowCount, columns, bound };
  }

  /** One read, or two where precomputed vectors do not have it all. */
  function readGroups({ plan, bound, readOptions }: AskedRows): Promise<readonly StoredCells[]> {
    const { deadlineAtMs, signal, timing, partialResults } = readOptions;
    const limitsOfRead = {
      deadlineAtMs,
      signal,
      isPartial: partialResults ?? semantics.partialResults,
      onNodeRead: timing?.onNodeRead,
    };
    const { vectors, groups } = plan;
    if (vectors === undefined) {
      const reads = groups.map(({ prepared }, g) => ({ prepared, keys: bound[g]!.keys }));
      return store.read(reads, limitsOfRead);
    }
    return readByVectors({ vectors, group: groups[0]! }, bound[0]!.keys, {
      store,
      limits: limitsOfRead,
      onVectors: options.onVectors,
    });
  }

  /** Everything after the store's answer, at once: what is checked and settled is answered before anything else happens. */
  function finish<T>(
    plan: RetrievalPlan,
    { rowCount, columns, readOptions }: AskedRows,
    bound: readonly BoundEntities[],
    groupCells: readonly StoredCells[],
    answer: (retrieved: RetrievedFeatures) => T,
  ): T {
    checkGroups(plan, bound, groupCells);
    const groups = plan.groups.map(({ prepared: { width } }, g) => {
      const { keys, entityOfRow } = bound[g]!;
      return { cells: groupCells[g]!, width, entityCount: keys.length, entityOfRow };
    });
    const entityColumns = plan.entityOutputs.map((index) => columns[index]!);
    const rules = {
      semantics,
      enforceTtl: enforcesTtl(semantics, readOptions),
      nowSeconds: readOptions.nowSeconds,
    };
    const settled = settleRows(plan, entityColumns, groups, rowCount, rules, room);
    const { statuses, valueFieldBytes, lostCount } = settled;
    const sized = { plan, rowCount, entityColumns, groups, statuses, valueFieldBytes, lostCount };
    const responseBytes = measureResponse(sized);
    const { maxResponseBytes } = limits;
    if (responseBytes > maxResponseBytes) {
      throw messageTooLarge('response', responseBytes, maxResponseBytes, 'max_response_bytes');
    }
    const retrieved = { ...sized, responseBytes };
    options.onRetrieved?.(retrieved);
    const answered = answer(retrieved);
    // An answer that fails leaves its memory to the garbage collector.
    for (const cells of groupCells) cells.release?.();
    return answered;
  }

  return {
    async read(request, readOptions, answer) {
      const asked = begin(request, readOptions);
      const groupCells = await readGroups(asked);
      readOptions.timing?.stored();
      const { plan, bound } = asked;
      if (plan.onDemand === undefined) return finish(plan, asked, bound, groupCells, answer);
      // Functions of on-demand views run elsewhere: the one kind of answer that waits twice.
      checkGroups(plan, bound, groupCells);
      const rows = { ...asked, groupCells };
      const computed = await computeOnDemand(plan.onDemand, rows, transform!, readOptions);
      return finish(
        plan.onDemand.answer,
        asked,
        [...bound, ...computed.map((view) => view.bound)],
        [...groupCells, ...computed.map(({ cells }) => cells)],
        answer,
      );
    },
  };
}

/** What a request asks for, resolved. */
interface AskedRows {
  readonly request: RetrievalRequest;
  readonly readOptions: ReadFeaturesOptions;
  readonly plan: RetrievalPlan;
  readonly rowCount: number;
  /** Aligned with `RetrievalPlan.entityColumns`, converted. */
  readonly columns: readonly EntityColumn[];
  /** One per group of the plan. */
  readonly bound: readonly BoundEntities[];
}

function planCacheOf(options: FeatureReaderOptions): PlanCache {
  const { store, entityKeyVersion, limits, semantics } = options;
  const context = {
    store,
    entityKeyVersion,
    readEntitylessPushes: semantics.readEntitylessPushes,
    maxFeatures: limits.maxFeatures,
    // Where there are permissions, a name that was nearly guessed is not given away.
    suggests: options.authorize === undefined,
    runners: options.runners ?? NOBODY,
  };
  return createPlanCache(limits.planCacheBytes, (selection, snapshot) =>
    compilePlan(selection, { ...context, snapshot }),
  );
}

/** The number of rows of every column. @throws SideboardError ENTITY_ROW_LENGTH_MISMATCH, LIMIT_EXCEEDED */
function countRows(
  { columns, contextColumns }: RetrievalRequest,
  plan: RetrievalPlan,
  { maxRows, maxCells }: RetrievalLimits,
): number {
  const rowCount = columns[0]!.starts.length;
  if (!haveLength(columns, rowCount) || !haveLength(contextColumns, rowCount)) {
    throw entityRowLengthMismatch(
      [...columns, ...contextColumns].map(({ name, starts }) => `${name}: ${starts.length}`),
    );
  }
  if (rowCount > maxRows) throw limitExceeded('rows', rowCount, maxRows, 'max_rows');
  const { outputNames, entityOutputs, onDemand } = plan;
  const width = outputNames.length - entityOutputs.length + (onDemand?.inputCount ?? 0);
  const cellCount = rowCount * width;
  if (cellCount > maxCells) {
    throw limitExceeded('values (rows × features)', cellCount, maxCells, 'max_cells');
  }
  return rowCount;
}

function haveLength(columns: readonly EntityColumn[], rowCount: number): boolean {
  for (const { starts } of columns) if (starts.length !== rowCount) return false;
  return true;
}

/** Checks what was read; where a group has no row under its key, that under its fallback key counts from here on. */
function checkGroups(
  plan: RetrievalPlan,
  bound: readonly BoundEntities[],
  groupCells: readonly StoredCells[],
): void {
  for (let g = 0; g < plan.groups.length; g++) {
    const group = plan.groups[g]!;
    const { keys, entityOfRow } = bound[g]!;
    const cells = groupCells[g]!;
    const { width } = group.prepared;
    assert.equal(cells.starts.length, keys.length * width, 'a store returns what it was asked for');
    checkStoredRows(group, keys, cells);
    if (group.fallbackKey !== undefined && isAbsent(cells, width)) entityOfRow.fill(1);
  }
}

/** Whether nothing is stored for the first entity of a group. */
function isAbsent({ starts }: StoredCells, width: number): boolean {
  for (let cell = 0; cell < width; cell++) if (starts[cell] !== ABSENT) return false;
  return true;
}

function enforcesTtl(
  { onlineTtl }: RetrievalSemantics,
  { enforceTtl }: ReadFeaturesOptions,
): boolean {
  return onlineTtl === 'protocol' ? enforceTtl : onlineTtl === 'enforce';
}
