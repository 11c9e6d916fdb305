import type { EntityRead, OnlineStore } from '../online-store/online-store.ts';
import type { Metrics } from './metrics.ts';
import { exposeStoreFigures } from './store-figures.ts';

/** The same store, with its reads counted and timed. */
export function observeOnlineStore(store: OnlineStore, metrics: Metrics): OnlineStore {
  exposeStoreFigures(metrics.registry, store);
  const onRead = metrics.watchStore(store.kind);
  return {
    kind: store.kind,
    readsUnknownViews: store.readsUnknownViews,
    prepare: (layout) => store.prepare(layout),
    read(reads, options) {
      const startedAtMs = performance.now();
      const keyCount = countKeys(reads);
      return store.read(reads, options).then(
        (rows) => {
          onRead(keyCount, performance.now() - startedAtMs, false);
          return rows;
        },
        (error: unknown) => {
          onRead(keyCount, performance.now() - startedAtMs, true);
          throw error;
        },
      );
    },
    write: (batch, options) => store.write(batch, options),
    update: (project, keep, remove) => store.update(project, keep, remove),
    ping: (options) => store.ping(options),
    check: () => store.check(),
    inspect: (project, entityKey, views) => store.inspect(project, entityKey, views),
    close: () => store.close(),
  };
}

function countKeys(reads: readonly EntityRead[]): number {
  let count = 0;
  for (const read of reads) count += read.keys.length;
  return count;
}
