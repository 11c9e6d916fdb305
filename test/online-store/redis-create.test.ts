import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRefusedForGood } from '../../src/online-store/redis-create.ts';
import { redisKey } from '../../src/online-store/redis-write.ts';
import type { OnlineStore } from '../../src/online-store/online-store.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import type { RedisOnlineStoreOptions } from '../../src/online-store/redis-online-store.ts';
import { adminClient, startRedis, startRedisCluster } from '../support/redis-server.ts';
import { REDIS_DEFAULTS } from './redis-contract.ts';
import { entityKey, int64, NEW_YEAR_NS, openView, row, SECOND_NS, text } from './store-fixture.ts';

const IDS = Array.from({ length: 400 }, (_, id) => id);

const TOPOLOGIES = [
  ['one Redis', 'redis', async () => [await startRedis()]],
  ['a cluster', 'redis_cluster', async () => (await startRedisCluster()).nodes],
] as const;

describe('what is said to RESTORE', () => {
  it.each([
    "NOPERM User feast has no permissions to run the 'restore' command",
    "ERR unknown command 'RESTORE', with args beginning with: 'k' '0' 'x'",
    'ERR DUMP payload version or checksum are wrong',
    'ERR Bad data format',
    // Of Envoy, and of Alibaba Cloud.
    "unsupported command 'RESTORE'",
    'ERR command restore not support for normal user',
  ])('tells that it is never taken: %s', (text) => {
    expect(isRefusedForGood(text)).toBe(true);
  });

  it.each([
    "OOM command not allowed when used memory > 'maxmemory'.",
    'NOREPLICAS Not enough good replicas to write.',
    'BUSYKEY Target key name already exists.',
    'MOVED 7 10.0.0.1:6379',
    'LOADING Redis is loading the dataset in memory',
  ])('may be another answer later: %s', (text) => {
    expect(isRefusedForGood(text)).toBe(false);
  });
});

