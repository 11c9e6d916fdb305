import { Buffer } from 'node:buffer';
import { beforeEach, describe, expect, test } from 'vitest';
import { callNode } from '../../src/redis/call-command.ts';
import type { ConnectionOptions } from '../../src/redis/connection-options.ts';
import { RedisConnection } from '../../src/redis/redis-connection.ts';
import { connectionOptions } from './simulated-client.ts';
import { bulk, SimulatedRedis } from './simulated-redis.ts';
import { SimulatedWorld } from './simulated-world.ts';

let world: SimulatedWorld;
let server: SimulatedRedis;

beforeEach(() => {
  world = new SimulatedWorld();
  server = new SimulatedRedis(world, 'a:1');
});

function connect(changes: Partial<ConnectionOptions> = {}): RedisConnection {
  return new RedisConnection({ host: 'a', port: 1 }, connectionOptions(world, changes));
}

const echo = (words: readonly Buffer[]): Buffer | null =>
  words[0]!.toString() === 'ECHO' ? bulk(words[1]!) : null;

describe('commands of one connection', () => {
  test('are answered in their order, each its own answer, sent in one write per turn', async () => {
    server.handler = echo;
    const connection = connect();
    await world.until(callNode(connection, ['ECHO', 'first']));
    const before = server.deliveries;
    const texts = Array.from({ length: 200 }, (_, i) => `text ${i}`);
    const replies = await world.until(
      Promise.all(texts.map((text) => callNode(connection, ['ECHO', text]))),
    );
    expect(replies.map(String)).toEqual(texts);
    expect(server.deliveries - before).toBe(1);
  });

  test('wait for the connection, and are sent when it stands', async () => {
    server.latencyMs = 20;
    const connection = connect();
    const reply = callNode(connection, ['PING']);
    await world.pass(1);
    expect(server.sessions.size).toBe(0);
    expect(await world.until(reply)).toBe('PONG');
  });

  test('whose caller gave up are answered for nobody, and the next ones rightly', async () => {
    server.handler = echo;
    server.delayMs = 50;
    const connection = connect();
    await world.until(callNode(connection, ['ECHO', 'warm']));
    const late = callNode(connection, ['ECHO', 'late'], 20);
    await expect(world.until(late)).rejects.toMatchObject({ code: 'NO_ANSWER' });
    const next = callNode(connection, ['ECHO', 'next']);
    expect(String(await world.until(next))).toBe('next');
  });

  test('arrive byte by byte, replies too', async () => {
    world.pieceBytes = 1;
    server.handler = echo;
    const connection = connect();
    const payload = Buffer.alloc(3_000, 'x\r\n$1');
    expect(await world.until(callNode(connection, ['ECHO', payload]))).toEqual(payload);
  });

  test('beyond the bounds are refused, without a word to the server', async () => {
    const connection = connect({ maxPendingCommands: 10 });
    await world.until(callNode(connection, ['PING']));
    server.isStopped = true;
    const calls = Array.from({ length: 15 }, () => callNode(connection, ['PING']));
    const results = await world.until(Promise.allSettled(calls));
    const codes = results.map((r) =>
      r.status === 'rejected' ? (r.reason as Error & { code: string }).code : 'ok',
    );
    expect(codes.filter((code) => code === 'OVERLOADED')).toHaveLength(5);
  });

  test('larger than the bound on bytes are refused where others wait', async () => {
    const connection = connect({ maxPendingBytes: 1_000 });
    await world.until(callNode(connection, ['PING']));
    const large = Buffer.alloc(900);
    const calls = [1, 2].map(() => callNode(connection, ['SET', 'k', large]));
    const results = await world.until(Promise.allSettled(calls));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});

describe('commands that wait for a connection', () => {
  test('are bounded by their bytes as well, and refused at once beyond', async () => {
    server.latencyMs = 20;
    const connection = connect({ maxPendingBytes: 10_000 });
    let refused = 0;
    const calls = Array.from({ length: 5 }, () => {
      const call = callNode(connection, ['SET', 'k', 'x'.repeat(4_000)]);
      call.catch(() => refused++);
      return call;
    });
    await world.pass(1);
    expect({ refused, sessions: server.sessions.size }).toEqual({ refused: 3, sessions: 0 });
    const outcomes = await world.until(Promise.allSettled(calls));
    expect(outcomes.map(({ status }) => status).slice(0, 2)).toEqual(['fulfilled', 'fulfilled']);
    expect(outcomes[4]).toMatchObject({ reason: { code: 'OVERLOADED' } });
  });
});

describe('a connection that breaks', () => {
  test('is made again, and what was not answered is lost', async () => {
    server.handler = echo;
    const connection = connect();
    await world.until(callNode(connection, ['ECHO', 'x']));
    server.isStopped = true;
    const lost = callNode(connection, ['ECHO', 'lost']);
    await world.pass(5);
    server.breakAll();
    await expect(world.until(lost)).rejects.toMatchObject({ code: 'UNREACHABLE', address: 'a:1' });
    server.isStopped = false;
    expect(String(await world.until(callNode(connection, ['ECHO', 'again'])))).toBe('again');
  });

  test('refuses at once while its node is away, and serves when it is back', async () => {
    const connection = connect();
    await world.until(callNode(connection, ['PING']));
    server.presence = undefined;
    server.breakAll();
    await world.pass(200);
    const startedAtMs = world.now();
    await expect(world.until(callNode(connection, ['PING']))).rejects.toMatchObject({
      message: 'connect ECONNREFUSED',
    });
    expect(world.now()).toBe(startedAtMs);
    server.presence = 'up';
    await world.pass(1_100);
    expect(await world.until(callNode(connection, ['PING']))).toBe('PONG');
  });

  test('for a reply that cannot be read fails the command at once', async () => {
    server.handler = ([word]) => (String(word) === 'GET' ? ':one\r\n' : null);
    const connection = connect();
    await world.until(callNode(connection, ['PING']));
    const sentAtMs = world.now();
    await expect(world.until(callNode(connection, ['GET', 'k']))).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
    expect(world.now() - sentAtMs).toBeLessThan(10);
  });

  test('is given up when its node falls silent, not before', async () => {
    const connection = connect({ silenceTimeoutMs: 300 });
    await world.until(callNode(connection, ['PING']));
    server.isStopped = true;
    const call = callNode(connection, ['PING'], 5_000);
    await world.pass(290);
    expect(connection.isReady).toBe(true);
    await expect(world.until(call)).rejects.toMatchObject({ message: 'silent for 300 ms' });
  });

  test('says so when there is no answer to connecting', async () => {
    server.presence = null;
    const connection = connect();
    const startedAtMs = world.now();
    await expect(world.until(callNode(connection, ['PING']))).rejects.toMatchObject({
      message: 'no connection within 100 ms',
    });
    expect(world.now() - startedAtMs).toBeLessThan(102);
  });

  test.each([
    ['bytes that are no reply', 'HTTP/1.1 400 Bad Request\r\n'],
    ['one reply too many', '+OK\r\n+OK\r\n'],
  ])('because of %s is made again', async (_, garbage) => {
    const connection = connect();
    await world.until(callNode(connection, ['PING']));
    server.handler = (words) => (words[0]!.toString() === 'GET' ? garbage : null);
    await world.until(callNode(connection, ['GET', 'k']).catch(() => 'lost'));
    server.handler = undefined;
    await world.pass(50);
    expect(connection.connectCount).toBe(2);
    expect(await world.until(callNode(connection, ['PING']))).toBe('PONG');
  });
});

describe('attempts to connect', () => {
  test('become rare, and never more than four in a second', async () => {
    server.presence = undefined;
    connect().open();
    await world.pass(30_000);
    const late = world.attempts.filter(({ atMs }) => atMs > 5_000).length;
    expect(late).toBeGreaterThan(20);
    expect(late).toBeLessThanOrEqual(4 * 26);
  });

  test('of 200 clients that lost a node in one moment are spread, and stay under four in a second each', async () => {
    const clients = Array.from({ length: 200 }, () => connect());
    for (const client of clients) client.open();
    await world.pass(2_000);
    expect(server.sessions.size).toBe(200);
    server.presence = undefined;
    const lostAtMs = world.now();
    server.breakAll();
    await world.pass(10_000);
    const perSecond = new Map<number, number>();
    for (const { atMs } of world.attempts) {
      const second = Math.floor((atMs - lostAtMs) / 1_000);
      perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
    }
    // Delays double from 25 ms: six attempts fit into the first second.
    expect(perSecond.get(0)).toBeLessThanOrEqual(200 * 7);
    for (let second = 1; second < 10; second++) {
      expect(perSecond.get(second)).toBeLessThanOrEqual(200 * 4);
      expect(perSecond.get(second)).toBeGreaterThan(0);
    }
    const inOneMillisecond = new Map<number, number>();
    for (const { atMs } of world.attempts.filter((attempt) => attempt.atMs > lostAtMs + 2_000)) {
      const bin = Math.floor(atMs);
      inOneMillisecond.set(bin, (inOneMillisecond.get(bin) ?? 0) + 1);
    }
    expect(Math.max(...inOneMillisecond.values())).toBeLessThan(10);
  });

  test('of a connection that is made on demand are made for commands alone', async () => {
    const connection = connect({ isOnDemand: true });
    await world.until(callNode(connection, ['PING']));
    server.presence = undefined;
    server.breakAll();
    await world.pass(5_000);
    expect(world.attempts).toHaveLength(1);
    // Asked for all the time, it is tried no more often than others.
    for (let ms = 0; ms < 10_000; ms += 5) {
      void callNode(connection, ['PING']).catch(() => {});
      await world.pass(5);
    }
    const asked = world.attempts.filter(({ atMs }) => atMs > world.now() - 5_000).length;
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThanOrEqual(4 * 5 + 1);
    server.presence = 'up';
    await world.pass(600);
    await world.until(callNode(connection, ['PING']));
    expect(server.sessions.size).toBe(1);
  });

  test('of a node that takes connections and breaks them are slowed down too', async () => {
    const connection = connect();
    server.handler = (_words, { connection: peer }) => {
      peer.close();
      return null;
    };
    connection.open();
    await world.pass(20_000);
    expect(world.attempts.filter(({ atMs }) => atMs > 10_000).length).toBeLessThanOrEqual(4 * 12);
  });
});

describe('setting up', () => {
  const setupOf = async (changes: Partial<ConnectionOptions>): Promise<string[]> => {
    const words: string[] = [];
    server.handler = (command) => {
      words.push(command.join(' '));
      return null;
    };
    await world.until(callNode(connect(changes), ['PING']));
    return words;
  };

  test('asks for RESP3 with user, password and name, and picks the database, in one write', async () => {
    const credentials = async () => ({ username: 'feast', password: 's,e' });
    expect(await setupOf({ credentials, database: 3, clientName: 'me' })).toEqual([
      'HELLO 3 AUTH feast s,e',
      'SELECT 3',
      'CLIENT SETNAME me',
      'CLIENT SETINFO LIB-NAME sideboard',
      'CLIENT SETINFO LIB-VER 1',
      'PING',
    ]);
  });

  test.each([
    'NOPROTO unsupported protocol version',
    "ERR unknown command 'HELLO'",
    // Of Pika.
    'ERR unknown or unsupported command',
    // Both of Envoy, with and without a password of its own.
    "unsupported command 'HELLO'",
    'NOAUTH Authentication required.',
  ])('goes on in RESP2 where a server says %s', async (error) => {
    const words: string[] = [];
    server.handler = (command) => {
      words.push(command.join(' '));
      return command[0]!.toString() === 'HELLO' ? `-${error}\r\n` : null;
    };
    const credentials = async () => ({ password: 'old' });
    const connection = connect({ credentials });
    expect(await world.until(callNode(connection, ['PING']))).toBe('PONG');
    expect(words).toContain('AUTH old');
    expect(words.filter((text) => text.startsWith('HELLO'))).toHaveLength(1);
  });

  test('does not go on without the password that a server wants', async () => {
    server.handler = (words) =>
      words[0]!.toString() === 'HELLO' ? '-NOAUTH HELLO must be called with AUTH\r\n' : null;
    await expect(world.until(callNode(connect(), ['PING']))).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: 'HELLO refused: NOAUTH HELLO must be called with AUTH',
    });
  });

  test('says what was refused, and never the password', async () => {
    server.handler = (words) =>
      words[0]!.toString() === 'HELLO' ? '-WRONGPASS invalid username-password pair\r\n' : null;
    const credentials = async () => ({ username: 'feast', password: 'secret' });
    const error: unknown = await world
      .until(callNode(connect({ credentials }), ['PING']))
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'UNREACHABLE',
      message: 'HELLO refused: WRONGPASS invalid username-password pair',
    });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  test('does without names where an old server refuses them', async () => {
    server.handler = (words) =>
      words[0]!.toString() === 'CLIENT' ? '-ERR unknown subcommand\r\n' : null;
    expect(await world.until(callNode(connect(), ['PING']))).toBe('PONG');
  });
});

