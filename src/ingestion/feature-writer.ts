import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import { featureViewNotFound, isSideboardError, SideboardError } from '../errors.ts';
import type { OnlineStore, ReadOptions, WriteResult } from '../online-store/online-store.ts';
import type {
  RegistrySnapshot,
  RegistrySource,
  ViewDefinition,
} from '../registry/registry-model.ts';
import { planRows } from './plan-rows.ts';
import type { RowOptions } from './plan-rows.ts';
import {
  invalidWrite,
  offlineWriteUnsupported,
  pushSourceNotFound,
  unknownPushTarget,
} from './write-errors.ts';
import type { WriteFrame } from './write-frame.ts';
import { openWriteGate } from './write-gate.ts';
import type { WriteGate } from './write-gate.ts';
import { compileWritePlan } from './write-plan.ts';
import type { WritePlan } from './write-plan.ts';

/** What a feature writer is made of. */
export interface FeatureWriterOptions {
  readonly registry: RegistrySource;
  readonly store: OnlineStore;
  readonly entityKeyVersion: EntityKeyVersion;
  /** Encoded bytes that may be on their way to the store at once. */
  readonly maxPendingBytes: number;
}

/** Limits of one write, and which registry it may go by. */
export interface WriteOptions extends ReadOptions {
  /**
   * Feast's `allow_registry_cache`. `false` = a copy that was confirmed more than a moment ago, or that does not know the
   * name, is read again first; where that fails the last good copy counts.
   */
  readonly allowRegistryCache: boolean;
}

/** A copy of the registry younger than this is the newest for whoever allows no cache. */
const NEWEST_MS = 2_000;

/** A write to all views of a push source. */
export interface PushCommand {
  readonly pushSourceName: string;
  readonly frame: WriteFrame;
  /** Feast's push mode; empty = `online`. */
  readonly to: string;
}

/** A write to one view. */
export interface WriteCommand {
  readonly viewName: string;
  readonly frame: WriteFrame;
  /** Whether on-demand views are to be computed; nothing else has anything to transform. */
  readonly transformOnWrite: boolean;
}

/** Writes what callers send into the online store. */
export interface FeatureWriter {
  /**
   * Writes a frame to every view that the push source feeds, all of them even where one fails.
   *
   * @throws SideboardError PUSH_SOURCE_NOT_FOUND, OFFLINE_WRITE_UNSUPPORTED, INVALID_REQUEST, OVERLOADED, and what the store
   *   throws: the code of the first failure (in the order of the registry), the text of all.
   */
  push(command: PushCommand, options: WriteOptions): Promise<WriteResult>;
  /** @throws SideboardError FEATURE_VIEW_NOT_FOUND, UNSUPPORTED_OPERATION, INVALID_REQUEST, OVERLOADED, … */
  write(command: WriteCommand, options: WriteOptions): Promise<WriteResult>;
}

/** Creates a feature writer; it holds the compiled plans of the current registry snapshot. */
export function createFeatureWriter(options: FeatureWriterOptions): FeatureWriter {
  const { registry, store } = options;
  const gate = openWriteGate(options.maxPendingBytes);
  const plans = createPlanCache(options);

  const snapshotFor = async (
    isKnown: (snapshot: RegistrySnapshot) => boolean,
    { allowRegistryCache }: WriteOptions,
  ): Promise<RegistrySnapshot> => {
    const isGood = registry.ageMs() <= NEWEST_MS && isKnown(registry.current());
    if (!allowRegistryCache && !isGood) {
      // A registry that is away is no reason to lose a write.
      await registry.refresh().catch(() => false);
    }
    return registry.current();
  };

  return {
    async push({ pushSourceName, frame, to }, writeOptions) {
      requireOnline(to);
      const snapshot = await snapshotFor(
        ({ pushSources }) => pushSources.has(pushSourceName),
        writeOptions,
      );
      const viewNames = snapshot.pushSources.get(pushSourceName);
      if (viewNames === undefined) {
        throw pushSourceNotFound(pushSourceName);
      }
      const target = { gate, store, row: rowOptions(false), limits: writeOptions };
      const writes = viewNames.map((name) =>
        writeView(() => plans(snapshot, snapshot.views.get(name)!), frame, target),
      );
      const outcomes = await Promise.allSettled(writes);
      return summarize(viewNames, outcomes);
    },
    async write({ viewName, frame, transformOnWrite }, writeOptions) {
      const snapshot = await snapshotFor(({ views }) => views.has(viewName), writeOptions);
      const view = snapshot.views.get(viewName);
      if (view === undefined) {
        throw featureViewNotFound(viewName, snapshot.project);
      }
      requireWritable(view, transformOnWrite);
      const target = { gate, store, row: rowOptions(true), limits: writeOptions };
      return writeView(() => plans(snapshot, view), frame, target);
    },
  };
}

