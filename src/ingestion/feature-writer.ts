import type { AccessRequest, AskingCall, Authorize, GuardedObject } from '../call/access.ts';
import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import { featureViewNotFound, isSideboardError, SideboardError } from '../errors.ts';
import type { OnlineStore, ReadOptions, WriteResult } from '../online-store/online-store.ts';
import type {
  RegistrySnapshot,
  RegistrySource,
  ViewDefinition,
} from '../registry/registry-model.ts';
import { canCompute, computeFrame } from './compute-on-write.ts';
import type { WriteComputer } from './compute-on-write.ts';
import { carryOut, isSmall, PlannedRows, planWrite } from './planned-write.ts';
import type { FrameTarget, PlannedWrite, WriteOutcome } from './planned-write.ts';
import {
  invalidWrite,
  offlineWriteUnsupported,
  pushSourceNotFound,
  unknownPushTarget,
} from './write-errors.ts';
import type { WriteFrame } from './write-frame.ts';
import { bytesOfFrame, openWriteGate } from './write-gate.ts';
import { compileWritePlan } from './write-plan.ts';
import type { WritePlan } from './write-plan.ts';

/** What a feature writer is made of. */
export interface FeatureWriterOptions {
  readonly registry: RegistrySource;
  readonly store: OnlineStore;
  readonly entityKeyVersion: EntityKeyVersion;
  /** Encoded bytes that may be on their way to the store at once. */
  readonly maxPendingBytes: number;
  /** Asked before anything is planned; absent = everybody may write everything. */
  readonly authorize?: Authorize | undefined;
  /** Runs the functions of on-demand views that are written; absent = their values have to be sent. */
  readonly computer?: WriteComputer | undefined;
}

/** Limits of one write, and which registry it may go by. */
export interface WriteOptions extends ReadOptions {
  /**
   * Feast's `allow_registry_cache`. `false` = a copy that was confirmed more than a moment ago, or that does not know the
   * name, is read again first; where that fails the last good copy counts.
   */
  readonly allowRegistryCache: boolean;
  /** The call that writes; needed where `authorize` is. */
  readonly call?: AskingCall | undefined;
}

/** A copy of the registry younger than this is the newest for whoever allows no cache. */
const NEWEST_MS = 2_000;

/** What rows are written to: every view that a push source feeds, or one view. */
export interface WriteTarget {
  readonly kind: 'push_source' | 'feature_view';
  readonly name: string;
}

/** A write to all views of a push source. */
export interface PushCommand {
  readonly pushSourceName: string;
  readonly frame: WriteFrame;
  /** Feast's push mode. */
  readonly to: string;
}

/** A write to one view. */
export interface WriteCommand {
  readonly viewName: string;
  readonly frame: WriteFrame;
  /** Whether an on-demand view is to be computed from the frame; nothing else has anything to transform. */
  readonly transformOnWrite: boolean;
}

/** Writes what callers send into the online store. */
export interface FeatureWriter {
  /**
   * Writes a frame to every view that the push source feeds, all of them even where one fails.
   *
   * @throws SideboardError PERMISSION_DENIED, PUSH_SOURCE_NOT_FOUND, OFFLINE_WRITE_UNSUPPORTED, INVALID_REQUEST, OVERLOADED, and what the store
   *   throws: the code of the first failure (in the order of the registry), the text of all.
   */
  push(command: PushCommand, options: WriteOptions): Promise<WriteResult>;
  /**
   * @throws SideboardError PERMISSION_DENIED, FEATURE_VIEW_NOT_FOUND, UNSUPPORTED_OPERATION, INVALID_REQUEST, OVERLOADED, and as
   *   `computeFrame` for an on-demand view
   */
  write(command: WriteCommand, options: WriteOptions): Promise<WriteResult>;
  /**
   * Adds the rows of a frame to others, by the registry as it is now; what a view does not take is told by `carryOut`. Of many
   * rows a promise, until which nothing else may be added.
   *
   * @throws SideboardError PERMISSION_DENIED, PUSH_SOURCE_NOT_FOUND, FEATURE_VIEW_NOT_FOUND, UNSUPPORTED_OPERATION
   */
  plan(
    target: WriteTarget,
    frame: WriteFrame,
    call: AskingCall | undefined,
    rows: PlannedRows,
  ): PlannedWrite | Promise<PlannedWrite>;
  /** Writes what was planned, waiting for its turn where too much is on its way. */
  carryOut(
    planned: readonly PlannedWrite[],
    rows: PlannedRows,
    limits: ReadOptions,
  ): Promise<WriteOutcome>;
}