describe.each(TOPOLOGIES)('rows of new entities in %s', (_, kind, start) => {
  let nodes: Awaited<ReturnType<typeof start>>;
  let store: OnlineStore;
  /** Redis 6 keeps small hashes otherwise: it is not asked twice. */
  let takesListpacks: boolean;
  const open = (changes: Partial<RedisOnlineStoreOptions> = {}): Promise<OnlineStore> =>
    openOnlineStore({ ...REDIS_DEFAULTS, kind, nodes: [nodes[0]!], ...changes });
  beforeAll(async () => {
    nodes = await start();
    store = await open();
    const [text] = await onNodes((client) => client.info('server'));
    takesListpacks = Number(/^redis_version:(\d+)/m.exec(text!)?.[1]) >= 7;
  });
  afterAll(async () => {
    await store?.close();
    await Promise.all((nodes ?? []).map((node) => node.stop()));
  });

  /** Does something on all nodes; gives what they answer. */
  async function onNodes<T>(
    work: (client: ReturnType<typeof adminClient>) => Promise<T>,
  ): Promise<T[]> {
    return Promise.all(
      nodes.map(async ({ port }) => {
        const client = adminClient(port);
        try {
          return await work(client);
        } finally {
          client.disconnect();
        }
      }),
    );
  }

  /** What all nodes have run of a command while something was done, by whether it was carried out. */
  async function callsWhile(
    command: string,
    work: () => Promise<unknown>,
  ): Promise<{ done: number; failed: number }> {
    await onNodes((client) => client.config('RESETSTAT'));
    await work();
    const texts = await onNodes((client) => client.info('commandstats'));
    const found = texts.map((each) =>
      new RegExp(`^cmdstat_${command}:calls=(\\d+).*failed_calls=(\\d+)`, 'm').exec(each),
    );
    const calls = found.reduce((sum, match) => sum + Number(match?.[1] ?? 0), 0);
    const failed = found.reduce((sum, match) => sum + Number(match?.[2] ?? 0), 0);
    return { done: calls - failed, failed };
  }

  it('are what HSET would have made of them, byte for byte', async ({ skip }) => {
    skip(!takesListpacks, 'Redis before 7.0');
    const names = [
      'numbers',
      'texts',
      'nothing',
      ...Array.from({ length: 40 }, (_f, i) => `f${i}`),
    ];
    const view = await openView(store, names);
    // Values that look like decimals, the longest that go this way, longer ones, and none.
    const letters = (id: number): string => 'x'.repeat(id % 66);
    const rowOf = (id: number): ReturnType<typeof row> =>
      row(
        entityKey(id),
        id === 7 ? 0n : NEW_YEAR_NS + BigInt(id),
        int64(BigInt(id) ** 7n),
        text(letters(id)),
        new Uint8Array(0),
        ...Array.from({ length: 40 }, (_f, i) => Buffer.from(String(id * i))),
      );
    const created = await callsWhile('restore', async () => {
      expect(await view.write(IDS.map(rowOf))).toEqual({ written: 400, stale: 0 });
    });
    // Of 66 lengths the last four are too long with their header of two bytes.
    expect(created).toEqual({ done: IDS.filter((id) => id % 66 <= 61).length, failed: 0 });
    const single = await openView(store, names);
    for (const id of IDS) await single.write([rowOf(id)]);
    const hashOf = async (project: string, id: number): Promise<readonly string[]> => {
      const key = redisKey(entityKey(id), Buffer.from(project));
      const hashes = await onNodes(async (client): Promise<string[]> => {
        const encoding = await client.object('ENCODING', key).catch(() => null);
        if (typeof encoding !== 'string') return [];
        const words = (await client.callBuffer('HGETALL', key)) as Buffer[];
        const pairs = words.flatMap((word, i) =>
          i % 2 === 0 ? [`${word.toString('hex')} ${words[i + 1]!.toString('hex')}`] : [],
        );
        // A listpack has its fields in the order in which they came, a hash table in that of the process.
        return [encoding, ...(encoding === 'listpack' ? pairs : pairs.sort())];
      });
      return hashes.flat();
    };
    for (const id of IDS.filter((each) => each % 5 === 0 || each % 66 > 59)) {
      const hash = await hashOf(view.project, id);
      expect(hash).toHaveLength(45);
      expect(hash).toEqual(await hashOf(single.project, id));
    }
    // What is there now is written on as ever.
    const later = IDS.map((id) => ({ ...rowOf(id), eventTimestampNs: NEW_YEAR_NS + SECOND_NS }));
    expect(await view.write(later)).toEqual({ written: 400, stale: 0 });
    expect(await view.timestampOf(entityKey(399))).toBe(NEW_YEAR_NS + SECOND_NS);
  });

  it.for([
    ['a node has the replicas that it wants', 'min-replicas-to-write', '1'],
    ['a node has memory', 'maxmemory', '1'],
  ] as const)('are created again once %s', async ([, setting, hindrance], { skip }) => {
    skip(!takesListpacks, 'Redis before 7.0');
    const own = await open();
    try {
      const view = await openView(own, ['f']);
      const rows = IDS.map((id) => row(entityKey(id), NEW_YEAR_NS, int64(1n)));
      await onNodes((client) => client.config('SET', setting, hindrance));
      await expect(view.write(rows)).rejects.toThrow();
      await onNodes((client) => client.config('SET', setting, '0'));
      const created = await callsWhile('restore', async () => {
        expect(await view.write(rows)).toEqual({ written: 400, stale: 0 });
      });
      expect(created).toEqual({ done: 400, failed: 0 });
    } finally {
      await onNodes((client) => client.config('SET', setting, '0'));
      await own.close();
    }
  });

  it('are judged by their time where the entity is there, with this view or another', async () => {
    const { project, view, ...fixture } = await openView(store);
    const other = { storedName: 'other', featureNames: ['c'] };
    const limits = { deadlineAtMs: Infinity };
    const newer = IDS.filter((id) => id % 3 === 0);
    const elsewhere = IDS.filter((id) => id % 3 === 1);
    await fixture.write(
      newer.map((id) => row(entityKey(id), NEW_YEAR_NS + 9n, int64(9), int64(9))),
    );
    const rows = elsewhere.map((id) => row(entityKey(id), NEW_YEAR_NS + 9n, int64(8)));
    await store.write({ project, joinKeys: ['id'], view: other, rows }, limits);
    const at = (value: number) => (id: number) =>
      row(entityKey(id), NEW_YEAR_NS + BigInt(value), int64(value), int64(id));
    // Each entity twice in one batch: the newer of the two stays, whichever was created.
    const batch = [...IDS.map(at(1)), ...IDS.map(at(2))];
    expect(
      await store.write({ project, joinKeys: ['id'], view, rows: batch }, limits),
    ).toMatchObject({
      stale: 2 * newer.length,
    });
    for (const id of IDS) {
      const expected = id % 3 === 0 ? [9n, 9n] : [2n, BigInt(id)];
      expect(await fixture.valuesOf(entityKey(id))).toEqual(expected);
    }
  });

  it('are that of the first row where a batch has an entity twice, whichever way each goes', async () => {
    const view = await openView(store);
    // The first is too long to be created, the second of the same time is not.
    const twice = IDS.flatMap((id) => [
      row(entityKey(id), NEW_YEAR_NS, text('x'.repeat(100)), int64(1)),
      row(entityKey(id), NEW_YEAR_NS, text('later'), int64(2)),
    ]);
    expect(await view.write(twice)).toEqual({ written: 400, stale: 400 });
    for (const id of IDS) {
      expect(await view.valuesOf(entityKey(id))).toEqual(['x'.repeat(100), 1n]);
    }
  });

  it('are tried again a little where the last entities were there, and all where they are new', async ({
    skip,
  }) => {
    skip(!takesListpacks, 'Redis before 7.0');
    const view = await openView(store);
    const write = (first: number, second: number) => () =>
      view.write(
        IDS.map((id) =>
          row(entityKey(first + id), NEW_YEAR_NS + BigInt(second), int64(id), int64(id)),
        ),
      );
    expect(await callsWhile('restore', write(0, 0))).toEqual({ done: 400, failed: 0 });
    expect(await callsWhile('restore', write(0, 1))).toEqual({ done: 0, failed: 400 });
    expect(await callsWhile('restore', write(0, 2))).toEqual({ done: 0, failed: 10 });
    expect(await callsWhile('restore', write(1_000, 3))).toEqual({ done: 10, failed: 0 });
    expect(await callsWhile('restore', write(2_000, 4))).toEqual({ done: 400, failed: 0 });
    expect(await view.valuesOf(entityKey(2_399))).toEqual([399n, 399n]);
    expect(await view.timestampOf(entityKey(17))).toBe(NEW_YEAR_NS + 2n);
  });

  it('live as long as they are told to', async ({ skip }) => {
    skip(!takesListpacks, 'Redis before 7.0');
    const mortal = await open({ keyTtlSeconds: 3_000 });
    try {
      const view = await openView(mortal);
      const rows = IDS.map((id) => row(entityKey(id), NEW_YEAR_NS, int64(id), int64(id)));
      expect((await callsWhile('restore', () => view.write(rows))).done).toBe(400);
      const key = redisKey(entityKey(3), Buffer.from(view.project));
      const times = await onNodes((client) => client.ttl(key).catch(() => -2));
      expect(Math.max(...times)).toBeGreaterThan(2_900);
      expect(Math.max(...times)).toBeLessThanOrEqual(3_000);
    } finally {
      await mortal.close();
    }
  });

  it('are written as others are where a user may not create them so', async () => {
    await onNodes((client) => client.call('ACL', 'SETUSER', 'default', '-restore'));
    const barred = await open();
    try {
      const view = await openView(barred);
      const rows = IDS.map((id) => row(entityKey(id), NEW_YEAR_NS, int64(id), int64(-id)));
      expect(await view.write(rows)).toEqual({ written: 400, stale: 0 });
      expect(await view.write(rows)).toEqual({ written: 0, stale: 400 });
      for (const id of IDS) {
        expect(await view.valuesOf(entityKey(id))).toEqual([BigInt(id), BigInt(-id)]);
      }
    } finally {
      await barred.close();
      await onNodes((client) => client.call('ACL', 'SETUSER', 'default', '+restore'));
    }
  });
});
