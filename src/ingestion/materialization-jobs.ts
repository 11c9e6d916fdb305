import type { AskingCall, Authorize } from '../call/access.ts';
import { SideboardError } from '../errors.ts';
import type { RegistrySource } from '../registry/registry-model.ts';
import type { MaterializationScope } from './materialize.ts';
import { selectViews } from './select-views.ts';

/** What a caller wants to be materialized. */
export interface MaterializationRequest {
  readonly scope: MaterializationScope;
  /** `undefined` = all that are online and enabled; empty = none. */
  readonly viewNames: readonly string[] | undefined;
  /** Such as `v2`; needs exactly one view. */
  readonly version: string | undefined;
  /** The call that wants it; needed where `authorize` is. */
  readonly call?: AskingCall | undefined;
}

/** A run whose views are settled. */
export interface MaterializationRun extends Omit<MaterializationRequest, 'viewNames' | 'call'> {
  readonly viewNames: readonly string[];
}

/** What jobs are carried out with. */
export interface MaterializationBackend {
  readonly registry: RegistrySource;
  /** Asked before anything is begun; absent = everybody may materialize everything. */
  readonly authorize?: Authorize | undefined;
  /** Whether there is a transformation server, for on-demand views of mode `pandas`. */
  readonly delegates: boolean;
  /** Runs beside the requests; rejects with what `materialize` throws. */
  run(run: MaterializationRun, signal: AbortSignal): Promise<void>;
  /**
   * Marks views as being materialized where everybody can see it. `undefined` where the registry cannot be written.
   *
   * @returns the views that others have already, or how to take the marks away.
   */
  readonly reserve?: (
    viewNames: readonly string[],
    force: boolean,
  ) => Promise<{ readonly taken: readonly string[] } | { readonly release: () => Promise<void> }>;
  /** Runs at once; further ones wait. */
  readonly maxRunning: number;
  /** Waiting ones; further ones are refused. */
  readonly maxWaiting: number;
  /** A run that nobody waits for has failed. */
  readonly onFailure: (viewNames: readonly string[], error: unknown) => void;
}

/** How a job in the background began. */
export type StartedJob =
  | { readonly kind: 'accepted'; readonly viewNames: readonly string[] }
  | { readonly kind: 'conflict'; readonly viewNames: readonly string[] };

/** Materializations that a server carries out for its callers. */
export interface MaterializationJobs {
  /** Resolves when everything is in the store. @throws SideboardError as `materialize`; PERMISSION_DENIED, OVERLOADED */
  run(request: MaterializationRequest): Promise<void>;
  /**
   * Begins a run in the background, unless one of its views is being materialized already.
   *
   * @param force takes views over from a run that left them marked.
   */
  start(request: MaterializationRequest, force: boolean): Promise<StartedJob>;
  /** Ends what is running, at a point from which it can be repeated. */
  close(): Promise<void>;
}

export function createMaterializationJobs(backend: MaterializationBackend): MaterializationJobs {
  const { registry, maxRunning, maxWaiting } = backend;
  const closing = new AbortController();
  const jobs = new Set<Promise<void>>();
  const waiting: (() => void)[] = [];
  const inBackground = new Set<string>();
  let running = 0;

  const settle = (request: MaterializationRequest): MaterializationRun => {
    const { viewNames, version, scope, call } = request;
    if (viewNames?.length === 0 && version === undefined) {
      return { viewNames: [], version, scope };
    }
    const snapshot = registry.current();
    const { delegates } = backend;
    const { selected, computed } = selectViews(snapshot, { names: viewNames, version, delegates });
    const objects = [...selected, ...computed].map(({ view }) => view);
    backend.authorize?.(call, { action: 'WRITE_ONLINE', objects, snapshot });
    return { viewNames: objects.map(({ name }) => name), version, scope };
  };
  const enter = async (): Promise<void> => {
    if (running < maxRunning) {
      running++;
      return;
    }
    if (waiting.length >= maxWaiting) {
      throw new SideboardError('OVERLOADED', `${waiting.length} materializations wait already`);
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  };
  const carryOut = async (run: MaterializationRun): Promise<void> => {
    if (run.viewNames.length === 0) return;
    await enter();
    try {
      closing.signal.throwIfAborted();
      await backend.run(run, closing.signal);
    } finally {
      leave();
      // What it recorded is to be seen by whoever asks next.
      await registry.refresh().catch(() => false);
    }
  };
  const track = (job: Promise<void>): Promise<void> => {
    jobs.add(job);
    const forget = (): void => void jobs.delete(job);
    job.then(forget, forget);
    return job;
  };

  return {
    run: (request) => track(carryOut(settle(request))),
    async start(request, force) {
      const run = settle(request);
      const { viewNames } = run;
      const taken = viewNames.filter((name) => inBackground.has(name));
      if (taken.length > 0 && !force) return { kind: 'conflict', viewNames: taken };
      for (const name of viewNames) inBackground.add(name);
      const forget = (): void => {
        for (const name of viewNames) inBackground.delete(name);
      };
      let release: (() => Promise<void>) | undefined;
      try {
        const reservation = await backend.reserve?.(viewNames, force);
        if (reservation !== undefined && 'taken' in reservation) {
          forget();
          return { kind: 'conflict', viewNames: reservation.taken };
        }
        release = reservation?.release;
      } catch (error) {
        forget();
        throw error;
      }
      const job = carryOut(run)
        .catch((error: unknown) => backend.onFailure(viewNames, error))
        .then(() => release?.())
        .catch((error: unknown) => backend.onFailure(viewNames, error))
        .finally(forget);
      void track(job);
      return { kind: 'accepted', viewNames };
    },
    async close() {
      closing.abort(new SideboardError('CANCELLED', 'the server is stopping'));
      while (waiting.length > 0) waiting.shift()!();
      await Promise.allSettled(jobs);
    },
  };
}
