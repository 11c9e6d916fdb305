import { Buffer } from 'node:buffer';
import { beforeEach, describe, expect, test } from 'vitest';
import type { RedisClient, RedisClientOptions } from '../../src/redis/redis-client.ts';
import { FIELDS, openClient, readKeys, textOf } from './simulated-client.ts';
import { array, SimulatedRedis } from './simulated-redis.ts';
import { SimulatedWorld } from './simulated-world.ts';

let world: SimulatedWorld;
let nodes: Readonly<Record<'a' | 'b' | 'c', SimulatedRedis>>;

beforeEach(() => {
  world = new SimulatedWorld();
  const node = (name: string) => new SimulatedRedis(world, `${name}:1`);
  nodes = { a: node('a'), b: node('b'), c: node('c') };
  for (const [name, server] of Object.entries(nodes)) server.put('k', { f: name, g: 'same' });
});

const open = (
  readFrom: RedisClientOptions['read']['readFrom'],
  changes: Partial<RedisClientOptions> = {},
): Promise<RedisClient> =>
  openClient(world, {
    replicas: [
      { host: 'b', port: 1 },
      { host: 'c', port: 1 },
    ],
    read: { readFrom, zone: 'zone-1' },
    ...changes,
  });

/** Which nodes answered so many reads. */
async function answeredBy(client: RedisClient, count = 20): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const [row] = await world.until(readKeys(client, ['k']));
    counts[row![0]!] = (counts[row![0]!] ?? 0) + 1;
    await world.pass(1);
  }
  return counts;
}

describe('where reads go', () => {
  test('primary: nowhere else, even when it is gone', async () => {
    const client = await open('primary');
    expect(await answeredBy(client)).toEqual({ a: 20 });
    nodes.a.presence = undefined;
    nodes.a.breakAll();
    await expect(world.until(readKeys(client, ['k']))).rejects.toMatchObject({ address: 'a:1' });
  });

  test('prefer-replica: to the replicas by turns, to the primary where none is left', async () => {
    const client = await open('prefer-replica');
    await world.pass(50);
    expect(await answeredBy(client)).toEqual({ b: 10, c: 10 });
    nodes.b.presence = undefined;
    nodes.b.breakAll();
    expect(await answeredBy(client)).toEqual({ c: 20 });
    nodes.c.presence = undefined;
    nodes.c.breakAll();
    expect(await answeredBy(client)).toEqual({ a: 20 });
  });

  test('nearest: to the shortest round trip', async () => {
    nodes.a.latencyMs = 2;
    nodes.b.latencyMs = 0.2;
    nodes.c.latencyMs = 3;
    const client = await open('nearest');
    await world.pass(100);
    expect(await answeredBy(client)).toEqual({ b: 20 });
  });

  test('zone: to the own zone as the nodes tell it, else to the nearest', async () => {
    const inZone =
      (zone: string): SimulatedRedis['handler'] =>
      (words) =>
        words[0]!.toString() === 'INFO'
          ? Buffer.from(`$${20 + zone.length}\r\navailability_zone:${zone}\r\n\r\n`)
          : null;
    nodes.a.handler = inZone('zone-2');
    nodes.b.handler = inZone('zone-2');
    nodes.c.handler = inZone('zone-1');
    nodes.b.latencyMs = 2;
    const client = await open('zone');
    await world.pass(100);
    expect(await answeredBy(client)).toEqual({ c: 20 });
    nodes.c.presence = undefined;
    nodes.c.breakAll();
    await world.pass(100);
    expect(await answeredBy(client)).toEqual({ a: 20 });
  });

  test('zone: as it is configured', async () => {
    const zones = new Map([
      ['a:1', 'zone-2'],
      ['b', 'zone-1'],
      ['c:1', 'zone-2'],
    ]);
    const client = await open('zone', { zones });
    await world.pass(50);
    expect(await answeredBy(client)).toEqual({ b: 20 });
  });

  test('replicas are those that the node names where none are configured', async () => {
    nodes.a.handler = (words) =>
      words[0]!.toString() === 'ROLE' ? array(['master', 1, [['b', '1', '1']]]) : null;
    const client = await open('prefer-replica', { replicas: undefined });
    await world.pass(50);
    expect(await answeredBy(client)).toEqual({ b: 20 });
  });

  test('a replica without data, as it is after a restart, is not believed', async () => {
    const client = await open('prefer-replica');
    await world.pass(50);
    nodes.b.hashes.clear();
    nodes.c.hashes.clear();
    expect(await answeredBy(client)).toEqual({ a: 20 });
    nodes.a.hashes.clear();
    expect(await world.until(readKeys(client, ['k']))).toEqual([[null, null]]);
  });

  test('writes go to the primary alone', async () => {
    const client = await open('prefer-replica');
    const key = Buffer.from('k');
    await world.until(
      client.callAll([{ key, words: ['HSET', 'k', 'f', 'x'] }], { deadlineAtMs: Infinity }, 1_000),
    );
    expect(nodes.a.heard.filter((text) => text.startsWith('HSET'))).toHaveLength(1);
    expect([...nodes.b.heard, ...nodes.c.heard].filter((text) => text.startsWith('HSET'))).toEqual(
      [],
    );
  });
});

