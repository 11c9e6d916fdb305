/** Timers of Node hold at most this; nobody waits for so long. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The body of a request for as long as its caller waits for the answer. What comes after the deadline is left where it is.
 *
 * @param deadlineAtMs on the clock of `performance.now()`, asked when reading begins; `Infinity` = there is none
 * @param timeUp what is thrown then
 */
export async function* bodyUntilDeadline(
  body: AsyncIterable<Uint8Array>,
  deadlineAtMs: () => number,
  timeUp: () => Error,
): AsyncGenerator<Uint8Array, void, undefined> {
  const parts = body[Symbol.asyncIterator]();
  const late = Promise.withResolvers<never>();
  // It may come when nobody listens any more.
  late.promise.catch(() => {});
  const leftMs = deadlineAtMs() - performance.now();
  const timer =
    leftMs > MAX_TIMER_MS
      ? undefined
      : setTimeout(() => late.reject(timeUp()), Math.max(leftMs, 0));
  try {
    for (;;) {
      const part = await Promise.race([parts.next(), late.promise]);
      if (part.done === true) return;
      yield part.value;
    }
  } finally {
    clearTimeout(timer);
    // Not waited for: it comes after the part that may never come.
    parts.return?.().catch(() => {});
  }
}
