import { setTimeout as delay } from 'node:timers/promises';
import { restartDelayMs, STABLE_AFTER_MS } from './restart-delay.ts';
import type { WaitingConnection, WorkerExit, WorkerProcess } from './worker-process.ts';

/** A worker that does not serve by then is ended, and counts as failed. */
const START_TIMEOUT_MS = 60_000;
/** What a worker may take beyond its drain timeout before it is ended. */
const DRAIN_SLACK_MS = 5_000;
/** Connections that wait for a worker while there is none. */
const MAX_WAITING = 1024;

/** How to start workers, and whom to tell. */
export interface SupervisorOptions {
  readonly start: () => WorkerProcess;
  /** After which a worker that drains has ended by itself. */
  readonly drainTimeoutMs: number;
  /** A worker ended that should not have; it is started again after `delayMs`. */
  readonly onFailure: (pid: number, exit: WorkerExit, delayMs: number) => void;
  /** Any worker ended; what it counted should not be forgotten. */
  readonly onExit: (exit: WorkerExit) => void;
}

/** Keeps a number of workers running. */
export interface Supervisor {
  /** Workers that take connections. */
  readonly serving: readonly WorkerProcess[];
  /** Those, and workers that drain: all whose `onExit` is still to come and that have answered something. */
  readonly running: readonly WorkerProcess[];
  /** All workers, those that start among them. */
  readonly all: readonly WorkerProcess[];
  /** Workers that were started again after they had ended by themselves. */
  readonly restartCount: number;
  /**
   * Starts workers until there are `count`; none once it stops.
   *
   * @throws WorkerFailed (by rejection) when one of them ends before it serves
   */
  grow(count: number): Promise<void>;
  /**
   * Replaces all workers by new ones, `count` of them, one after the other: the new one serves before the old one drains.
   *
   * @throws WorkerFailed (by rejection) when a new one does not come to serve; the old ones that are left stay
   */
  replaceAll(count: number): Promise<void>;
  /** Gives a connection to the worker that has the fewest; while there is none, it waits. */
  give(connection: WaitingConnection): void;
  /** Drains all workers; resolves when the last is gone. */
  stop(): Promise<void>;
  /** Ends all workers at once. */
  kill(): void;
}

/** A worker that ended instead of coming to serve. */
export class WorkerFailed extends Error {
  override readonly name = 'WorkerFailed';
  readonly exit: WorkerExit;

  constructor(exit: WorkerExit) {
    super(`a worker ended before it served (${exit.code ?? exit.signal})`);
    this.exit = exit;
  }
}

/** One place among the workers: a process, and its successors when it fails. */
interface Slot {
  worker: WorkerProcess;
  isServing: boolean;
  isRunning: boolean;
  /** Until then nobody starts it again. */
  hasServed: boolean;
  /** No successor is wanted. */
  isRetired: boolean;
  /** Aborts the wait before a restart. */
  readonly retired: AbortController;
  /** Resolves when its last process is gone. */
  gone: Promise<void>;
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const slots = new Set<Slot>();
  const waiting: WaitingConnection[] = [];
  let restartCount = 0;
  let stopping = false;

  const give = (connection: WaitingConnection): void => {
    let least: WorkerProcess | undefined;
    for (const { worker, isServing } of slots) {
      if (isServing && worker.connectionCount < (least?.connectionCount ?? Infinity))
        least = worker;
    }
    if (least !== undefined) least.give(connection);
    else if (waiting.length < MAX_WAITING && !stopping) waiting.push(connection);
    else connection.socket.destroy();
  };

  /** Waits until the slot's worker serves. Resolves to its exit when it ends instead. */
  const watchStart = async (slot: Slot): Promise<WorkerExit | undefined> => {
    const { worker } = slot;
    const timer = setTimeout(() => worker.kill(), START_TIMEOUT_MS);
    const exit = await Promise.race([worker.serving.then(() => undefined), worker.exited]);
    clearTimeout(timer);
    if (exit !== undefined) return exit;
    slot.hasServed = true;
    slot.isRunning = true;
    slot.isServing = !slot.isRetired;
    for (const connection of waiting.splice(0)) give(connection);
    return undefined;
  };

  /** Watches a slot to its end. */
  const watch = async (slot: Slot): Promise<void> => {
    for (let failureCount = 0; ;) {
      const startedAtMs = performance.now();
      const exit = await slot.worker.exited;
      slot.isServing = false;
      slot.isRunning = false;
      options.onExit(exit);
      for (const connection of exit.untaken) give(connection);
      if (slot.isRetired || !slot.hasServed) break;
      failureCount = performance.now() - startedAtMs > STABLE_AFTER_MS ? 1 : failureCount + 1;
      const delayMs = restartDelayMs(failureCount, Math.random());
      options.onFailure(slot.worker.pid, exit, delayMs);
      await delay(delayMs, undefined, { signal: slot.retired.signal }).catch(() => {});
      if (slot.retired.signal.aborted) break;
      restartCount += 1;
      slot.worker = options.start();
      void watchStart(slot);
    }
    slots.delete(slot);
  };

  /** Starts a worker in a slot of its own. @throws WorkerFailed */
  const addSlot = async (): Promise<void> => {
    const slot: Slot = {
      worker: options.start(),
      isServing: false,
      isRunning: false,
      hasServed: false,
      isRetired: false,
      retired: new AbortController(),
      gone: Promise.resolve(),
    };
    slots.add(slot);
    slot.gone = watch(slot);
    const exit = await watchStart(slot);
    if (exit !== undefined && !slot.isRetired) throw new WorkerFailed(exit);
  };

  const retire = (slot: Slot): Promise<void> => {
    slot.isRetired = true;
    slot.isServing = false;
    slot.retired.abort();
    slot.worker.drain();
    const timer = setTimeout(() => slot.worker.kill(), options.drainTimeoutMs + DRAIN_SLACK_MS);
    return slot.gone.finally(() => clearTimeout(timer));
  };

  const replace = async (old: Slot | undefined): Promise<void> => {
    if (stopping) return;
    await addSlot();
    if (old !== undefined) await retire(old);
  };

  return {
    get serving() {
      return [...slots].filter(({ isServing }) => isServing).map(({ worker }) => worker);
    },
    get running() {
      return [...slots].filter(({ isRunning }) => isRunning).map(({ worker }) => worker);
    },
    get all() {
      return [...slots].map(({ worker }) => worker);
    },
    get restartCount() {
      return restartCount;
    },
    async grow(count): Promise<void> {
      const missing = stopping ? 0 : Math.max(0, count - slots.size);
      await Promise.all(Array.from({ length: missing }, addSlot));
    },
    async replaceAll(count): Promise<void> {
      const old = [...slots];
      for (let i = 0; i < count; i++) await replace(old[i]);
      await Promise.all(old.slice(count).map(retire));
    },
    give,
    async stop(): Promise<void> {
      stopping = true;
      for (const { socket } of waiting.splice(0)) socket.destroy();
      await Promise.all([...slots].map(retire));
    },
    kill(): void {
      for (const { worker } of slots) worker.kill();
    },
  };
}