describe('another copy', () => {
  test.each([
    'LOADING Redis is loading the dataset in memory',
    'MASTERDOWN Link with MASTER is down',
  ])('answers at once where one says %s, which is left out for a while', async (error) => {
    const client = await open('prefer-replica');
    await world.pass(50);
    nodes.b.handler = (words) => (words[0]!.toString() === 'HMGET' ? `-${error}\r\n` : null);
    const startedAtMs = world.now();
    for (let i = 0; i < 10; i++) {
      expect((await world.until(readKeys(client, ['k'])))[0]![0]).toBe('c');
    }
    expect(world.now() - startedAtMs).toBeLessThan(10);
    expect(nodes.b.heard.filter((text) => text.startsWith('HMGET')).length).toBeLessThan(3);
  });

  test('answers what was under way where a connection breaks', async () => {
    const client = await open('prefer-replica');
    await world.pass(50);
    nodes.b.isStopped = true;
    nodes.c.isStopped = true;
    const reading = readKeys(client, ['k']);
    await world.pass(1);
    nodes.b.breakAll();
    nodes.c.breakAll();
    expect((await world.until(reading))[0]![0]).toBe('a');
  });

  test('is asked when one is late, and the first answer counts', async () => {
    const client = await open('prefer-replica');
    await world.pass(50);
    await answeredBy(client, 60);
    nodes.b.isStopped = true;
    const startedAtMs = world.now();
    expect(
      (await world.until(Promise.all([1, 2].map(() => readKeys(client, ['k']))))).flat(2),
    ).not.toContain('b');
    expect(world.now() - startedAtMs).toBeLessThan(5);
    expect(client.counts.hedged).toBeGreaterThan(0);
    nodes.b.resume();
    await world.pass(10);
    expect((await answeredBy(client, 10))['c']).toBeGreaterThan(0);
  });

  test('is not asked for more than the budget', async () => {
    const client = await open('prefer-replica');
    await world.pass(50);
    await answeredBy(client, 60);
    const before = client.counts;
    // Both are slow from now on: asking twice would only add to it.
    nodes.b.delayMs = 30;
    nodes.c.delayMs = 30;
    nodes.a.delayMs = 30;
    for (let i = 0; i < 400; i++) {
      const reading = readKeys(client, ['k']);
      await world.pass(2);
      void reading;
    }
    await world.pass(100);
    const { reads, hedged } = client.counts;
    expect(hedged - before.hedged).toBeLessThanOrEqual(16 + 0.05 * (reads - before.reads));
  });

  test('is not asked for hedging where that is switched off', async () => {
    const client = await open('prefer-replica', { hedgeShare: 0 });
    await world.pass(50);
    nodes.b.delayMs = 40;
    nodes.c.delayMs = 40;
    await answeredBy(client, 4);
    expect(client.counts.hedged).toBe(0);
  });

  test('whose answer arrives by turns with the first one never mixes with it', async () => {
    const long = (name: string) => ({ f: name.repeat(3_000), g: name.repeat(2_000) });
    for (const [name, server] of Object.entries(nodes)) server.put('k', long(name));
    const client = await open('prefer-replica', { hedgeShare: 1 });
    await world.pass(50);
    for (let i = 0; i < 60; i++) await world.until(readKeys(client, ['k']));
    // Each answer takes some milliseconds to arrive, in pieces that alternate.
    for (const server of Object.values(nodes)) {
      server.handler = (words, { connection }) => {
        if (words[0]!.toString() !== 'HMGET') return null;
        const name = Object.entries(nodes).find(([, other]) => other === server)![0];
        const { f, g } = long(name);
        const bytes = Buffer.from(`*2\r\n$${f.length}\r\n${f}\r\n$${g.length}\r\n${g}\r\n`);
        for (let at = 0, n = 0; at < bytes.length; at += 400, n++) {
          const piece = bytes.subarray(at, at + 400);
          world.at(world.now() + n * 0.7 * (name === 'b' ? 3 : 1), () => connection.send(piece));
        }
        return undefined;
      };
    }
    const before = client.counts.hedged;
    for (let i = 0; i < 10; i++) {
      const [row] = await world.until(readKeys(client, ['k']));
      const [name] = row![0]!;
      expect(row).toEqual([name!.repeat(3_000), name!.repeat(2_000)]);
    }
    expect(client.counts.hedged).toBeGreaterThan(before);
  });
});

