const FIRST_MS = 200;
const LONGEST_MS = 30_000;
/** A worker that lived for so long was not failing at its start. */
export const STABLE_AFTER_MS = 30_000;

/**
 * How long to wait before a worker is started again: nothing after a first failure, then 0.2 s, doubled with each failure
 * that follows up to 30 s, less up to a fifth at random, so that workers that fail together do not start together.
 *
 * @param failureCount failures in a row, 1 or more
 * @param random from 0 to 1
 */
export function restartDelayMs(failureCount: number, random: number): number {
  if (failureCount <= 1) return 0;
  const delayMs = Math.min(FIRST_MS * 2 ** (failureCount - 2), LONGEST_MS);
  return Math.round(delayMs * (1 - 0.2 * random));
}