describe('credentials', () => {
  test('that expire are renewed before, on the connection that stands', async () => {
    let issued = 0;
    const presented: string[] = [];
    server.handler = (words) => {
      if (/^(HELLO|AUTH)$/.test(words[0]!.toString())) presented.push(words.join(' '));
      return null;
    };
    const credentials = async () => ({ password: `token-${++issued}`, lifetimeMs: 10_000 });
    const connection = connect({ credentials });
    await world.until(callNode(connection, ['PING']));
    await world.pass(20_000);
    expect(presented).toEqual(['HELLO 3 AUTH default token-1', 'AUTH token-2', 'AUTH token-3']);
    expect(connection.connectCount).toBe(1);
  });

  test('are asked for at every connect, so that a rotated password is found', async () => {
    let password = 'old';
    server.handler = (words) =>
      words[0]!.toString() === 'HELLO' && words.at(-1)!.toString() !== 'new'
        ? '-WRONGPASS no\r\n'
        : null;
    const connection = connect({ credentials: async () => ({ password }) });
    await expect(world.until(callNode(connection, ['PING']))).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
    password = 'new';
    await world.pass(1_100);
    expect(await world.until(callNode(connection, ['PING']))).toBe('PONG');
  });

  test('that cannot be had are a reason, and asked for again', async () => {
    let isBroken = true;
    const credentials = async () => {
      if (isBroken) throw new Error('token file is empty');
      return {};
    };
    const connection = connect({ credentials });
    await expect(world.until(callNode(connection, ['PING']))).rejects.toMatchObject({
      message: 'no credentials: token file is empty',
    });
    isBroken = false;
    await world.pass(1_100);
    expect(await world.until(callNode(connection, ['PING']))).toBe('PONG');
  });

  test('that cannot be had while the connection breaks do not keep it from being made again', async () => {
    let asked = 0;
    const credentials = async () => {
      if (++asked !== 2) return { password: 'token', lifetimeMs: 10_000 };
      await new Promise<void>((resolve) => void world.setTimer(resolve, 20));
      throw new Error('the token service is away');
    };
    const connection = connect({ credentials });
    await world.until(callNode(connection, ['PING']));
    await world.pass(7_500);
    expect(asked).toBe(2);
    // The first attempt to connect again is due a moment later than the bad news.
    world.random = () => 0.999;
    server.breakAll();
    await world.pass(10_000);
    expect(await world.until(callNode(connection, ['PING']))).toBe('PONG');
  });

  test('that last for months are not renewed at once, again and again', async () => {
    let asked = 0;
    const lifetimeMs = 90 * 24 * 3_600_000;
    const credentials = async () => ({ password: `token-${++asked}`, lifetimeMs });
    const delays: number[] = [];
    const setTimer = world.setTimer.bind(world);
    world.setTimer = (run, delayMs) => {
      delays.push(delayMs);
      return setTimer(run, delayMs);
    };
    const connection = connect({ credentials });
    await world.until(callNode(connection, ['PING']));
    // A timer of Node's that is to last longer ends at once.
    expect(Math.max(...delays)).toBeLessThan(2 ** 31);
    await world.pass(0.8 * lifetimeMs);
    expect(asked).toBe(2);
  });

  test('that are refused while the old ones are good leave the connection as it is', async () => {
    // The file has the new password already, the server has not.
    let valid = 'old';
    let known = 'old';
    let refusals = 0;
    server.handler = (words) => {
      if (!/^(HELLO|AUTH)$/.test(words[0]!.toString()) || String(words.at(-1)) === valid)
        return null;
      refusals++;
      return '-WRONGPASS invalid username-password pair or user is disabled.\r\n';
    };
    const connection = connect({
      credentials: async () => ({ password: known, lifetimeMs: 240_000 }),
    });
    await world.until(callNode(connection, ['PING']));
    known = 'new';
    for (let i = 0; i < 300; i++) {
      await world.pass(1_000);
      expect(await world.until(callNode(connection, ['PING']))).toBe('PONG');
    }
    expect(connection.connectCount).toBe(1);
    expect(refusals).toBeGreaterThan(5);
    expect(refusals).toBeLessThan(120);
    valid = 'new';
    await world.pass(2_000);
    const before = refusals;
    await world.pass(200_000);
    expect(refusals).toBe(before);
  });

  test('for which there is no room now leave the connection as it is, and are presented later', async () => {
    let issued = 0;
    const presented: string[] = [];
    server.handler = (words) => {
      if (/^(HELLO|AUTH)$/.test(words[0]!.toString())) presented.push(words.join(' '));
      return echo(words);
    };
    const credentials = async () => ({ password: `token-${++issued}`, lifetimeMs: 10_000 });
    const connection = connect({ credentials, maxPendingCommands: 10, silenceTimeoutMs: 5_000 });
    await world.until(callNode(connection, ['PING']));
    await world.pass(7_000);
    server.isStopped = true;
    const waiting = Array.from({ length: 10 }, (_, i) =>
      callNode(connection, ['ECHO', `${i}`], 5_000),
    );
    await world.pass(1_000);
    server.resume();
    expect((await world.until(Promise.all(waiting))).map(String)).toHaveLength(10);
    await world.pass(3_000);
    expect(connection.connectCount).toBe(1);
    expect(presented.slice(0, 2)).toEqual(['HELLO 3 AUTH default token-1', 'AUTH token-3']);
  });
});
