import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import type { OnlineStore, PreparedRead } from '../../src/online-store/online-store.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import { adminClient, startRedis, startRedisCluster } from '../support/redis-server.ts';
import { readCells, type Cell } from '../support/stored-cells.ts';
import { waitUntil } from '../support/wait-until.ts';
import { REDIS_DEFAULTS } from './redis-contract.ts';
import { entityKey, int64, NEW_YEAR_NS, row, soon } from './store-fixture.ts';

const PROJECT = 'round_trips';
const ENTITIES = 60;
const VIEWS = Array.from({ length: 8 }, (_, i) => ({
  storedName: `view${i}`,
  featureNames: ['a', 'b'],
}));

const TOPOLOGIES = [
  ['one Redis', 'redis', async () => [await startRedis()]],
  ['a cluster', 'redis_cluster', async () => (await startRedisCluster()).nodes],
] as const;

describe.each(TOPOLOGIES)('reads from %s', (_, kind, start) => {
  let nodes: Awaited<ReturnType<typeof start>>;
  let store: OnlineStore;
  beforeAll(async () => {
    nodes = await start();
    store = await openOnlineStore({ ...REDIS_DEFAULTS, kind, nodes: [nodes[0]!] });
    for (const view of VIEWS) {
      const rows = Array.from({ length: ENTITIES }, (_unused, id) =>
        row(entityKey(id), NEW_YEAR_NS, int64(id), int64(-id)),
      );
      await store.write({ project: PROJECT, joinKeys: ['id'], view, rows }, soon());
    }
  });
  afterAll(async () => {
    await store?.close();
    await Promise.all((nodes ?? []).map((node) => node.stop()));
  });

  /** Commands by name that all nodes together have run, and the connections that they have taken. */
  async function statistics(): Promise<ReadonlyMap<string, number>> {
    const total = new Map<string, number>();
    for (const node of nodes) {
      const client = adminClient(node.port);
      const text = `${await client.info('commandstats')}${await client.info('stats')}`;
      client.disconnect();
      const found = text.matchAll(
        /^(?:cmdstat_(\S+?):calls=|(total_connections_received):)(\d+)/gm,
      );
      for (const [, command, counter, count] of found) {
        const name = command ?? counter!;
        total.set(name, (total.get(name) ?? 0) + Number(count));
      }
    }
    return total;
  }

  it('ask once per entity, across all its views, and open no connection for it', async () => {
    const prepared = store.prepare({ project: PROJECT, joinKeys: ['id'], views: VIEWS });
    const keys = Array.from({ length: ENTITIES }, (_unused, id) =>
      Buffer.concat([entityKey(id), prepared.keySuffix]),
    );
    // Now and then the store measures in which shape hashes are read best, beside the reads: not in every round.
    await waitUntil(() => holdsRound(prepared, keys), { what: 'a round of reads alone' });
  });

  it('of several requests in the same moment ask once per entity, unless that is switched off', async () => {
    const apart = await openOnlineStore({
      ...REDIS_DEFAULTS,
      kind,
      nodes: [nodes[0]!],
      sharesReads: false,
    });
    try {
      // Each entity twice, in two of four requests.
      expect(await askedFor(store)).toBe(ENTITIES);
      expect(await askedFor(apart)).toBe(2 * ENTITIES);
    } finally {
      await apart.close();
    }
  });

  /** Four requests in one turn, each for half of the entities: how many hashes Redis was asked for. */
  async function askedFor(reader: OnlineStore): Promise<number> {
    const prepared = reader.prepare({ project: PROJECT, joinKeys: ['id'], views: VIEWS });
    const halves = [0, 1].map((half) =>
      Array.from({ length: ENTITIES / 2 }, (_unused, i) =>
        Buffer.concat([entityKey(2 * i + half), prepared.keySuffix]),
      ),
    );
    const read = async (keys: Buffer[]): Promise<readonly Cell[]> =>
      (await readCells(reader, [{ prepared, keys }], soon()))[0]!;
    // Measuring the shape of reads asks as well, beside them: the least of some rounds is that of reads alone.
    const counts: number[] = [];
    for (let round = 0; round < 8; round++) {
      const before = await statistics();
      const answers = await Promise.all([...halves, ...halves].map(read));
      const after = await statistics();
      const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
      counts.push(grown('hmget') + grown('hgetall'));
      for (const [i, cells] of answers.entries()) {
        for (let k = 0; k < ENTITIES / 2; k++) {
          const first = cells[k * prepared.width]!;
          expect(readValue(first).value).toBe(BigInt(2 * k + (i % 2)));
        }
      }
    }
    return Math.min(...counts);
  }

  /** Reads five times and holds what Redis was asked for that. */
  async function holdsRound(prepared: PreparedRead, keys: Buffer[]): Promise<true> {
    const before = await statistics();
    const calls = 5;
    for (let call = 0; call < calls; call++) await store.read([{ prepared, keys }], soon());
    const after = await statistics();
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect(grown('hmget') + grown('hgetall')).toBe(calls * ENTITIES);
    for (const name of ['hget', 'get', 'mget', 'eval', 'evalsha', 'multi', 'hscan', 'scan']) {
      expect([name, grown(name)]).toEqual([name, 0]);
    }
    // Those of this test.
    expect(grown('total_connections_received')).toBe(nodes.length);
    return true;
  }
});
