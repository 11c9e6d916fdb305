import { Buffer } from 'node:buffer';
import { beforeEach, describe, expect, test } from 'vitest';
import type { NodeRead } from '../../src/redis/node-reads.ts';
import type { RedisClient, RedisClientOptions } from '../../src/redis/redis-client.ts';
import { redisSlot } from '../../src/redis/redis-slot.ts';
import { openClient, readKeys, slotsAnswer } from './simulated-client.ts';
import { array, SimulatedRedis, type Answer } from './simulated-redis.ts';
import { SimulatedWorld } from './simulated-world.ts';

const HALF = 8_192;
/** Keys by the half of the slots that theirs is in. */
const LOW = keysOf((slot) => slot < HALF);
const LOW_KEY = Buffer.from(LOW[0]!);
const LOW_SLOT = redisSlot(LOW_KEY);
const HIGH = keysOf((slot) => slot >= HALF);

function keysOf(wanted: (slot: number) => boolean): string[] {
  const names = Array.from({ length: 200 }, (_, i) => `key:${i}`);
  return names.filter((name) => wanted(redisSlot(Buffer.from(name)))).slice(0, 20);
}

let world: SimulatedWorld;
let nodes: Readonly<Record<'a' | 'b' | 'c' | 'd', SimulatedRedis>>;
let ranges: Parameters<typeof slotsAnswer>[0];
let clusterAsked = 0;

beforeEach(() => {
  world = new SimulatedWorld();
  const node = (name: string) => new SimulatedRedis(world, `${name}:1`);
  nodes = { a: node('a'), b: node('b'), c: node('c'), d: node('d') };
  // a and b have one half each; c copies a, d copies b.
  ranges = [
    [0, HALF - 1, 'a', 'c'],
    [HALF, 16_383, 'b', 'd'],
  ];
  clusterAsked = 0;
  for (const server of Object.values(nodes)) {
    server.handler = clusterHandler(() => null);
    for (const key of [...LOW, ...HIGH]) server.put(key, { f: `f of ${key}`, g: `g of ${key}` });
  }
});

type Rule = (words: readonly string[]) => Answer | null;

function clusterHandler(rule: Rule): SimulatedRedis['handler'] {
  return (words) => {
    const texts = words.map((word) => word.toString('latin1'));
    if (texts[0] === 'CLUSTER') {
      clusterAsked++;
      return slotsAnswer(ranges);
    }
    return rule(texts);
  };
}

const open = (changes: Partial<RedisClientOptions> = {}): Promise<RedisClient> =>
  openClient(world, { kind: 'redis_cluster', ...changes });

/** The connection for writes to the node of a key stands. */
async function writeTo(client: RedisClient, key: string): Promise<void> {
  const call = { key: Buffer.from(key), words: ['HSET', key, 'f', 'v'] };
  const limits = { deadlineAtMs: world.now() + 5_000 };
  expect(await world.until(client.callAll([call], limits, 5_000))).toEqual(['OK']);
}

const rowOf = (key: string): string[] => [`f of ${key}`, `g of ${key}`];
const rows = (keys: readonly string[]): string[][] => keys.map(rowOf);
const read = (client: RedisClient, keys: readonly string[]) => world.until(readKeys(client, keys));

const heard = (server: SimulatedRedis, word: string): number =>
  server.heard.filter((text) => text.startsWith(word)).length;

