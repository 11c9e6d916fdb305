import { Buffer } from 'node:buffer';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOST, type OnlineStore } from '../../src/online-store/online-store.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import type { RedisOnlineStoreOptions } from '../../src/online-store/redis-online-store.ts';
import { redisSlot } from '../../src/redis/redis-slot.ts';
import {
  adminClient,
  isRedisAtLeast,
  startRedisCluster,
  type RedisClusterServers,
} from '../support/redis-server.ts';
import { describeOnlineStore } from './contract.ts';
import { describeRedisWrites, REDIS_DEFAULTS } from './redis-contract.ts';
import {
  entityKey,
  int64,
  NEW_YEAR_NS,
  openView,
  row,
  soon,
  type ViewFixture,
} from './store-fixture.ts';

async function openCluster(changes: Partial<RedisOnlineStoreOptions> = {}) {
  const cluster = await startRedisCluster();
  const options: RedisOnlineStoreOptions = {
    ...REDIS_DEFAULTS,
    kind: 'redis_cluster',
    nodes: [cluster.nodes[0]!],
    ...changes,
  };
  return { store: await openOnlineStore(options), options, cluster, stop: () => cluster.stop() };
}

describeOnlineStore('a cluster of three', openCluster);
describeRedisWrites('a cluster of three', openCluster);

/** Entities of a view by the shard that has their slot. */
function idsOfShard(view: ViewFixture, shard: number, count: number): number[] {
  const ids: number[] = [];
  for (let id = 0; ids.length < count; id++) {
    const key = Buffer.concat([entityKey(id), Buffer.from(view.project)]);
    if (Math.floor((redisSlot(key) * 3) / 16_384) === shard) {
      ids.push(id);
    }
  }
  return ids;
}

describe('a cluster whose slots move', () => {
  let store: OnlineStore;
  let cluster: RedisClusterServers;
  let clients: Redis[];
  beforeAll(async () => {
    const opened = await openCluster();
    ({ store, cluster } = opened);
    clients = cluster.nodes.map((node) => adminClient(node.port));
  });
  afterAll(async () => {
    clients?.forEach((client) => client.disconnect());
    await store?.close();
    await cluster?.stop();
  });

  it('follows a slot while and after it moves to another node', async () => {
    const view = await openView(store);
    const [id] = idsOfShard(view, 0, 1);
    const others = [...idsOfShard(view, 1, 20), ...idsOfShard(view, 2, 20)];
    const all = [id!, ...others];
    await view.write(all.map((n) => row(entityKey(n), NEW_YEAR_NS, int64(n), int64(-n))));
    const key = Buffer.concat([entityKey(id!), Buffer.from(view.project)]);
    const slot = String(redisSlot(key));
    const [from, to] = clients as [Redis, Redis];
    const [fromId, toId] = [await from.cluster('MYID'), await to.cluster('MYID')];
    let written = 0;
    const readAll = async (): Promise<void> => {
      const rows = await view.read(all.map(entityKey));
      expect(rows.map((cells) => Buffer.from(cells[0]!))).toEqual(
        all.map((n) => Buffer.from(int64(n + written))),
      );
    };
    /** Rows of a node are written together, and one that is not there any more stops none of the others. */
    const writeAll = async (): Promise<void> => {
      written++;
      const moment = NEW_YEAR_NS + BigInt(written);
      await view.write(all.map((n) => row(entityKey(n), moment, int64(n + written), int64(-n))));
      await readAll();
    };

    await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
    await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
    await readAll();
    const { port } = cluster.nodes[1]!;
    await from.call('MIGRATE', '127.0.0.1', String(port), key, '0', '5000');
    // The key is gone from its old node, which says ASK now.
    await readAll();
    await writeAll();
    for (const client of [to, from, clients[2]!]) {
      await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
    }
    // And MOVED now.
    await writeAll();
    await view.write([row(entityKey(id!), NEW_YEAR_NS + 3n, int64(99), int64(99))]);
    expect(await view.valuesOf(entityKey(id!))).toEqual([99n, 99n]);
  });
});

describe('a cluster that takes many rows', () => {
  it('is told the rows of a node together, whatever their slots', async () => {
    const { store, cluster, stop } = await openCluster();
    try {
      const view = await openView(store);
      const ids = Array.from({ length: 600 }, (_, id) => id);
      const rows = ids.map((id) => row(entityKey(id), NEW_YEAR_NS, int64(id), int64(-id)));
      expect(await view.write(rows)).toEqual({ written: 600, stale: 0 });
      expect(await view.write(rows)).toEqual({ written: 0, stale: 600 });
      for (const id of ids) {
        expect(await view.valuesOf(entityKey(id))).toEqual([BigInt(id), BigInt(-id)]);
      }
      // A script may take rows of several slots since then.
      if (!isRedisAtLeast(7)) return;
      const calls = await Promise.all(cluster.nodes.map(({ port }) => callsOf(port, 'evalsha')));
      expect(calls.every((count) => count > 0 && count < 30)).toBe(true);
    } finally {
      await store.close();
      await stop();
    }
  });
});

