import { Buffer } from 'node:buffer';
import { beforeEach, describe, expect, test } from 'vitest';
import type { RedisClient } from '../../src/redis/redis-client.ts';
import { redisSlot } from '../../src/redis/redis-slot.ts';
import { openClient, readKeys, slotsAnswer } from './simulated-client.ts';
import { bulk, SimulatedRedis, type Answer } from './simulated-redis.ts';
import { SimulatedWorld } from './simulated-world.ts';

/** Of one slot, whose keys have gone to another shard while the cluster has not been told. */
const [MOVED, MISSING] = ['{1}:moved', '{1}:missing'];
/** Of another one, that stays where it is. */
const [THERE, ABSENT] = ['{2}:there', '{2}:absent'];
const SLOT = redisSlot(Buffer.from(MOVED));
const OTHER_SLOT = redisSlot(Buffer.from(THERE));

type Name = 'a' | 'b' | 'c' | 'e';
let world: SimulatedWorld;
let nodes: Readonly<Record<Name, SimulatedRedis>>;
/** Who takes the slot in: a shard that has slots, or one that is new. */
let taker: Name | undefined;
/** When e died, as all others say; `undefined` = it lives. */
let diedAtMs: number | undefined;
/** Whether a says that it sends the slot to e. */
let isSending: boolean;
/** What a node answers to `CLUSTER NODES`, other than what is so. */
let odd: Partial<Record<Name, Answer>>;

beforeEach(async () => {
  world = new SimulatedWorld();
  const node = (name: Name) => new SimulatedRedis(world, `${name}:1`);
  // c copies a, which has both slots; b has the others, e none.
  nodes = { a: node('a'), b: node('b'), c: node('c'), e: node('e') };
  odd = {};
  taker = undefined;
  diedAtMs = undefined;
  isSending = false;
  for (const name of ['a', 'b', 'c', 'e'] as const) {
    nodes[name].handler = (words) => {
      const [command, question] = words.map(String);
      if (command !== 'CLUSTER') return null;
      if (question === 'NODES') return name in odd ? odd[name] : bulk(membersAs(name));
      return slotsAnswer([
        [0, LAST_OF_A, 'a', 'c'],
        [LAST_OF_A + 1, 16_383, 'b'],
      ]);
    };
    for (const key of [MOVED, THERE]) nodes[name].put(key, fieldsOf(key));
  }
  nodes.c.hashes.delete(MOVED);
});

const LAST_OF_A = Math.max(SLOT, OTHER_SLOT);
const fieldsOf = (key: string) => ({ f: `f of ${key}`, g: `g of ${key}` });
const rowOf = (key: string): (string | null)[] => Object.values(fieldsOf(key));
const NOTHING = [null, null];

/** The lines of `CLUSTER NODES`: who takes a slot in or sends it away says so of itself, and no other node does. */
function membersAs(own: Name): string {
  const takes = own === taker ? ` [${SLOT}-<-id-a]` : '';
  const moves = own === 'a' && isSending ? ` [${SLOT}->-id-e]` : takes;
  const line = (name: Name, role: string, slots: string) =>
    `id-${name} ${name}:1@2 ${name === own ? 'myself,' : ''}${role} 0 0 1 connected${slots}${name === own ? moves : ''}\n`;
  const [ofA, ofB] = [` 0-${LAST_OF_A}`, ` ${LAST_OF_A + 1}-16383`];
  return [
    line('a', 'master -', ofA),
    line('b', 'master -', ofB),
    line('c', 'slave id-a', ''),
    diedAtMs === undefined
      ? line('e', 'master -', '')
      : `id-e e:1@2 master,fail - 0 ${diedAtMs} 1 disconnected\n`,
  ].join('');
}

/** A client of the copies, to whom the primary has owed an answer for so long that it is away. */
async function withoutPrimary(): Promise<RedisClient> {
  const read = { readFrom: 'prefer-replica', zone: undefined } as const;
  const client = await openClient(world, { kind: 'redis_cluster', read, hedgeShare: 0 });
  await world.pass(50);
  nodes.a.isStopped = true;
  const limits = { deadlineAtMs: world.now() + 100 };
  const asked = world.until(readKeys(client, [ABSENT], limits));
  await expect(asked).rejects.toMatchObject({ code: 'DEADLINE' });
  return client;
}

const read = (client: RedisClient, keys: readonly string[]) => world.until(readKeys(client, keys));
const looks = (): number => nodes.b.heard.filter((text) => text === 'CLUSTER NODES').length;

test.each(['b', 'e'] as const)('a key that has gone to %s is read there', async (name) => {
  taker = name;
  const client = await withoutPrimary();
  expect(await read(client, [MOVED, MISSING, THERE])).toEqual([
    rowOf(MOVED),
    NOTHING,
    rowOf(THERE),
  ]);
  expect(nodes[name].heard).toContain('ASKING');
});

test('what no primary takes in is not there', async () => {
  taker = 'b';
  const client = await withoutPrimary();
  const startedAtMs = world.now();
  expect(await read(client, [ABSENT])).toEqual([NOTHING]);
  expect(world.now() - startedAtMs).toBeLessThan(5);
});

test('nor where the primary goes away while it is asked', async () => {
  const read = { readFrom: 'prefer-replica', zone: undefined } as const;
  const client = await openClient(world, { kind: 'redis_cluster', read, hedgeShare: 0 });
  await world.pass(50);
  nodes.a.isStopped = true;
  const reading = readKeys(client, [ABSENT]);
  await world.pass(5);
  nodes.a.presence = undefined;
  nodes.a.breakAll();
  expect(await world.until(reading)).toEqual([NOTHING]);
});

