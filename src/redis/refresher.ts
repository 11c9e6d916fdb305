import type { RedisRuntime, RedisTimer } from './redis-runtime.ts';

/** The least time from one look to the next, however many ask for one. */
const MIN_INTERVAL_MS = 100;

/** Repeats a task: now and then by itself, and soon when asked; never twice at once. */
export interface Refresher {
  /** Resolves when the task has run for the first time, well or not. */
  readonly first: Promise<void>;
  request(): void;
  close(): void;
}

/** @param task rejects where it failed; it is then repeated soon. */
export function startRefresher(
  runtime: RedisRuntime,
  intervalMs: number,
  task: () => Promise<void>,
): Refresher {
  const { promise: first, resolve } = Promise.withResolvers<void>();
  let isRunning = false;
  let isClosed = false;
  let isRequested = false;
  let failures = 0;
  let startedAtMs = Number.NEGATIVE_INFINITY;
  let timer: RedisTimer | undefined;
  const run = (): void => {
    timer = undefined;
    isRunning = true;
    isRequested = false;
    startedAtMs = runtime.now();
    task().then(
      () => end(0),
      () => end(failures + 1),
    );
  };
  const end = (newFailures: number): void => {
    isRunning = false;
    failures = newFailures;
    resolve();
    if (!isClosed) {
      schedule();
    }
  };
  const schedule = (): void => {
    timer?.cancel();
    const spread = 0.75 + runtime.random() / 2;
    const soonMs = Math.min(MIN_INTERVAL_MS * 2 ** Math.max(failures - 1, 0), 1_000) * spread;
    const delayMs = isRequested || failures > 0 ? soonMs : intervalMs * spread;
    timer = runtime.setTimer(run, Math.max(startedAtMs + delayMs - runtime.now(), 0));
  };
  run();
  return {
    first,
    request() {
      if (isRequested || isClosed) {
        return;
      }
      isRequested = true;
      if (!isRunning) {
        schedule();
      }
    },
    close() {
      isClosed = true;
      timer?.cancel();
      resolve();
    },
  };
}