/** @throws SideboardError where the push mode is none, or has to do with the offline store. */
function requireOnline(to: string): void {
  switch (to) {
    case 'online':
      return;
    case 'offline':
    case 'online_and_offline':
      throw offlineWriteUnsupported(to);
    default:
      throw unknownPushTarget(to);
  }
}

function requireWritable(view: ViewDefinition, transformOnWrite: boolean): void {
  if (view.kind !== 'on_demand_feature_view') {
    return;
  }
  if (view.onDemand?.writeToOnlineStore !== true) {
    throw invalidWrite(view.name, 'is computed when it is read (write_to_online_store is false)');
  }
  if (transformOnWrite) {
    throw new SideboardError(
      'UNSUPPORTED_OPERATION',
      `feature view ${view.name} is computed by a ${view.onDemand.mode} function, which does not run here; send computed values with transform_on_write = false, or write with Feast`,
    );
  }
}

function rowOptions(takesRemoteNames: boolean): RowOptions {
  return { takesRemoteNames, nowNs: BigInt(Date.now()) * 1_000_000n };
}

interface ViewWrite {
  readonly gate: WriteGate;
  readonly store: OnlineStore;
  readonly row: RowOptions;
  readonly limits: ReadOptions;
}

async function writeView(
  planOf: () => WritePlan,
  frame: WriteFrame,
  { gate, store, row, limits }: ViewWrite,
): Promise<WriteResult> {
  const plan = planOf();
  const rows = planRows(plan, frame, row);
  if (rows.length === 0) {
    return { written: 0, stale: 0 };
  }
  const { project, joinKeyNames: joinKeys, layout: view } = plan;
  return gate.run(rows, () => store.write({ project, joinKeys, view, rows }, limits));
}

function summarize(
  viewNames: readonly string[],
  outcomes: readonly PromiseSettledResult<WriteResult>[],
): WriteResult {
  const total = { written: 0, stale: 0 };
  const written: string[] = [];
  const failures: unknown[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === 'rejected') {
      failures.push(outcome.reason);
    } else {
      total.written += outcome.value.written;
      total.stale += outcome.value.stale;
      written.push(viewNames[i]!);
    }
  }
  if (failures.length > 0) {
    throw firstFailure(failures, written);
  }
  return total;
}

/** The first failure, saying what else failed and what was written all the same. */
function firstFailure(failures: readonly unknown[], written: readonly string[]): unknown {
  const [first] = failures;
  const bug = failures.find((failure) => !isSideboardError(failure));
  if (bug !== undefined || !isSideboardError(first)) {
    return bug ?? first;
  }
  const texts = new Set(failures.map((failure) => (failure as SideboardError).message));
  const rest = written.length === 0 ? '' : `; written all the same: ${written.join(', ')}`;
  return new SideboardError(first.code, `${[...texts].join('; ')}${rest}`, { cause: first.cause });
}

/** Plans by view; a new snapshot starts with none, so nothing is ever invalidated. */
function createPlanCache({
  entityKeyVersion,
}: FeatureWriterOptions): (snapshot: RegistrySnapshot, view: ViewDefinition) => WritePlan {
  const bySnapshot = new WeakMap<RegistrySnapshot, Map<ViewDefinition, WritePlan>>();
  return (snapshot, view) => {
    const plans = bySnapshot.get(snapshot) ?? new Map<ViewDefinition, WritePlan>();
    bySnapshot.set(snapshot, plans);
    const plan = plans.get(view) ?? compileWritePlan(view, { snapshot, entityKeyVersion });
    plans.set(view, plan);
    return plan;
  };
}