test('a key of a slot that another primary has by now is read there', async () => {
  const client = await withoutPrimary();
  for (const name of ['b', 'c', 'e'] as const) {
    odd[name] = bulk(
      membersAs(name)
        .replace(` 0-${LAST_OF_A}`, '')
        .replace(/(e:1.*connected)/, `$1 0-${LAST_OF_A}`),
    );
  }
  expect(await read(client, [MOVED])).toEqual([rowOf(MOVED)]);
  expect(nodes.e.heard).toContainEqual(expect.stringContaining(MOVED));
});

test('many absent keys make few looks at the cluster', async () => {
  taker = 'b';
  const client = await withoutPrimary();
  const before = looks();
  const rows: unknown[] = [];
  for (let i = 0; i < 60; i++) {
    void readKeys(client, [ABSENT]).then((row) => rows.push(row));
    await world.pass(10);
  }
  await world.pass(200);
  expect(rows).toEqual(Array.from({ length: 60 }, () => [NOTHING]));
  expect(looks() - before).toBeGreaterThan(3);
  expect(looks() - before).toBeLessThanOrEqual(8);
});

test.each([
  ['is silent', undefined, /it is away|no answer/],
  ['refuses', "-NOPERM no permissions to run 'cluster|nodes'\r\n", /e:1 does not say .*NOPERM/],
  ['says something else', '+OK\r\n', /in a way that is not known/],
])('where a primary %s an absent key is an error, no answer', async (_, answer, message) => {
  taker = 'e';
  odd.e = answer;
  const client = await withoutPrimary();
  await expect(read(client, [MOVED])).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringMatching(message) as string,
  });
  // What the copy has is an answer.
  expect(await read(client, [THERE])).toEqual([rowOf(THERE)]);
});

/** e dies, and everybody knows. */
function killE(): void {
  diedAtMs = world.now();
  nodes.e.presence = undefined;
  nodes.e.breakAll();
}

/** Long enough for a client to note who has failed. */
const NOTED_MS = 7_000;

describe('a primary that is dead, without slots,', () => {
  const openEarly = async (): Promise<RedisClient> => {
    const read = { readFrom: 'prefer-replica', zone: undefined } as const;
    const nodesAsked = [{ host: 'b', port: 1 }];
    const options = { kind: 'redis_cluster', nodes: nodesAsked, read, hedgeShare: 0 } as const;
    const client = await openClient(world, options);
    await world.pass(50);
    return client;
  };
  const stopA = async (): Promise<void> => {
    nodes.a.isStopped = true;
    await world.pass(1_500);
  };
  const isUnknown = { code: 'UNREACHABLE', message: /e:1 does not say whether slot \d+/ };
  const expectUnknown = async (client: RedisClient, key: string): Promise<void> => {
    await expect(read(client, [key])).rejects.toMatchObject({
      code: isUnknown.code,
      message: expect.stringMatching(isUnknown.message) as string,
    });
  };

  test.each(['before the client was opened', 'since'])(
    'has nothing of what its primary sent nowhere when it was dead: it died %s',
    async (when) => {
      if (when !== 'since') killE();
      const client = await openEarly();
      if (when === 'since') killE();
      await world.pass(NOTED_MS);
      await stopA();
      expect(await read(client, [ABSENT, THERE])).toEqual([NOTHING, rowOf(THERE)]);
      // The word of a stays good while a cannot say another.
      await world.pass(2 * NOTED_MS);
      expect(await read(client, [ABSENT, THERE])).toEqual([NOTHING, rowOf(THERE)]);
    },
  );

  test('may have what was on its way to it', async () => {
    isSending = true;
    const client = await openEarly();
    killE();
    await world.pass(NOTED_MS);
    await stopA();
    await expectUnknown(client, MOVED);
    expect(await read(client, [ABSENT])).toEqual([NOTHING]);
  });

  test('may have what was sent to it while it lived again', async () => {
    killE();
    const client = await openEarly();
    await world.pass(NOTED_MS);
    await stopA();
    diedAtMs = world.now();
    await expectUnknown(client, MOVED);
  });

  test('may have anything where it died after its primary was last heard', async () => {
    const client = await openEarly();
    await world.pass(NOTED_MS);
    nodes.a.isStopped = true;
    killE();
    await world.pass(2 * NOTED_MS);
    await expectUnknown(client, MOVED);
  });

  test('may have anything where its primary was never heard', async () => {
    killE();
    nodes.a.presence = undefined;
    const client = await openEarly();
    await world.pass(NOTED_MS);
    await expectUnknown(client, MOVED);
  });

  test('costs nothing while nobody is dead but a question to one node', async () => {
    const before = looks();
    await openEarly();
    await world.pass(10 * NOTED_MS);
    const all = [...nodes.a.heard, ...nodes.c.heard, ...nodes.e.heard];
    expect(all.filter((text) => text === 'CLUSTER NODES').length + looks() - before).toBeLessThan(
      25,
    );
  });
});

test('a client that is closed while it looks ends its reads', async () => {
  taker = 'b';
  odd.b = undefined;
  const client = await withoutPrimary();
  const reading = readKeys(client, [ABSENT]);
  await world.pass(50);
  client.close();
  await expect(world.until(reading)).rejects.toMatchObject({ code: 'CLOSED' });
  await world.pass(20_000);
  expect(world.eventCount).toBe(0);
});
