/**
 * Loaded into a server beside its program (`node --expose-gc --import …`): on SIGUSR2 it collects all garbage and prints
 * what is left as one line of JSON, `{"memory": …}`.
 */
process.on('SIGUSR2', () => {
  // Twice: what a finalizer lets go of in the first run is freed in the second.
  globalThis.gc?.();
  setImmediate(() => {
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    const memory = { rss, heapUsed, external, resources: process.getActiveResourcesInfo().length };
    process.stdout.write(`${JSON.stringify({ memory })}\n`);
  });
});