describe('a cluster', () => {
  test('is read from the primaries of the slots, all in one turn', async () => {
    const client = await open();
    expect(await read(client, [...LOW, ...HIGH])).toEqual(rows([...LOW, ...HIGH]));
    expect(heard(nodes.a, 'HMGET')).toBe(LOW.length);
    expect(heard(nodes.b, 'HMGET')).toBe(HIGH.length);
    expect(heard(nodes.c, 'HMGET') + heard(nodes.d, 'HMGET')).toBe(0);
  });

  test('is learnt from any seed, and from a name with many addresses of which some are dead', async () => {
    world.names.set('config', ['x1', 'x2', 'a']);
    const client = await open({
      nodes: [
        { host: 'gone', port: 1 },
        { host: 'config', port: 1 },
      ],
    });
    expect(await read(client, LOW)).toEqual(rows(LOW));
  });

  test('is found again when all addresses behind its name have changed', async () => {
    world.names.set('config', ['x1']);
    const client = await open({ nodes: [{ host: 'config', port: 1 }] });
    await expect(read(client, LOW)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    world.names.set('config', ['b']);
    await world.pass(1_500);
    expect(await read(client, LOW)).toEqual(rows(LOW));
  });

  test('may announce addresses that are reached elsewhere, or none', async () => {
    ranges = [
      [0, HALF - 1, '10.0.0.1'],
      [HALF, 16_383, ''],
    ];
    const client = await open({
      natMap: new Map([['10.0.0.1:1', { host: 'b', port: 1 }]]),
    });
    expect(await read(client, [LOW[0]!, HIGH[0]!])).toEqual(rows([LOW[0]!, HIGH[0]!]));
    expect(heard(nodes.b, 'HMGET')).toBe(1);
    expect(heard(nodes.a, 'HMGET')).toBe(1);
  });

  test('is learnt by CLUSTER SHARDS where SLOTS is refused', async () => {
    const shard = (first: number, last: number, host: string) => [
      'slots',
      [first, last],
      'nodes',
      [['id', 'x', 'port', 1, 'ip', host, 'endpoint', host, 'role', 'master', 'health', 'online']],
    ];
    const handler: SimulatedRedis['handler'] = (words) => {
      if (words[0]!.toString() !== 'CLUSTER') return null;
      return words[1]!.toString() === 'SLOTS'
        ? '-NOPERM this user has no permissions\r\n'
        : array([shard(0, HALF - 1, 'a'), shard(HALF, 16_383, 'b')]);
    };
    for (const server of Object.values(nodes)) server.handler = handler;
    const client = await open();
    expect(await read(client, [LOW[0]!, HIGH[0]!])).toEqual(rows([LOW[0]!, HIGH[0]!]));
  });

  test('of one name that has all slots is read at the port of its replicas', async () => {
    const reader = new SimulatedRedis(world, 'serverless:2');
    const writer = new SimulatedRedis(world, 'serverless:1');
    for (const server of [reader, writer]) {
      server.handler = (words) =>
        words[0]!.toString() === 'CLUSTER'
          ? array([[0, 16_383, ['serverless', 1, 'w'], ['serverless', 2, 'r']]])
          : null;
      server.put('k', { f: 'value' });
    }
    world.names.set('serverless', ['serverless']);
    const client = await open({
      nodes: [{ host: 'serverless', port: 1 }],
      read: { readFrom: 'prefer-replica', zone: undefined },
    });
    await world.pass(50);
    expect(await read(client, ['k'])).toEqual([['value', null]]);
    expect(heard(reader, 'HMGET')).toBe(1);
    expect(heard(writer, 'HMGET')).toBe(0);
  });

  test('that shrinks lets go of the nodes that left, and makes none of them again', async () => {
    const client = await open();
    expect(await read(client, [...LOW, ...HIGH])).toEqual(rows([...LOW, ...HIGH]));
    // b is asked for something that it answers, unwell, when it has left already.
    nodes.b.delayMs = 200;
    nodes.b.handler = clusterHandler(([name]) => (name === 'HMGET' ? '-LOADING Redis\r\n' : null));
    const late = readKeys(client, [HIGH[0]!]);
    await world.pass(10);
    ranges = [[0, 16_383, 'a', 'c']];
    nodes.c.handler = clusterHandler(() => null);
    await world.pass(6_000);
    expect(await world.until(late)).toEqual(rows([HIGH[0]!]));
    await world.pass(10_000);
    expect(
      client
        .nodes()
        .map(({ address }) => address)
        .sort(),
    ).toEqual(['a:1', 'c:1']);
    expect(nodes.b.sessions.size).toBe(0);
  });

  test('without a node for a slot says so', async () => {
    ranges = [[0, HALF - 1, 'a']];
    const client = await open();
    await expect(read(client, [HIGH[0]!])).rejects.toMatchObject({
      message: `no node serves slot ${redisSlot(Buffer.from(HIGH[0]!))} at a:1`,
    });
  });
});

describe('redirections', () => {
  test('MOVED is followed, remembered, and looked into once', async () => {
    const client = await open();
    await read(client, LOW);
    nodes.a.handler = clusterHandler(([name, key]) =>
      name === 'HMGET' ? `-MOVED ${redisSlot(Buffer.from(key!))} b:1\r\n` : null,
    );
    ranges = [[0, 16_383, 'b']];
    const before = clusterAsked;
    expect(await read(client, LOW)).toEqual(rows(LOW));
    expect(clusterAsked - before).toBeLessThanOrEqual(1);
    await world.pass(300);
    expect(clusterAsked - before).toBe(1);
    const told = heard(nodes.a, 'HMGET');
    expect(await read(client, LOW)).toEqual(rows(LOW));
    expect(heard(nodes.a, 'HMGET')).toBe(told);
  });

  test.each(['MOVED', 'ASK'])('%s that goes in circles for a while is got over', async (word) => {
    const client = await open();
    // Each has heard that the other one has the slot, until news reach b.
    const newsAtMs = world.now() + 250;
    const send = (to: string) =>
      clusterHandler(([name]) => {
        const isOver = to === 'a' && world.now() >= newsAtMs;
        return name === 'HMGET' && !isOver ? `-${word} ${LOW_SLOT} ${to}:1\r\n` : null;
      });
    nodes.a.handler = send('b');
    nodes.b.handler = send('a');
    expect(await read(client, [LOW[0]!])).toEqual(rows([LOW[0]!]));
    expect(heard(nodes.a, 'HMGET') + heard(nodes.b, 'HMGET')).toBeLessThan(16);
  });

  test('many redirections leave a read its patience with a connection that breaks', async () => {
    const client = await open();
    let moves = 5;
    nodes.a.handler = nodes.b.handler = clusterHandler(([name]) => {
      if (name !== 'HMGET' || moves < 0) return null;
      if (moves-- > 0) return `-MOVED ${LOW_SLOT} ${moves % 2 === 0 ? 'b' : 'a'}:1\r\n`;
      nodes.a.breakAll();
      nodes.b.breakAll();
      return undefined;
    });
    expect(await read(client, [LOW[0]!])).toEqual(rows([LOW[0]!]));
  });

  test('MOVED that goes in circles ends', async () => {
    const client = await open();
    nodes.a.handler = clusterHandler(([name]) =>
      name === 'HMGET' ? `-MOVED ${LOW_SLOT} b:1\r\n` : null,
    );
    nodes.b.handler = clusterHandler(([name]) =>
      name === 'HMGET' ? `-MOVED ${LOW_SLOT} a:1\r\n` : null,
    );
    const startedAtMs = world.now();
    await expect(read(client, [LOW[0]!])).rejects.toMatchObject({
      message: expect.stringMatching(/send each other slot/) as string,
    });
    expect(world.now() - startedAtMs).toBeLessThan(1_500);
  });

  test.each([
    `MOVED ${LOW_SLOT} nowhere`,
    `MOVED ${LOW_SLOT} b:70000`,
    `MOVED ${LOW_SLOT} b:x`,
    `MOVED ${LOW_SLOT}`,
    `ASK ${LOW_SLOT} b:`,
    `MOVED ${LOW_SLOT} :`,
  ])('%s, which leads nowhere, is an error and connects to nobody', async (error) => {
    const client = await open();
    nodes.a.handler = clusterHandler(([name]) => (name === 'HMGET' ? `-${error}\r\n` : null));
    const attempts = world.attempts.length;
    await expect(read(client, [LOW[0]!])).rejects.toMatchObject({ code: 'REPLY', message: error });
    expect(world.attempts.length).toBe(attempts);
    nodes.a.handler = clusterHandler(() => null);
    expect(await read(client, [LOW[0]!])).toEqual(rows([LOW[0]!]));
  });

  test('an answer about another slot is that of another command: nothing is written twice for it', async () => {
    const client = await open();
    await writeTo(client, LOW[0]!);
    const connections = world.attempts.length;
    nodes.a.handler = clusterHandler(([name]) =>
      name === 'HINCRBY' ? `-MOVED ${LOW_SLOT + 1} b:1\r\n` : null,
    );
    const call = (isRepeatable: boolean) => {
      const words = ['HINCRBY', LOW[0]!, 'f', '1'];
      const limits = { deadlineAtMs: world.now() + 2_000 };
      return world.until(client.callAll([{ key: LOW_KEY, words, isRepeatable }], limits, 5_000));
    };
    expect(await call(false)).toEqual([
      expect.objectContaining({ code: 'PROTOCOL', message: expect.stringMatching(/another slot/) }),
    ]);
    expect(heard(nodes.a, 'HINCRBY')).toBe(1);
    expect(heard(nodes.b, 'HINCRBY')).toBe(0);
    nodes.a.handler = clusterHandler(([name]) => (name === 'HINCRBY' ? ':2\r\n' : null));
    expect(await call(true)).toEqual([2]);
    expect(world.attempts.length).toBe(connections + 1);
  });

  test('nodes that are announced at no address are left out', async () => {
    ranges = [[0, 16_383, 'a']];
    const client = await open();
    nodes.a.handler = (words) =>
      String(words[0]) === 'CLUSTER'
        ? array([[0, 16_383, ['a', 1, 'id-a'], ['b', 70_000, 'id-b'], ['c', 'x', 'id-c']]])
        : null;
    await world.pass(10_000);
    expect(client.nodes().map(({ address }) => address)).toEqual(['a:1']);
    expect(await read(client, LOW)).toEqual(rows(LOW));
  });

  test('ASK goes to the other node with ASKING right before it, and is not remembered', async () => {
    const client = await open();
    nodes.a.handler = clusterHandler(([name, key]) =>
      name === 'HMGET' ? `-ASK ${redisSlot(Buffer.from(key!))} b:1\r\n` : null,
    );
    expect(await read(client, LOW.slice(0, 3))).toEqual(rows(LOW.slice(0, 3)));
    const { heard: words } = nodes.b;
    for (const [i, text] of words.entries()) {
      if (text.startsWith('HMGET')) expect(words[i - 1]).toBe('ASKING');
    }
    nodes.a.handler = clusterHandler(() => null);
    await read(client, [LOW[0]!]);
    expect(nodes.a.heard.at(-1)).toContain('HMGET');
  });

  test.each([
    'TRYAGAIN Multiple keys',
    'CLUSTERDOWN The cluster is down',
    'LOADING Redis is loading',
    'MASTERDOWN Link is down',
  ])('%s passes when it passes in time', async (error) => {
    const client = await open();
    let refusals = 2;
    nodes.a.handler = clusterHandler(([name]) =>
      name === 'HMGET' && refusals-- > 0 ? `-${error}\r\n` : null,
    );
    expect(await read(client, [LOW[0]!])).toEqual(rows([LOW[0]!]));
  });

  describe('a replica that has nothing is not believed', () => {
    const [key, missing] = [LOW[0]!, LOW[1]!];
    const fromReplicas = { readFrom: 'prefer-replica', zone: undefined } as const;
    const openReplicas = async (): Promise<RedisClient> => {
      const client = await open({ read: fromReplicas, hedgeShare: 0 });
      // All nodes are known to be well.
      await world.pass(50);
      return client;
    };

    test.each(['hmget', 'hgetall'] as const)(
      '%s: its primary knows where the key is',
      async (shape) => {
        // Moved already, though the slot is not: a and its copy c have lost it.
        nodes.a.hashes.delete(key);
        nodes.c.hashes.delete(key);
        const slot = redisSlot(Buffer.from(key));
        nodes.a.handler = clusterHandler((words) =>
          words[1] === key && words[0]!.startsWith('H') ? `-ASK ${slot} b:1\r\n` : null,
        );
        nodes.b.handler = clusterHandler(() => null);
        const client = await openReplicas();
        const limits = { deadlineAtMs: Infinity, shape };
        const found = await world.until(readKeys(client, [key, LOW[2]!], limits));
        expect(found).toEqual(rows([key, LOW[2]!]));
        expect(nodes.b.heard.slice(-2)).toEqual(['ASKING', expect.stringContaining(key)]);
        expect(heard(nodes.c, 'H')).toBe(2);
      },
    );

    test('what the primary does not have either is not there, for all who ask', async () => {
      for (const server of Object.values(nodes)) server.hashes.delete(missing);
      const client = await openReplicas();
      const both = [readKeys(client, [missing]), readKeys(client, [missing, key])];
      expect(await world.until(Promise.all(both))).toEqual([
        [[null, null]],
        [[null, null], rowOf(key)],
      ]);
      expect(heard(nodes.a, 'HMGET')).toBe(1);
      // The primary's own word is enough.
      const primary = await open();
      expect(await read(primary, [missing])).toEqual([[null, null]]);
      expect(heard(nodes.a, 'HMGET')).toBe(2);
    });

    test('nor where it has left meanwhile', async () => {
      nodes.c.hashes.delete(key);
      const client = await open({ read: fromReplicas, hedgeShare: 0, topologyRefreshMs: 200 });
      await world.pass(50);
      nodes.c.delayMs = 800;
      const reading = readKeys(client, [key]);
      await world.pass(1);
      ranges = [
        [0, HALF - 1, 'a'],
        [HALF, 16_383, 'b', 'd'],
      ];
      expect(await world.until(reading)).toEqual(rows([key]));
    });

    test.each([
      ['nothing', 'has the key'],
      ['-ASK', 'knows where it is'],
    ])('nor is one waited for that hangs (%s), when its primary %s', async (word) => {
      ranges = [
        [0, HALF - 1, 'a', 'c', 'd'],
        [HALF, 16_383, 'b'],
      ];
      nodes.d.hashes.delete(key);
      const client = await open({ read: fromReplicas, hedgeShare: 1 });
      await world.pass(50);
      nodes.c.isStopped = true;
      const slot = redisSlot(Buffer.from(key));
      nodes.a.handler = clusterHandler((words) =>
        word === '-ASK' && words[1] === key ? `-ASK ${slot} b:1\r\n` : null,
      );
      const startedAtMs = world.now();
      // By turns one of them is asked first.
      const both = [readKeys(client, [key]), readKeys(client, [LOW[2]!, key])];
      expect(await world.until(Promise.all(both))).toEqual([rows([key]), rows([LOW[2]!, key])]);
      expect(world.now() - startedAtMs).toBeLessThan(100);
    });

    test('nor another one that answers while the node is asked that the primary has named', async () => {
      ranges = [
        [0, HALF - 1, 'a', 'c', 'd'],
        [HALF, 16_383, 'b'],
      ];
      for (const node of [nodes.a, nodes.c, nodes.d]) node.hashes.delete(key);
      const slot = redisSlot(Buffer.from(key));
      nodes.a.handler = clusterHandler((words) =>
        words[1] === key && words[0]!.startsWith('H') ? `-ASK ${slot} b:1\r\n` : null,
      );
      nodes.b.handler = clusterHandler(() => null);
      const client = await open({ read: fromReplicas, hedgeShare: 1 });
      await world.pass(50);
      nodes.c.delayMs = 40;
      nodes.d.delayMs = 40;
      nodes.b.delayMs = 60;
      expect(await read(client, [key])).toEqual(rows([key]));
    });

    test('two late replicas and the primary: the first that knows answers, once', async () => {
      ranges = [
        [0, HALF - 1, 'a', 'c', 'd'],
        [HALF, 16_383, 'b'],
      ];
      nodes.c.hashes.delete(key);
      nodes.d.hashes.delete(key);
      const client = await open({ read: fromReplicas, hedgeShare: 1 });
      await world.pass(50);
      nodes.c.delayMs = 60;
      nodes.d.delayMs = 60;
      expect(await read(client, [key])).toEqual(rows([key]));
      await world.pass(500);
      expect(await read(client, [key])).toEqual(rows([key]));
    });
  });

  test('an error that stays is the answer, within a second', async () => {
    const client = await open();
    nodes.a.handler = clusterHandler(([name]) =>
      name === 'HMGET' ? '-CLUSTERDOWN The cluster is down\r\n' : null,
    );
    const startedAtMs = world.now();
    await expect(read(client, [LOW[0]!])).rejects.toMatchObject({
      code: 'REPLY',
      message: 'CLUSTERDOWN The cluster is down',
      address: 'a:1',
    });
    expect(world.now() - startedAtMs).toBeLessThan(1_000);
  });

  test('a write that is under way at a node that leaves goes to its successor', async () => {
    const client = await open();
    await writeTo(client, LOW[0]!);
    nodes.a.isStopped = true;
    const call = {
      key: Buffer.from(LOW[0]!),
      words: ['HSET', LOW[0]!, 'f', 'v'],
      isRepeatable: true,
    };
    const writing = client.callAll([call], { deadlineAtMs: world.now() + 20_000 }, 20_000);
    await world.pass(50);
    // The cluster has elected c; a does not know.
    ranges = [
      [0, HALF - 1, 'c'],
      [HALF, 16_383, 'b', 'd'],
    ];
    expect(await world.until(writing)).toEqual(['OK']);
    expect(heard(nodes.c, 'HSET')).toBe(1);
  });

  test('a transaction that waits for its turn at a node that leaves goes to its successor', async () => {
    const client = await open();
    await writeTo(client, LOW[0]!);
    nodes.a.isStopped = true;
    const transaction = {
      keys: [Buffer.from(LOW[0]!)],
      reads: [['PING']],
      decide: () => [],
    };
    const limits = { deadlineAtMs: world.now() + 20_000 };
    const both = [client.transact(transaction, limits), client.transact(transaction, limits)];
    await world.pass(50);
    ranges = [
      [0, HALF - 1, 'c'],
      [HALF, 16_383, 'b', 'd'],
    ];
    expect(await world.until(Promise.all(both))).toEqual([[], []]);
  });

  test('a transaction on a slot that moves is carried out where its keys are', async () => {
    const key = LOW[0]!;
    const slot = redisSlot(Buffer.from(key));
    const client = await open();
    nodes.a.handler = clusterHandler((words) => (words[1] === key ? `-ASK ${slot} b:1\r\n` : null));
    // The new node takes commands on the slot after ASKING alone, which lasts to the end of a transaction.
    let isAsking = false;
    let isInside = false;
    nodes.b.handler = clusterHandler((words) => {
      const [name] = words;
      if (name === 'ASKING') {
        isAsking = true;
        return null;
      }
      const mayTouch = isAsking;
      if (name === 'MULTI') isInside = true;
      if (name === 'EXEC') isInside = false;
      isAsking &&= isInside;
      if (words[1] === key && !mayTouch) return `-MOVED ${slot} a:1\r\n`;
      if (name === 'EXEC') return mayTouch ? '*1\r\n:1\r\n' : '-EXECABORT\r\n';
      return isInside && name !== 'MULTI' ? '+QUEUED\r\n' : null;
    });
    const replies = client.transact(
      {
        keys: [Buffer.from(key)],
        reads: [['HMGET', key, 'f']],
        decide: (read) => [['HSET', key, 'g', String((read[0] as readonly unknown[])[0])]],
      },
      { deadlineAtMs: world.now() + 20_000 },
    );
    expect(await world.until(replies)).toEqual([1]);
    expect(nodes.b.heard.slice(-4)).toEqual([
      'ASKING',
      'MULTI',
      `HSET ${key} g f of ${key}`,
      'EXEC',
    ]);
  });

  test('READONLY after a failover finds the new primary', async () => {
    const client = await open();
    nodes.a.handler = clusterHandler(([name]) =>
      name === 'HSET' ? "-READONLY You can't write against a read only replica.\r\n" : null,
    );
    ranges = [
      [0, HALF - 1, 'c', 'a'],
      [HALF, 16_383, 'b', 'd'],
    ];
    const key = Buffer.from(LOW[0]!);
    const replies = await world.until(
      client.callAll([{ key, words: ['HSET', key, 'f', '1'] }], { deadlineAtMs: Infinity }, 5_000),
    );
    expect(replies).toEqual(['OK']);
    expect(heard(nodes.c, 'HSET')).toBe(1);
  });
});

describe('a shard that fails', () => {
  test('fails at once once it is known, and the others do not wait for it', async () => {
    const client = await open();
    nodes.a.presence = undefined;
    nodes.a.breakAll();
    await world.pass(200);
    const startedAtMs = world.now();
    await expect(read(client, [LOW[0]!, HIGH[0]!])).rejects.toMatchObject({ address: 'a:1' });
    expect(await read(client, HIGH)).toEqual(rows(HIGH));
    expect(world.now() - startedAtMs).toBeLessThan(5);
  });

  test('is marked in a partial answer that has the rest', async () => {
    const client = await open();
    nodes.a.presence = undefined;
    nodes.a.breakAll();
    await world.pass(200);
    const limits = { deadlineAtMs: Infinity, isPartial: true };
    expect(await world.until(readKeys(client, [LOW[0]!, HIGH[0]!], limits))).toEqual([
      ['lost', 'lost'],
      rowOf(HIGH[0]!),
    ]);
  });

  test('that is silent is marked in a partial answer after the command timeout', async () => {
    const client = await open({ commandTimeoutMs: 300 });
    nodes.a.isStopped = true;
    const limits = { deadlineAtMs: Infinity, isPartial: true };
    const startedAtMs = world.now();
    const answer = await world.until(readKeys(client, [LOW[0]!, HIGH[0]!], limits));
    expect(answer).toEqual([['lost', 'lost'], rowOf(HIGH[0]!)]);
    expect(world.now() - startedAtMs).toBeCloseTo(300, 0);
    nodes.a.resume();
    await world.pass(10);
    expect(answer[0]).toEqual(['lost', 'lost']);
    expect(await read(client, LOW)).toEqual(rows(LOW));
  });

  test('is told of beside the one that answered, to those who want to hear of nodes', async () => {
    const client = await open({ commandTimeoutMs: 300 });
    nodes.a.isStopped = true;
    const told: NodeRead[] = [];
    const startedAtMs = world.now();
    const limits = {
      deadlineAtMs: startedAtMs + 100,
      onNodeRead: (nodeRead: NodeRead) => void told.push(nodeRead),
    };
    const keys = [LOW[0]!, HIGH[0]!, HIGH[1]!];
    await expect(world.until(readKeys(client, keys, limits))).rejects.toMatchObject({
      code: 'DEADLINE',
    });
    expect(told).toEqual([
      { address: 'b:1', keyCount: 2, startedAtMs, endedAtMs: told[0]?.endedAtMs, isAnswered: true },
      { address: 'a:1', keyCount: 1, startedAtMs, endedAtMs: world.now(), isAnswered: false },
    ]);
    expect(told[0]!.endedAtMs).toBeGreaterThan(startedAtMs);
    expect(told[0]!.endedAtMs).toBeLessThan(startedAtMs + 50);
  });

  test('is served by the node that the cluster elected', async () => {
    const client = await open();
    nodes.a.presence = undefined;
    nodes.a.breakAll();
    await world.pass(1_000);
    ranges = [
      [0, HALF - 1, 'c'],
      [HALF, 16_383, 'b', 'd'],
    ];
    await world.pass(300);
    expect(await read(client, LOW)).toEqual(rows(LOW));
  });

  test('a hundred failing reads do not make a storm of looks at the cluster', async () => {
    const client = await open();
    nodes.a.presence = undefined;
    nodes.a.breakAll();
    await world.pass(1_000);
    const before = clusterAsked;
    const startedAtMs = world.now();
    for (let i = 0; i < 100; i++) {
      await read(client, [LOW[0]!]).catch(() => 'lost');
      await world.pass(10);
    }
    const seconds = (world.now() - startedAtMs) / 1_000;
    expect((clusterAsked - before) / seconds).toBeLessThan(15);
  });
});

describe('a deadline', () => {
  test('ends the wait in time, and nothing is mixed up afterwards', async () => {
    const client = await open();
    await read(client, LOW);
    nodes.a.isStopped = true;
    const startedAtMs = world.now();
    const limits = { deadlineAtMs: startedAtMs + 40 };
    await expect(world.until(readKeys(client, LOW, limits))).rejects.toMatchObject({
      code: 'DEADLINE',
    });
    expect(world.now() - startedAtMs).toBeCloseTo(40, 0);
    nodes.a.resume();
    expect(await read(client, LOW.toReversed())).toEqual(rows(LOW.toReversed()));
  });

  test('that has passed sends nothing', async () => {
    const client = await open();
    await expect(
      world.until(readKeys(client, LOW, { deadlineAtMs: world.now() - 1 })),
    ).rejects.toMatchObject({ code: 'DEADLINE' });
    expect(heard(nodes.a, 'HMGET')).toBe(0);
  });

  test('a caller that went away ends the wait, and what was not sent is not sent', async () => {
    const client = await open();
    const abort = new AbortController();
    const limits = { deadlineAtMs: Infinity, signal: abort.signal };
    const reading = readKeys(client, LOW, limits);
    abort.abort();
    await expect(world.until(reading)).rejects.toMatchObject({ code: 'CANCELLED' });
    await world.pass(10);
    expect(heard(nodes.a, 'HMGET')).toBe(0);
  });
});
