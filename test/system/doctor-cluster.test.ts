import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  adminClient,
  startRedisCluster,
  startRedisSentinel,
  type RedisClusterServers,
} from '../support/redis-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import {
  findingsOf,
  LIMITS,
  makeDoctorRepository,
  type DoctorRepository,
  type DoctorView,
} from './doctor-fixture.ts';

const DAY = 86_400;
const FRESH: DoctorView = { name: 'fresh', joinKey: 'customer', features: 3, ttlSeconds: DAY };
const STALE: DoctorView = { name: 'stale', joinKey: 'customer', features: 3, ttlSeconds: DAY };
const ABSENT: DoctorView = { name: 'absent', joinKey: 'shop', features: 3 };
const REMOVED: DoctorView = { name: 'removed', joinKey: 'customer', features: 3 };
/** Fresh replicas are named to clients a moment after they have their data. */
async function reaches(repository: DoctorRepository, count: number): Promise<boolean> {
  const { nodes } = await repository.examine({ limits: { ...LIMITS, budgetMs: 0 } });
  return nodes.filter(({ version }) => version !== undefined).length === count;
}

const ids = (count: number): number[] => Array.from({ length: count }, (_, id) => id);

describe('a cluster of three shards with a replica each', () => {
  let cluster: RedisClusterServers;
  let clients: Redis[];
  let repository: DoctorRepository;
  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: 1 });
    clients = cluster.nodes.map((node) => adminClient(node.port));
    await Promise.all(clients.map((client) => client.connect()));
    repository = await makeDoctorRepository(
      [
        'type: redis',
        'redis_type: redis_cluster',
        `connection_string: 127.0.0.1:${cluster.nodes[0]!.port}`,
      ],
      [FRESH, STALE, ABSENT],
    );
    await repository.store(FRESH, ids(300), 3_600);
    await repository.store(STALE, ids(300), 3 * DAY);
    await repository.store(REMOVED, ids(300), 60);
    await waitUntil(() => reaches(repository, 6), { what: 'nodes to count on their replicas' });
  });
  afterAll(async () => {
    clients?.forEach((client) => client.disconnect());
    await cluster?.stop();
    await repository?.remove();
  });

  it('is found whole, and in order', async () => {
    const report = await repository.examine();
    expect(report.nodes).toHaveLength(6);
    expect(report.nodes.filter(({ role }) => role === 'primary')).toHaveLength(3);
    expect(report.sampled).toMatchObject({ entities: 300, slots: 16_384, isCutShort: false });
    expect(findingsOf(report, 'slots')).toMatchObject([{ level: 'ok' }]);
    expect(findingsOf(report, 'replicas').map(({ level }) => level)).toEqual(['ok', 'ok', 'ok']);
    expect(findingsOf(report, 'nodes')).toEqual([]);
  });

  it('has views that are stale, absent and removed', async () => {
    const report = await repository.examine();
    const freshness = findingsOf(report, 'freshness');
    expect(freshness.map(({ level, where }) => `${level} ${where}`).sort()).toEqual([
      'ok fresh',
      'warning absent',
      'warning stale',
    ]);
    expect(freshness.find(({ where }) => where === 'stale')?.message).toContain(
      'every row is older than its time to live of 24 h: newest of 180 sampled rows 3 d old',
    );
    expect(findingsOf(report, 'fields')).toMatchObject([
      { level: 'advice', message: expect.stringContaining('views: removed') as string },
    ]);
    expect(findingsOf(report, 'time-to-live')).toMatchObject([
      { level: 'advice', message: expect.stringMatching(/^100 % of the keys have no/) as string },
    ]);
  });

  it('has all copies of a shard on one host, or in one zone', async () => {
    const sameHost = findingsOf(await repository.examine(), 'zones');
    expect(sameHost).toHaveLength(3);
    expect(sameHost[0]).toMatchObject({
      level: 'warning',
      message: 'all 2 copies of the shard are on host 127.0.0.1',
    });
  });

  it('has nodes that were set up differently', async () => {
    await clients[1]!.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await clients[4]!.config('SET', 'hash-max-listpack-entries', '64');
    await clients[2]!.config('SET', 'cluster-require-full-coverage', 'yes');
    try {
      const report = await repository.examine();
      const differing = findingsOf(report, 'settings').map(({ message }) => message);
      expect(differing).toEqual([
        expect.stringMatching(
          /packing of hashes: .*512 fields \/ 64 bytes on 5 nodes|512 fields \/ 64 bytes on 5 nodes, /,
        ),
        expect.stringMatching(/maxmemory-policy: .*noeviction on 5 nodes|allkeys-lru on 1 node/),
      ]);
      expect(findingsOf(report, 'eviction')[0]).toMatchObject({
        level: 'warning',
        where: `127.0.0.1:${cluster.nodes[1]!.port}`,
      });
      expect(
        findingsOf(report, 'slots')
          .map(({ level }) => level)
          .sort(),
      ).toEqual(['ok', 'warning']);
    } finally {
      await clients[1]!.config('SET', 'maxmemory-policy', 'noeviction');
      await clients[4]!.config('SET', 'hash-max-listpack-entries', '512');
      await clients[2]!.config('SET', 'cluster-require-full-coverage', 'no');
    }
  });

  it('has hot keys, where Redis counts accesses', async () => {
    expect(findingsOf(await repository.examine(), 'hot-keys')[0]?.level).toBe('unknown');
    const [client] = clients as [Redis];
    await client.config('SET', 'maxmemory-policy', 'volatile-lfu');
    await client.config('SET', 'lfu-log-factor', '0');
    try {
      const [, [key]] = (await client.callBuffer('SCAN', '0')) as [Buffer, [Buffer]];
      for (let i = 0; i < 300; i++) await client.hlen(key);
      const [finding] = findingsOf(await repository.examine(), 'hot-keys');
      expect(finding?.level).toBe('warning');
      expect(finding?.message).toMatch(
        /^1 of \d+ sampled keys are hot .* key hash [0-9a-f]{8} on /,
      );
      const [shown] = findingsOf(await repository.examine({ showKeys: true }), 'hot-keys');
      expect(shown?.message).toContain('customer');
    } finally {
      await client.config('SET', 'maxmemory-policy', 'noeviction');
      await client.config('SET', 'lfu-log-factor', '10');
    }
  });

  it('has a hash that is far wider than the others', async () => {
    const all = { limits: { ...LIMITS, keys: 2_000, hashes: 2_000 } };
    const [before] = findingsOf(await repository.examine(all), 'big-hashes');
    expect(before).toMatchObject({
      level: 'ok',
      message: expect.stringMatching(/^12 fields at most, \d+(?:\.\d)? KiB at most$/) as string,
    });
    const [client] = clients as [Redis];
    const [, [key]] = (await client.callBuffer('SCAN', '0')) as [Buffer, [Buffer]];
    const leftBehind = Array.from({ length: 6_000 }, (_, i) => `left ${i}`);
    await client.hset(key, Object.fromEntries(leftBehind.map((field) => [field, 'x'])));
    try {
      const [finding] = findingsOf(await repository.examine(all), 'big-hashes');
      expect(finding?.level).toBe('warning');
      expect(finding?.message).toMatch(
        / of the hashes are over 1\.0 MiB or 5000 fields: key hash [0-9a-f]{8} of customer: 6012 fields, \d+\.\d KiB$/,
      );
      expect(finding?.remedy).toContain('split the views');
    } finally {
      await client.hdel(key, ...leftBehind);
    }
  });

  it('has a slot that text in braces has filled', async () => {
    await repository.store(
      FRESH,
      ids(150).map((id) => `{eu}:${id}`),
    );
    const [finding] = findingsOf(await repository.examine(), 'balance').filter(
      ({ level, message }) => level === 'warning' && message.includes('slot'),
    );
    expect(finding?.message).toMatch(/slot \d+ on 127\.0\.0\.1:\d+: 15\d; .* braces/);
    expect(finding?.remedy).toContain('without braces');
  });

  it('has lost a node', async () => {
    const replica = cluster.nodes[3]!;
    await replica.kill();
    await waitUntil(
      async () => String(await clients[0]!.call('CLUSTER', 'NODES')).includes('fail '),
      { what: 'the cluster to notice' },
    );
    const report = await repository.examine();
    expect(findingsOf(report, 'nodes')).toMatchObject([
      { level: 'warning', where: `127.0.0.1:${replica.port}` },
    ]);
    const bereft = findingsOf(report, 'replicas').filter(({ level }) => level === 'warning');
    expect(bereft).toMatchObject([{ where: `127.0.0.1:${cluster.nodes[0]!.port}` }]);
  });
});

