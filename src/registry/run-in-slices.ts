/**
 * Runs work that yields where it may be interrupted, a slice at a time, letting the event loop serve whoever waits in
 * between. A slice ends at the first `yield` after `sliceMs`.
 *
 * @returns what the work returns; rejects with what it throws
 */
export async function runInSlices<T>(work: Generator<undefined, T>, sliceMs: number): Promise<T> {
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
