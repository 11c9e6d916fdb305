import { Buffer } from 'node:buffer';
import { beforeEach, describe, expect, test } from 'vitest';
import type { RedisClient, RedisClientOptions } from '../../src/redis/redis-client.ts';
import { openClient, readKeys } from './simulated-client.ts';
import { array, SimulatedRedis } from './simulated-redis.ts';
import { SimulatedWorld } from './simulated-world.ts';

let world: SimulatedWorld;
let nodes: Readonly<Record<'a' | 'b', SimulatedRedis>>;
/** Which node each sentinel takes for the primary. */
let opinions: Record<string, 'a' | 'b'>;
let roles: Record<'a' | 'b', string>;

beforeEach(() => {
  world = new SimulatedWorld();
  opinions = { s1: 'a', s2: 'a', s3: 'a' };
  roles = { a: 'master', b: 'slave' };
  const node = (name: 'a' | 'b'): SimulatedRedis => {
    const server = new SimulatedRedis(world, `${name}:1`);
    server.put('k', { f: name, g: 'same' });
    server.handler = ([word]) => (String(word) === 'ROLE' ? array([roles[name], 0, []]) : null);
    return server;
  };
  nodes = { a: node('a'), b: node('b') };
  for (const name of Object.keys(opinions)) {
    const sentinel = new SimulatedRedis(world, `${name}:1`);
    sentinel.handler = ([word, question]) => {
      if (String(word) !== 'SENTINEL') return null;
      return String(question) === 'REPLICAS' ? '*0\r\n' : array([opinions[name]!, '1']);
    };
  }
});

const open = (changes: Partial<RedisClientOptions> = {}): Promise<RedisClient> =>
  openClient(world, {
    kind: 'redis_sentinel',
    nodes: Object.keys(opinions).map((host) => ({ host, port: 1 })),
    topologyRefreshMs: 1_000,
    ...changes,
  });

async function write(client: RedisClient): Promise<unknown> {
  const call = { key: Buffer.from('k'), words: ['HSET', 'k', 'f', 'v'] };
  const writing = client.callAll([call], { deadlineAtMs: world.now() + 5_000 }, 5_000);
  return (await world.until(writing))[0];
}

const writesTo = (node: SimulatedRedis): number =>
  node.heard.filter((text) => text.startsWith('HSET')).length;

describe('a primary behind sentinels', () => {
  test('is asked of one of them', async () => {
    const client = await open();
    expect(await world.until(readKeys(client, ['k']))).toEqual([['a', 'same']]);
    expect(await write(client)).toBe('OK');
    expect(writesTo(nodes.a)).toBe(1);
  });

  test('is not what a sentinel takes for it that has not heard of a failover', async () => {
    roles = { a: 'slave', b: 'master' };
    opinions = { s1: 'a', s2: 'a', s3: 'b' };
    const client = await open();
    // Every look asks them in another order.
    for (let i = 0; i < 20; i++) {
      expect(await write(client)).toBe('OK');
      await world.pass(1_500);
    }
    expect([writesTo(nodes.a), writesTo(nodes.b)]).toEqual([0, 20]);
  });

  test('is what they say where it does not answer itself, or may not', async () => {
    nodes.a.handler = ([word]) => (String(word) === 'ROLE' ? '-NOPERM no\r\n' : null);
    const client = await open();
    expect(await write(client)).toBe('OK');
    client.close();
    nodes.a.presence = undefined;
    nodes.a.breakAll();
    const other = await open();
    expect(other.primaries().map(({ address }) => address)).toEqual(['a:1']);
  });
});
