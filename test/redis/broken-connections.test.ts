import { Buffer } from 'node:buffer';
import { beforeEach, describe, expect, test } from 'vitest';
import type { RedisClient } from '../../src/redis/redis-client.ts';
import { openClient, readKeys, slotsAnswer } from './simulated-client.ts';
import { SimulatedRedis, type Answer } from './simulated-redis.ts';
import { SimulatedWorld } from './simulated-world.ts';

const KEYS = Array.from({ length: 12 }, (_, i) => `key:${i}`);

let world: SimulatedWorld;
let node: SimulatedRedis;

beforeEach(() => {
  world = new SimulatedWorld();
  node = new SimulatedRedis(world, 'a:1');
  for (const key of KEYS) node.put(key, { f: `f of ${key}`, g: `g of ${key}` });
});

const rowOf = (key: string): string[] => [`f of ${key}`, `g of ${key}`];

describe('a node that sends one reply too many', () => {
  let client: RedisClient;
  beforeEach(async () => {
    client = await openClient(world);
    expect(await world.until(readKeys(client, KEYS))).toEqual(KEYS.map(rowOf));
  });

  /** Puts a reply before the next one, once. */
  const slipIn = (extra: string): void => {
    node.handler = (_words, session): Answer | null => {
      node.handler = undefined;
      session.connection.send(Buffer.from(extra));
      return null;
    };
  };

  /** Reads every key by itself, all at once. */
  const readEach = (deadlineAtMs: number) =>
    Promise.allSettled(KEYS.map((key) => readKeys(client, [key], { deadlineAtMs })));

  test.each([['+OK\r\n'], [':7\r\n'], ['$3\r\nfoo\r\n'], ['*1\r\n+x\r\n']])(
    'has its connection given up, and nobody gets the answer of another: %j',
    async (extra) => {
      slipIn(extra);
      const connections = world.attempts.length;
      const rows = await world.until(readEach(Infinity));
      for (const [i, row] of rows.entries()) {
        if (row.status === 'fulfilled') expect(row.value).toEqual([rowOf(KEYS[i]!)]);
        else expect(row.reason).toMatchObject({ code: 'PROTOCOL' });
      }
      expect(rows.filter(({ status }) => status === 'rejected')).toHaveLength(1);
      expect(world.attempts.length).toBe(connections + 1);
      expect(await world.until(readKeys(client, KEYS))).toEqual(KEYS.map(rowOf));
    },
  );

  test('is found out by an answer that nobody waits for any more', async () => {
    node.isStopped = true;
    const [lateKey, nextKey] = KEYS as [string, string];
    const late = readKeys(client, [lateKey], { deadlineAtMs: world.now() + 20 });
    await expect(world.until(late)).rejects.toMatchObject({ code: 'DEADLINE' });
    const next = readKeys(client, [nextKey]);
    await world.pass(1);
    slipIn('+OK\r\n');
    node.resume();
    // Passed over like the late answer, it would have made that the answer to the next read.
    expect(await world.until(next)).toEqual([rowOf(nextKey)]);
  });
});

test('a connection that breaks every 300 ms costs no read that has a second', async () => {
  const client = await openClient(world);
  await world.until(readKeys(client, KEYS));
  for (let i = 0; i < 10; i++) {
    node.breakAll();
    const deadlineAtMs = world.now() + 1_000;
    expect(await world.until(readKeys(client, KEYS, { deadlineAtMs }))).toEqual(KEYS.map(rowOf));
    await world.pass(300);
  }
});