describe('a primary behind a sentinel', () => {
  it('is examined with its replica, and told the zones', async () => {
    const group = await startRedisSentinel();
    const repository = await makeDoctorRepository(
      [
        'type: redis',
        'redis_type: redis_sentinel',
        `sentinel_master: ${group.masterName}`,
        `connection_string: 127.0.0.1:${group.sentinel.port}`,
      ],
      [FRESH],
    );
    try {
      await repository.store(FRESH, ids(20), 60);
      await waitUntil(() => reaches(repository, 2), { what: 'the sentinel to see the replica' });
      const primary = `127.0.0.1:${group.master.port}`;
      const replica = `127.0.0.1:${group.replica.port}`;
      const report = await repository.examine({
        zones: new Map([
          [primary, 'eu-1a'],
          [replica, 'eu-1a'],
        ]),
      });
      expect(report.nodes.map(({ address, role }) => `${role} ${address}`)).toEqual([
        `primary ${primary}`,
        `replica ${replica}`,
      ]);
      const apart = new Map([
        [primary, 'eu-1a'],
        [replica, 'eu-1b'],
      ]);
      expect(findingsOf(await repository.examine({ zones: apart }), 'zones')).toMatchObject([
        { level: 'ok', message: 'copies in eu-1a, eu-1b' },
      ]);
      expect(report.sampled.entities).toBe(20);
      expect(findingsOf(report, 'replicas')).toMatchObject([{ level: 'ok' }]);
      expect(findingsOf(report, 'zones')).toMatchObject([
        { level: 'warning', message: 'all 2 copies of the shard are in zone eu-1a' },
      ]);
    } finally {
      await repository.remove();
      await group.stop();
    }
  });
});