/** Creates a feature writer; it holds the compiled plans of the registry. */
export function createFeatureWriter(options: FeatureWriterOptions): FeatureWriter {
  const { registry, store, computer } = options;
  const gate = openWriteGate(options.maxPendingBytes);
  /** Of large frames, which take their turns to be made into rows. */
  const frameGate = openWriteGate(options.maxPendingBytes);
  const plans = createPlanCache(options);
  /** Why rows of a stream are not taken, whoever sends them: found out once, as looking for similar names takes a while. */
  const refused = new WeakMap<WriteTarget, Refusal>();

  const refreshFor = async (
    isKnown: (snapshot: RegistrySnapshot) => boolean,
    { allowRegistryCache }: WriteOptions,
  ): Promise<void> => {
    const isGood = registry.ageMs() <= NEWEST_MS && isKnown(registry.current());
    if (!allowRegistryCache && !isGood) {
      // A registry that is away is no reason to lose a write.
      await registry.refresh().catch(() => false);
    }
  };
  // Where there are permissions, a name that was nearly guessed is not given away.
  const namesToTell = (named: ReadonlyMap<string, unknown>): Iterable<string> =>
    options.authorize === undefined ? named.keys() : [];
  const resolve = (
    { kind, name }: WriteTarget,
    { call, transformOnWrite }: PlanOptions,
  ): FrameTarget => {
    const snapshot = registry.current();
    const planOf = (viewName: string): WritePlan => plans(snapshot, snapshot.views.get(viewName)!);
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    if (kind === 'push_source') {
      const viewNames = snapshot.pushSources.get(name);
      if (viewNames === undefined) {
        throw pushSourceNotFound(name, namesToTell(snapshot.pushSources));
      }
      options.authorize?.(call, writeTo(snapshot, viewNames));
      return { viewNames, planOf, options: { takesRemoteNames: false, nowNs } };
    }
    const view = snapshot.views.get(name);
    if (view === undefined) {
      throw featureViewNotFound(name, snapshot.project, namesToTell(snapshot.views));
    }
    options.authorize?.(call, writeTo(snapshot, view));
    requireWritable(view, transformOnWrite);
    return { viewNames: [name], planOf, options: { takesRemoteNames: true, nowNs } };
  };
  const writeOne = async (
    target: FrameTarget,
    frame: WriteFrame,
    limits: ReadOptions,
  ): Promise<WriteResult> => {
    const rows = new PlannedRows();
    const planning = planWrite(target, frame, rows);
    const planned = planning instanceof Promise ? await planning : planning;
    const to = { store, gate, limits };
    const { written, stale, errors } = await carryOut([planned], rows, to, false);
    if (errors[0] !== undefined) throw errors[0];
    return { written, stale };
  };
  const writeInTurn = (
    target: FrameTarget,
    frame: WriteFrame,
    limits: ReadOptions,
  ): Promise<WriteResult> => {
    const write = (): Promise<WriteResult> => writeOne(target, frame, limits);
    return isSmall(target.viewNames, frame)
      ? write()
      : frameGate.run(bytesOfFrame(frame), write, false);
  };

  return {
    async push({ pushSourceName, frame, to }, writeOptions) {
      requireOnline(to);
      await refreshFor(({ pushSources }) => pushSources.has(pushSourceName), writeOptions);
      const target = { kind: 'push_source', name: pushSourceName } as const;
      const found = resolve(target, { ...writeOptions, transformOnWrite: true });
      return writeInTurn(found, frame, writeOptions);
    },
    async write({ viewName, frame, transformOnWrite }, writeOptions) {
      await refreshFor(({ views }) => views.has(viewName), writeOptions);
      const target = { kind: 'feature_view', name: viewName } as const;
      const snapshot = registry.current();
      const view = snapshot.views.get(viewName);
      if (!transformOnWrite || view?.onDemand?.writeToOnlineStore !== true) {
        const found = resolve(target, { ...writeOptions, transformOnWrite });
        return writeInTurn(found, frame, writeOptions);
      }
      options.authorize?.(writeOptions.call, writeTo(snapshot, view));
      requireWritable(view, !canCompute(view, computer));
      const context = { snapshot, computer: computer!, limits: writeOptions };
      const computed = await computeFrame(view, frame, context);
      const found = resolve(target, { ...writeOptions, transformOnWrite: false });
      return writeInTurn(found, computed, writeOptions);
    },
    plan(target, frame, call, rows) {
      const snapshot = registry.current();
      const before = refused.get(target);
      if (before?.snapshot === snapshot) throw before.error;
      try {
        return planWrite(resolve(target, { call, transformOnWrite: true }), frame, rows);
      } catch (error) {
        if (isSideboardError(error) && error.code !== 'PERMISSION_DENIED') {
          refused.set(target, { snapshot, error });
        }
        throw error;
      }
    },
    carryOut: (planned, rows, limits) => carryOut(planned, rows, { store, gate, limits }, true),
  };
}

interface Refusal {
  readonly snapshot: RegistrySnapshot;
  readonly error: SideboardError;
}

interface PlanOptions extends Pick<WriteOptions, 'call'> {
  readonly transformOnWrite: boolean;
}

/** What was granted is remembered by the array of objects, so that each view and each list of names has one. */
const OBJECTS = new WeakMap<ViewDefinition | readonly string[], readonly GuardedObject[]>();

function writeTo(
  snapshot: RegistrySnapshot,
  written: ViewDefinition | readonly string[],
): AccessRequest {
  let objects = OBJECTS.get(written);
  if (objects === undefined) {
    objects =
      'kind' in written ? [written] : written.map((viewName) => snapshot.views.get(viewName)!);
    OBJECTS.set(written, objects);
  }
  return { action: 'WRITE_ONLINE', objects, snapshot };
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

function requireWritable(view: ViewDefinition, lacksFunction: boolean): void {
  if (view.kind !== 'on_demand_feature_view') {
    return;
  }
  if (view.onDemand?.writeToOnlineStore !== true) {
    throw invalidWrite(view.name, 'is computed when it is read (write_to_online_store is false)');
  }
  if (lacksFunction) {
    throw new SideboardError(
      'UNSUPPORTED_OPERATION',
      `feature view ${view.name} is computed by a function of mode ${view.onDemand.mode}, which is not run for this write; send computed values with transform_on_write = false, or write with Feast`,
    );
  }
}

/** Plans by view; a view that changes is another definition, so nothing is ever invalidated. */
function createPlanCache({
  entityKeyVersion,
}: FeatureWriterOptions): (snapshot: RegistrySnapshot, view: ViewDefinition) => WritePlan {
  const plans = new WeakMap<ViewDefinition, WritePlan>();
  return (snapshot, view) => {
    const plan = plans.get(view) ?? compileWritePlan(view, { snapshot, entityKeyVersion });
    plans.set(view, plan);
    return plan;
  };
}