/** How often a node has been asked for a command. */
async function callsOf(port: number, command: string): Promise<number> {
  const client = adminClient(port);
  const statistics = await client.info('commandstats');
  client.disconnect();
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(statistics)?.[1]);
}

describe('a cluster that runs no scripts', () => {
  it('judges rows of all shards by their time, also when writers race', async () => {
    const { store, cluster, stop } = await openCluster();
    try {
      for (const { port } of cluster.nodes) {
        const client = adminClient(port);
        await client.call('ACL', 'SETUSER', 'default', '-@scripting');
        client.disconnect();
      }
      const view = await openView(store);
      const ids = Array.from({ length: 40 }, (_, id) => id);
      const moments = [3, 1, 4, 1, 5, 9, 2, 6];
      const results = await Promise.all(
        moments.map((moment) =>
          view.write(
            ids.map((id) =>
              row(entityKey(id), NEW_YEAR_NS + BigInt(moment), int64(moment), int64(id)),
            ),
          ),
        ),
      );
      expect(results.reduce((sum, { written }) => sum + written, 0)).toBeGreaterThanOrEqual(
        ids.length,
      );
      for (const id of ids) {
        expect(await view.valuesOf(entityKey(id))).toEqual([9n, BigInt(id)]);
      }
      await store.update(view.project, [], [view.view]);
      expect(await view.valuesOf(entityKey(1))).toEqual([undefined, undefined]);
    } finally {
      await store.close();
      await stop();
    }
  });
});

describe('a cluster that loses a node', () => {
  it('fails the reads of that shard by its address, serves the others, and recovers', async () => {
    const { store, cluster, stop } = await openCluster({ commandTimeoutMs: 1_500 });
    try {
      const view = await openView(store);
      const lost = idsOfShard(view, 1, 5).map(entityKey);
      const kept = [...idsOfShard(view, 0, 5), ...idsOfShard(view, 2, 5)].map(entityKey);
      await view.write([...lost, ...kept].map((key) => row(key, NEW_YEAR_NS, int64(1), int64(1))));
      const node = cluster.nodes[1]!;

      await node.kill();
      const startedAtMs = performance.now();
      await expect(view.read(lost)).rejects.toMatchObject({
        code: 'ONLINE_STORE_UNAVAILABLE',
        message: expect.stringContaining(`127.0.0.1:${node.port}`) as string,
      });
      expect(performance.now() - startedAtMs).toBeLessThan(5_000);
      await expect(view.read(lost, soon(100))).rejects.toMatchObject({
        code: expect.stringMatching(/DEADLINE_EXCEEDED|ONLINE_STORE_UNAVAILABLE/) as string,
      });
      for (const cells of await view.read(kept)) {
        expect(cells[0]).not.toBeNull();
      }
      await store.ping(soon());
      const prepared = store.prepare({
        project: view.project,
        joinKeys: ['id'],
        views: [view.view],
      });
      const readPart = (entityKeys: readonly Uint8Array[]) => {
        const keys = entityKeys.map((key) => Buffer.concat([key, prepared.keySuffix]));
        return store.read([{ prepared, keys }], { ...soon(), isPartial: true });
      };
      const [part] = await readPart([lost[0]!, kept[0]!]);
      expect([...part!.starts.subarray(0, 3)]).toEqual([LOST, LOST, LOST]);
      expect(Math.min(...part!.starts.subarray(3))).toBeGreaterThanOrEqual(0);
      // Where nothing is left there is no part of it.
      await expect(readPart(lost)).rejects.toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' });

      await node.restart();
      // What it held is lost with it; what matters is that it answers.
      await expect
        .poll(() => view.read(lost, soon(2_000)).catch(() => 'down'), { timeout: 15_000 })
        .toEqual(lost.map(() => [null, null, null]));
      await view.write(lost.map((key) => row(key, NEW_YEAR_NS, int64(2), int64(2))));
      expect(await view.valuesOf(lost[0]!)).toEqual([2n, 2n]);
    } finally {
      await store.close();
      await stop();
    }
  });

  it('gives up in time on a node that hangs, and mixes up no later answers', async () => {
    const { store, cluster, stop } = await openCluster();
    try {
      const view = await openView(store);
      const keys = [0, 1, 2].flatMap((shard) => idsOfShard(view, shard, 10)).map(entityKey);
      await view.write(keys.map((key, i) => row(key, NEW_YEAR_NS, int64(i), int64(i))));
      const node = cluster.nodes[2]!;
      node.pause();
      try {
        for (let i = 0; i < 5; i++) {
          const startedAtMs = performance.now();
          await expect(view.read(keys, soon(150))).rejects.toMatchObject({
            code: 'DEADLINE_EXCEEDED',
          });
          expect(performance.now() - startedAtMs).toBeLessThan(1_000);
        }
      } finally {
        node.resume();
      }
      const rows = await view.read(keys.toReversed());
      const expected = keys.map((_, i) => Buffer.from(int64(i))).toReversed();
      expect(rows.map((cells) => Buffer.from(cells[0]!))).toEqual(expected);
    } finally {
      await store.close();
      await stop();
    }
  });
});
