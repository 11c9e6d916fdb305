import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import type { OnlineStore } from '../../src/online-store/online-store.ts';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { REDIS_DEFAULTS } from './redis-contract.ts';
import { entityKey, int64, NEW_YEAR_NS, openView, row } from './store-fixture.ts';

describe('a write that replicas have to confirm', () => {
  let primary: RedisServer;
  let replica: RedisServer;
  let admin: Redis;
  let store: OnlineStore;
  beforeAll(async () => {
    primary = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
    replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    admin = adminClient(replica.port);
    await waitUntil(
      async () => (await admin.info('replication')).includes('master_link_status:up'),
      { what: 'the replica to follow' },
    );
    store = await openOnlineStore({
      ...REDIS_DEFAULTS,
      kind: 'redis',
      nodes: [primary],
      waitReplicas: 1,
      // Long for a healthy replica on a busy machine; the one that is away costs it twice.
      waitTimeoutMs: 2_000,
    });
  });
  afterAll(async () => {
    admin?.disconnect();
    await store?.close();
    await replica?.stop();
    await primary?.stop();
  });

  it('is held by the replica when it is done', async () => {
    const view = await openView(store);
    for (let id = 0; id < 50; id++) {
      await view.write([row(entityKey(id), NEW_YEAR_NS, int64(id), int64(id))]);
      expect(await admin.dbsize()).toBe(id + 1);
    }
  });

  it('waits for the replica as long as it is told to, whatever a read may take', async () => {
    const patient = await openOnlineStore({
      ...REDIS_DEFAULTS,
      kind: 'redis',
      nodes: [primary],
      commandTimeoutMs: 300,
      waitReplicas: 1,
      waitTimeoutMs: 5_000,
    });
    try {
      const view = await openView(patient);
      const sentAtMs = performance.now();
      replica.pause();
      const writing = view.write([row(entityKey(7), NEW_YEAR_NS + 1n, int64(7), int64(8))]);
      writing.catch(() => {});
      await waitUntil(() => performance.now() - sentAtMs > 900, { what: 'three times a read' });
      replica.resume();
      await writing;
    } finally {
      replica.resume();
      await patient.close();
    }
  });

  it('fails while the replica is away, also when it only repeats what is there', async () => {
    const view = await openView(store);
    const rows = [row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))];
    replica.pause();
    try {
      for (const attempt of ['first', 'second']) {
        await expect(view.write(rows), attempt).rejects.toMatchObject({
          code: 'ONLINE_STORE_UNAVAILABLE',
          message: expect.stringMatching(/0 of 1 replicas hold it.*write them again/),
        });
      }
    } finally {
      replica.resume();
    }
    await waitUntil(async () => (await view.write(rows)).stale === 1, { what: 'the replica' });
  });
});
