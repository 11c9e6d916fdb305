import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import type { OnlineStore } from '../../src/online-store/online-store.ts';
import type { RedisOnlineStoreOptions } from '../../src/online-store/redis-online-store.ts';
import {
  adminClient,
  freePort,
  startRedis,
  startRedisSentinel,
  type RedisServer,
} from '../support/redis-server.ts';
import { describeOnlineStore } from './contract.ts';
import { describeRedisWrites, REDIS_DEFAULTS } from './redis-contract.ts';
import { entityKey, int64, NEW_YEAR_NS, openView, row, soon } from './store-fixture.ts';

/** Runs `test` on a store over one Redis and ends both. */
async function withRedis(
  changes: Partial<RedisOnlineStoreOptions>,
  test: (store: OnlineStore, server: RedisServer) => Promise<void>,
): Promise<void> {
  const server = await startRedis();
  const options = { ...REDIS_DEFAULTS, kind: 'redis', nodes: [server], ...changes } as const;
  const store = await openOnlineStore(options);
  try {
    await test(store, server);
  } finally {
    await store.close();
    await server.stop();
  }
}

describe('a Redis that hangs', () => {
  it('costs a read no more than its deadline, and later answers are right', () =>
    withRedis({}, async (store, server) => {
      const view = await openView(store);
      const ids = Array.from({ length: 50 }, (_, id) => id);
      await view.write(ids.map((id) => row(entityKey(id), NEW_YEAR_NS, int64(id), int64(id))));
      server.pause();
      try {
        for (const id of ids.slice(0, 5)) {
          const startedAtMs = performance.now();
          await expect(view.read([entityKey(id)], soon(100))).rejects.toMatchObject({
            code: 'DEADLINE_EXCEEDED',
          });
          expect(performance.now() - startedAtMs).toBeLessThan(1_000);
        }
        const abort = new AbortController();
        const reading = view.read([entityKey(9)], { ...soon(), signal: abort.signal });
        abort.abort();
        await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
      } finally {
        server.resume();
      }
      const rows = await view.read(ids.map(entityKey));
      expect(rows.map((cells) => Buffer.from(cells[0]!))).toEqual(
        ids.map((id) => Buffer.from(int64(id))),
      );
    }));

  it('is named when a read has no deadline', () =>
    withRedis({ commandTimeoutMs: 300 }, async (store, server) => {
      const view = await openView(store);
      server.pause();
      try {
        const noDeadline = { deadlineAtMs: Number.POSITIVE_INFINITY };
        await expect(view.read([entityKey(1)], noDeadline)).rejects.toMatchObject({
          code: 'ONLINE_STORE_UNAVAILABLE',
          message: expect.stringMatching(
            new RegExp(`no answer from Redis within 300 ms: 127\\.0\\.0\\.1:${server.port}`),
          ) as string,
        });
        await expect(store.ping(noDeadline)).rejects.toMatchObject({
          code: 'ONLINE_STORE_UNAVAILABLE',
        });
      } finally {
        server.resume();
      }
      await expect
        .poll(() =>
          store.ping(soon()).then(
            () => 'up',
            () => 'down',
          ),
        )
        .toBe('up');
    }));
});

describe('a Redis that is gone', () => {
  it('fails reads by its address at once, and serves again when it is back', () =>
    withRedis({}, async (store, server) => {
      const view = await openView(store);
      await server.kill();
      for (let i = 0; i < 20; i++) {
        const startedAtMs = performance.now();
        await expect(view.read([entityKey(1)])).rejects.toMatchObject({
          code: 'ONLINE_STORE_UNAVAILABLE',
          message: expect.stringContaining(`127.0.0.1:${server.port}`) as string,
        });
        expect(performance.now() - startedAtMs).toBeLessThan(3_000);
      }
      await expect(
        store.write(
          { ...batchOf(view.project), rows: [row(entityKey(1), NEW_YEAR_NS, int64(1))] },
          soon(),
        ),
      ).rejects.toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' });
      expect(await store.check()).toMatchObject([{ level: 'error' }]);
      await server.restart();
      await expect
        .poll(() => view.read([entityKey(1)], soon(1_000)).catch(() => 'down'), { timeout: 10_000 })
        .toEqual([[null, null, null]]);
    }));

  it('does not keep a store from opening', async () => {
    const port = await freePort();
    const nodes = [{ host: '127.0.0.1', port }];
    for (const kind of ['redis', 'redis_cluster', 'redis_sentinel'] as const) {
      const store = await openOnlineStore({
        ...REDIS_DEFAULTS,
        kind,
        nodes,
        connectTimeoutMs: 500,
        commandTimeoutMs: 800,
      });
      try {
        const prepared = store.prepare({
          project: 'p',
          joinKeys: ['id'],
          views: [{ storedName: 'v', featureNames: ['a'] }],
        });
        const limits = { deadlineAtMs: Number.POSITIVE_INFINITY };
        await expect(
          store.read([{ prepared, keys: [entityKey(1)] }], limits),
        ).rejects.toMatchObject({
          code: 'ONLINE_STORE_UNAVAILABLE',
        });
        await expect(store.ping(limits)).rejects.toMatchObject({
          code: 'ONLINE_STORE_UNAVAILABLE',
        });
      } finally {
        await store.close();
      }
    }
  });
});

async function openSentinel() {
  const group = await startRedisSentinel();
  const options: RedisOnlineStoreOptions = {
    ...REDIS_DEFAULTS,
    kind: 'redis_sentinel',
    nodes: [group.sentinel],
    sentinelMaster: group.masterName,
  };
  return { store: await openOnlineStore(options), options, group, stop: () => group.stop() };
}

describeOnlineStore('a master behind a sentinel', openSentinel);
describeRedisWrites('a master behind a sentinel', openSentinel);

describe('a failover by a sentinel', () => {
  it('moves reads and writes to the new master, where the rows are', async () => {
    const { store, group, stop } = await openSentinel();
    try {
      const view = await openView(store);
      await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
      const client = adminClient(group.master.port);
      expect(await client.wait(1, 5_000)).toBe(1);
      client.disconnect();
      await group.master.kill();
      await expect
        .poll(() => view.valuesOf(entityKey(1)).catch(() => 'down'), {
          timeout: 20_000,
          interval: 100,
        })
        .toEqual([1n, 1n]);
      const write = (): Promise<unknown> =>
        view
          .write([row(entityKey(1), NEW_YEAR_NS + 1n, int64(2), int64(2))])
          .catch(() => 'read-only');
      await expect.poll(write, { timeout: 10_000 }).toMatchObject({ written: 1 });
      expect(await view.valuesOf(entityKey(1))).toEqual([2n, 2n]);
    } finally {
      await store.close();
      await stop();
    }
  });
});

function batchOf(project: string) {
  return { project, joinKeys: ['id'], view: { storedName: 'stats', featureNames: ['a'] } };
}