describe('a node that breaks connections and takes new ones', () => {
  const limits = () => ({ deadlineAtMs: world.now() + 400 });

  /** Breaks every connection as soon as it is to serve; `when` it hears the command, so many times. */
  const breakAt = (command: string, times: number): void => {
    let left = times;
    node.handler = ([name], { connection }): Answer | null => {
      if (String(name) !== command || left === 0) return null;
      left--;
      connection.close(new Error('read ECONNRESET'));
      node.sessions.clear();
      return undefined;
    };
  };

  test.each([
    ['HMGET', 5],
    ['HELLO', 4],
  ])('at each %s, %i times, costs no read that has 400 ms', async (command, times) => {
    const client = await openClient(world);
    await world.pass(1_000);
    breakAt(command, times);
    node.breakAll();
    expect(await world.until(readKeys(client, [KEYS[0]!], limits()))).toEqual([rowOf(KEYS[0]!)]);
  });

  test('again and again is as good as none: reads fail in half a second, then at once', async () => {
    const client = await openClient(world);
    await world.pass(1_000);
    breakAt('HMGET', Infinity);
    const heard = node.heard.length;
    const startedAtMs = world.now();
    const unlimited = { deadlineAtMs: Infinity };
    await expect(world.until(readKeys(client, [KEYS[0]!], unlimited))).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: 'read ECONNRESET',
    });
    expect(world.now() - startedAtMs).toBeLessThan(500);
    // What breaks its connection is not sent for ever.
    expect(node.heard.length - heard).toBeLessThan(9);
    const failedAtMs = world.now();
    await expect(world.until(readKeys(client, [KEYS[1]!], limits()))).rejects.toThrow('ECONNRESET');
    expect(world.now()).toBe(failedAtMs);
    node.handler = undefined;
    await world.pass(600);
    expect(await world.until(readKeys(client, KEYS))).toEqual(KEYS.map(rowOf));
  });
});

test('a header that promises too much holds up reads for a while, not for ever', async () => {
  const client = await openClient(world);
  await world.until(readKeys(client, KEYS));
  let isPromised = false;
  node.handler = (_words, session): Answer | null => {
    if (!isPromised) session.connection.send(Buffer.from('*2\r\n$100000000\r\n'));
    isPromised = true;
    return null;
  };
  // Bytes go on arriving, so the node is not silent.
  let failed = 0;
  for (let i = 0; i < 100; i++) {
    const read = readKeys(client, KEYS, { deadlineAtMs: world.now() + 100 });
    await world.until(read).catch(() => failed++);
    await world.pass(50);
  }
  expect(failed).toBeGreaterThan(10);
  expect(failed).toBeLessThan(40);
  expect(await world.until(readKeys(client, KEYS))).toEqual(KEYS.map(rowOf));
});

test('a large reply that takes seconds is waited for while it arrives', async () => {
  const value = 'x'.repeat(200_000);
  node.put('large', { f: value, g: '' });
  const client = await openClient(world);
  world.pieceBytes = 1_000;
  world.pieceGapMs = 18;
  expect(await world.until(readKeys(client, ['large']))).toEqual([[value, '']]);
  expect(world.attempts).toHaveLength(1);
});

test('a write that waits to be tried again ends when the client is closed', async () => {
  const client = await openClient(world);
  node.handler = ([name]) => (String(name) === 'HSET' ? '-TRYAGAIN later\r\n' : null);
  const call = { key: Buffer.from('k'), words: ['HSET', 'k', 'f', 'v'] };
  const writing = client.callAll([call], { deadlineAtMs: world.now() + 5_000 }, 5_000);
  await world.pass(100);
  client.close();
  expect(await world.until(writing)).toMatchObject([{ code: 'CLOSED' }]);
  await world.pass(20_000);
  expect(world.eventCount).toBe(0);
});

test('a first write to a client that is closed opens no connection', async () => {
  const client = await openClient(world);
  client.close();
  const call = { key: Buffer.from('k'), words: ['HSET', 'k', 'f', 'v'] };
  const writing = client.callAll([call], { deadlineAtMs: world.now() + 5_000 }, 5_000);
  expect(await world.until(writing)).toMatchObject([{ code: 'CLOSED' }]);
  await world.pass(20_000);
  expect(world.eventCount).toBe(0);
});

test('a client leaves nothing behind, at whatever moment of looking at the cluster it is closed', async () => {
  for (let ms = 0; ms < 120; ms += 3) {
    const own = new SimulatedWorld();
    let replica = 'b';
    for (const name of ['a', 'b', 'c']) {
      const server = new SimulatedRedis(own, `${name}:1`);
      server.delayMs = 15;
      server.handler = ([word]) =>
        String(word) === 'CLUSTER' ? slotsAnswer([[0, 16_383, 'a', replica]]) : null;
    }
    const client = await openClient(own, { kind: 'redis_cluster', topologyRefreshMs: 50 });
    // Looks are under way again and again, and the next one would find a node that is new.
    replica = 'c';
    await own.pass(ms);
    client.close();
    await own.pass(20_000);
    expect({ ms, events: own.eventCount }).toEqual({ ms, events: 0 });
  }
});