describe('the same read by several callers in one turn', () => {
  const hmgets = (): number => nodes.a.heard.filter((text) => text.startsWith('HMGET')).length;

  test('is sent once, and answers all of them', async () => {
    const client = await open('primary');
    const answers = await world.until(
      Promise.all([
        readKeys(client, ['k', 'none']),
        readKeys(client, ['k']),
        readKeys(client, ['k']),
      ]),
    );
    expect(answers).toEqual([
      [
        ['a', 'same'],
        [null, null],
      ],
      [['a', 'same']],
      [['a', 'same']],
    ]);
    expect(hmgets()).toBe(2);
    expect(client.counts.joined).toBe(2);
  });

  test('is sent again in the next turn: what was written meanwhile is seen', async () => {
    const client = await open('primary');
    const first = readKeys(client, ['k']);
    await world.pass(0.05);
    const second = readKeys(client, ['k']);
    await world.until(Promise.all([first, second]));
    expect(hmgets()).toBe(2);
  });

  test('goes on for the others when the first caller went away', async () => {
    const client = await open('primary');
    const abort = new AbortController();
    const first = readKeys(client, ['k'], { deadlineAtMs: Infinity, signal: abort.signal });
    const second = readKeys(client, ['k']);
    abort.abort();
    await expect(world.until(first)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await world.until(second)).toEqual([['a', 'same']]);
  });

  test('goes on for the others when the deadline of the first caller ends in the middle of its answer', async () => {
    const client = await open('primary');
    nodes.a.handler = (words, { connection }) => {
      if (words[0]!.toString() !== 'HMGET') return null;
      connection.send(Buffer.from('*2\r\n$1\r\na\r\n$4\r\nsa'));
      world.at(world.now() + 50, () => connection.send(Buffer.from('me\r\n')));
      return undefined;
    };
    const first = readKeys(client, ['k'], { deadlineAtMs: world.now() + 20 });
    const second = readKeys(client, ['k']);
    await expect(world.until(first)).rejects.toMatchObject({ code: 'DEADLINE' });
    expect(await world.until(second)).toEqual([['a', 'same']]);
  });

  test('is asked of another copy for the others when the first caller went away', async () => {
    const client = await open('prefer-replica', { hedgeShare: 1 });
    await world.pass(50);
    await answeredBy(client, 60);
    nodes.b.isStopped = true;
    const turns = Array.from({ length: 2 }, async () => {
      const abort = new AbortController();
      const first = readKeys(client, ['k'], { deadlineAtMs: Infinity, signal: abort.signal });
      const second = readKeys(client, ['k']);
      abort.abort();
      await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
      return second;
    });
    const startedAtMs = world.now();
    expect((await world.until(Promise.all(turns))).flat(2)).not.toContain('b');
    expect(world.now() - startedAtMs).toBeLessThan(5);
  });

  test('is sent for each of them where sharing is switched off', async () => {
    const client = await open('primary', { sharesReads: false });
    const answers = await world.until(
      Promise.all([readKeys(client, ['k']), readKeys(client, ['k'])]),
    );
    expect(answers).toEqual([[['a', 'same']], [['a', 'same']]]);
    expect(hmgets()).toBe(2);
    expect(client.counts).toMatchObject({ reads: 2, joined: 0 });
  });

  test('fails all of them where it fails', async () => {
    const client = await open('primary');
    nodes.a.handler = (words) =>
      words[0]!.toString() === 'HMGET' ? '-WRONGTYPE Operation against a key\r\n' : null;
    const answers = await world.until(
      Promise.allSettled([readKeys(client, ['k']), readKeys(client, ['k'])]),
    );
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'REPLY' } });
    }
  });
});

describe('what was read', () => {
  test('stays as it is while it is held, however much is read and given back meanwhile', async () => {
    const client = await open('primary');
    const names = Array.from({ length: 40 }, (_, i) => `key ${i}`);
    for (const name of names) {
      nodes.a.put(name, { f: name.repeat(200), g: `${name} again` });
    }
    const read = async (key: string) => {
      const reads = [{ fields: FIELDS, keys: [Buffer.from(key)], shape: 'hgetall' as const }];
      const { cells } = await world.until(client.readHashes(reads, { deadlineAtMs: Infinity }));
      return cells[0]!;
    };
    const held = [];
    for (let round = 0; round < 20; round++) {
      for (const [i, name] of names.entries()) {
        const cells = await read(name);
        expect(textOf(cells, FIELDS.width)).toEqual([[name.repeat(200), `${name} again`]]);
        if (i === round) held.push({ name, cells });
        else cells.release();
      }
    }
    for (const { name, cells } of held) {
      expect(textOf(cells, FIELDS.width)).toEqual([[name.repeat(200), `${name} again`]]);
    }
  });

  test("is nobody else's after it was given back, and may be given back twice", async () => {
    const client = await open('primary');
    const reads = [{ fields: FIELDS, keys: [Buffer.from('k')], shape: 'hmget' as const }];
    const { cells } = await world.until(client.readHashes(reads, { deadlineAtMs: Infinity }));
    cells[0]!.release();
    cells[0]!.release();
    expect(cells[0]!.buffers).toEqual([]);
    const again = await world.until(
      Promise.all([readKeys(client, ['k']), readKeys(client, ['x'])]),
    );
    expect(again).toEqual([[['a', 'same']], [[null, null]]]);
  });
});
