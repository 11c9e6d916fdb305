/** Work that may be interrupted where it yields. */
export type Work<T> = Generator<undefined, T>;

/**
 * Runs work a slice at a time, letting the event loop serve whoever waits in between. A slice ends at the first `yield`
 * after `sliceMs`.
 *
 * @returns what the work returns; rejects with what it throws
 */
export async function runInSlices<T>(work: Work<T>, sliceMs: number): Promise<T> {
  for (;;) {
    const endsAtMs = performance.now() + sliceMs;
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
