import { Buffer } from 'node:buffer';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectRedis } from '../../src/online-store/redis-client.ts';
import type { RedisClient } from '../../src/redis/redis-client.ts';
import { redisSlot } from '../../src/redis/redis-slot.ts';
import { readKeys } from '../redis/simulated-client.ts';
import {
  adminClient,
  startRedisCluster,
  type RedisClusterServers,
} from '../support/redis-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const SLOTS = 16_384;
/** So many that those who are left are still the most of them. */
const SHARDS = 4;
/** Of the first shard, by the number that is in braces. */
const [THERE, ABSENT, LEAVING] = keysOfFirstShard(3);
/** Those that live. */
const PRIMARIES = [0, 3, 5];
const READ_WITHIN_MS = 3_000;

/**
 * A cluster that was left with two dead primaries without slots: one was emptied and shut down, the other one was killed, and
 * its replica has its place.
 */
describe('a cluster with dead primaries that have no slots', () => {
  let cluster: RedisClusterServers;
  let admins: Redis[];
  const clients: RedisClient[] = [];
  beforeAll(async () => {
    cluster = await startRedisCluster({ shards: SHARDS, replicas: 1 });
    admins = cluster.nodes.map(({ port }) => adminClient(port));
    // Nothing changes by itself: replicas take over when they are told to, and an emptied primary stays one.
    for (const admin of admins) {
      await admin.config('SET', 'cluster-replica-no-failover', 'yes');
      await admin.config('SET', 'cluster-allow-replica-migration', 'no');
    }
    await admins[0]!.hset(THERE!, { f: 'f of it', g: 'g of it' });
    await waitUntil(async () => (await admins[4]!.dbsize()) === 1, { what: 'the replica' });
    await emptyThird();
    await Promise.all([2, 6, 1].map((i) => cluster.nodes[i]!.kill()));
    await waitUntil(
      async () => String(await admins[5]!.call('CLUSTER', 'FAILOVER', 'TAKEOVER')) === 'OK',
      { what: 'the replica to take over' },
    );
    await waitUntil(
      async () =>
        (await Promise.all(PRIMARIES.map(failedWithoutSlots))).every((count) => count === 2),
      { what: 'the cluster to know of two dead primaries', timeoutMs: 30_000 },
    );
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    cluster?.nodes[0]!.resume();
    admins?.forEach((admin) => admin.disconnect());
    await cluster?.stop();
  });

  const emptyThird = async (): Promise<void> => {
    const id = String(await admins[0]!.call('CLUSTER', 'MYID'));
    const first = Math.floor((2 * SLOTS) / SHARDS);
    const end = Math.floor((3 * SLOTS) / SHARDS);
    // Others believe whose word is newer.
    await admins[0]!.call('CLUSTER', 'BUMPEPOCH');
    for (const admin of [2, 0, 1, 3].map((i) => admins[i]!)) {
      const words = admin.pipeline();
      for (let slot = first; slot < end; slot++) {
        words.call('CLUSTER', 'SETSLOT', String(slot), 'NODE', id);
      }
      await words.exec();
    }
    const range = ` 0-${SLOTS / SHARDS - 1} ${first}-${end - 1}`;
    await waitUntil(
      async () => {
        const all = await Promise.all(admins.map((admin) => admin.call('CLUSTER', 'NODES')));
        return all.every((lines) => String(lines).includes(range));
      },
      { what: 'all to know that the third primary is empty' },
    );
  };

  const failedWithoutSlots = async (node: number): Promise<number> => {
    const lines = String(await admins[node]!.call('CLUSTER', 'NODES')).split('\n');
    return lines.filter((line) => /master,fail(?:,nofailover)? - (?:\S+ ){3}\S+$/.test(line.trim()))
      .length;
  };

  /** A client that has noted what the primaries say of themselves. */
  const openNoted = async (): Promise<RedisClient> => {
    const { host, port } = cluster.nodes[3]!;
    await Promise.all(PRIMARIES.map((i) => admins[i]!.config('RESETSTAT')));
    const client = await connectRedis({
      kind: 'redis_cluster',
      nodes: [{ host, port }],
      readFrom: 'prefer-replica',
      database: 0,
      tls: false,
      sentinelMaster: '',
      connectTimeoutMs: 100,
      commandTimeoutMs: READ_WITHIN_MS,
    });
    clients.push(client);
    // One of them was asked first, for whether anybody is dead.
    await waitUntil(
      async () => {
        const counts = await Promise.all(PRIMARIES.map(looksAt));
        return Math.min(...counts) >= 1 && Math.max(...counts) >= 2;
      },
      { what: 'all primaries to be asked' },
    );
    return client;
  };
  const looksAt = async (node: number): Promise<number> => {
    const text = await admins[node]!.info('commandstats');
    return Number(/cmdstat_cluster\|nodes:calls=(\d+)/.exec(text)?.[1] ?? 0);
  };

  const read = (client: RedisClient, key: string) =>
    readKeys(client, [key], { deadlineAtMs: performance.now() + READ_WITHIN_MS });
  /** A primary that was just stopped is waited for. */
  const readUntilAnswered = async (client: RedisClient, key: string) => {
    let rows: Awaited<ReturnType<typeof read>> = [];
    await waitUntil(
      async () => {
        rows = await read(client, key);
        return true;
      },
      { what: 'an answer' },
    );
    return rows;
  };

  it('says what is not stored, at a replica whose primary is away', async () => {
    const client = await openNoted();
    cluster.nodes[0]!.pause();
    try {
      expect(await readUntilAnswered(client, ABSENT!)).toEqual([[null, null]]);
      expect(await read(client, THERE!)).toEqual([['f of it', 'g of it']]);
    } finally {
      cluster.nodes[0]!.resume();
    }
  });

  it('does not say so of a slot that was on its way to one of them', async () => {
    const slot = String(redisSlot(Buffer.from(LEAVING!)));
    const emptied = /^(\S+) .*master,fail/m.exec(String(await admins[0]!.call('CLUSTER', 'NODES')));
    await admins[0]!.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', emptied![1]!);
    const client = await openNoted();
    cluster.nodes[0]!.pause();
    try {
      expect(await readUntilAnswered(client, ABSENT!)).toEqual([[null, null]]);
      await expect(read(client, LEAVING!)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    } finally {
      cluster.nodes[0]!.resume();
    }
  });
});

function keysOfFirstShard(count: number): readonly string[] {
  const keys = Array.from({ length: 1_000 }, (_, i) => `{${i}}:entity`);
  const isOfFirst = (key: string): boolean => redisSlot(Buffer.from(key)) < SLOTS / SHARDS - 1;
  return keys.filter(isOfFirst).slice(0, count);
}
