import type { CallerSignal } from '../call/caller-signal.ts';
import { cancelled, deadlineExceeded } from '../errors.ts';

/** Timers of Node hold at most this; a later deadline needs none. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Waits for `work` as long as the caller does; what comes later is dropped.
 *
 * @throws SideboardError (by rejection) DEADLINE_EXCEEDED, CANCELLED, and what `work` rejects with
 */
export function untilDeadline<T>(
  work: Promise<T>,
  limits: { readonly deadlineAtMs: number; readonly signal?: CallerSignal | undefined },
): Promise<T> {
  const { deadlineAtMs, signal } = limits;
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      leave();
      reject(cancelled());
    };
    const onDeadline = (): void => {
      leave();
      reject(deadlineExceeded('while an on-demand feature view was computed'));
    };
    const leftMs = deadlineAtMs - performance.now();
    const timer = leftMs <= MAX_TIMER_MS ? setTimeout(onDeadline, leftMs) : undefined;
    work.then(resolve, reject).finally(leave);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}
