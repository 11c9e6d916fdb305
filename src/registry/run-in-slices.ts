/** Work that may be interrupted where it yields. */
export type Work<T> = Generator<undefined, T>;

/**
 * How long work may hold the event loop at a time. A request waits for at most one slice whenever it needs the loop, which is
 * twice: when it comes, and when the store has answered.
 */
const SLICE_MS = 0.25;

/**
 * Runs work a slice at a time, letting the event loop serve whoever waits in between. A slice ends at the first `yield`
 * after a quarter of a millisecond.
 *
 * @returns what the work returns; rejects with what it throws
 */
export async function runInSlices<T>(work: Work<T>): Promise<T> {
  for (;;) {
    const endsAtMs = performance.now() + SLICE_MS;
    do {
      const step = work.next();
      if (step.done === true) return step.value;
    } while (performance.now() < endsAtMs);
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Runs work to its end at once, where nobody waits for anything else. */
export function runAtOnce<T>(work: Work<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
