import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { knownEntity } from '../support/fault-cluster.ts';
import { startLoad, type KnownReader, type LoadFigures } from '../support/read-load.ts';
import { startProxy, type ProxyFault } from '../support/tcp-proxy.ts';

const ENTITIES = [knownEntity(1), knownEntity(2), knownEntity(3)];

async function load(read: KnownReader['read'], timeoutMs = 100): Promise<LoadFigures> {
  const options = { ratePerSecond: 200, timeoutMs, entities: ENTITIES };
  const running = startLoad({ read }, { ...options, groupOf: ({ id }) => id });
  await delay(400);
  return running.stop();
}

describe('a load of reads finds', () => {
  test('nothing where all is well', async () => {
    const figures = await load(async ({ cells }) => cells);
    expect(figures).toMatchObject({ errors: 0, wrong: 0, late: 0, longestWindowMs: 0 });
    expect(figures.reads).toBeGreaterThan(40);
  });

  test('answers that belong to another entity, and values that are missing', async () => {
    const mixedUp = await load(async () => ENTITIES[0]!.cells);
    expect(mixedUp.wrong).toBeGreaterThan(10);
    expect(mixedUp.wrong).toBeLessThan(mixedUp.reads);
    const missing = await load(async ({ cells }) => [...cells.slice(1), null]);
    expect(missing.wrong).toBe(missing.reads);
  });

  test('answers after the deadline', async () => {
    const figures = await load(async ({ cells }) => {
      await delay(120);
      return cells;
    }, 30);
    expect(figures.late).toBeGreaterThan(figures.reads / 2);
  });

  test('how long a group had errors alone, however the others fared', async () => {
    const startedAtMs = performance.now();
    const figures = await load(async ({ id, cells }) => {
      const elapsedMs = performance.now() - startedAtMs;
      if (id === 2 && elapsedMs > 100 && elapsedMs < 300) throw new Error('127.0.0.1:6379 is down');
      return cells;
    });
    expect(figures.longestWindowMs).toBeGreaterThan(100);
    expect(figures.longestWindowMs).toBeLessThan(400);
    expect(Object.keys(figures.errorKinds)).toEqual(['ADDRESS is down']);
  });
});

describe('a proxy', () => {
  /** Sends numbers through the proxy to a server that repeats them; what came back by the end. */
  async function echoThrough(fault: ProxyFault, count: number): Promise<string> {
    const server = createServer((socket) => socket.pipe(socket).on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = await startProxy(server.address() as { port: number });
    const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true });
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('connect', resolve));
    await expect.poll(() => proxy.connectionCount()).toBe(1);
    proxy.inject(fault, { which: 'standing' });
    for (let i = 0; i < count; i++) {
      socket.write(`${i},`);
      await delay(2);
    }
    await delay(150);
    socket.destroy();
    await proxy.close();
    server.close();
    return received;
  }
  const sent = (count: number): string => Array.from({ length: count }, (_, i) => `${i},`).join('');

  test('delays bytes without mixing them up', async () => {
    expect(await echoThrough({ kind: 'delay', ms: 5, jitterMs: 30 }, 60)).toBe(sent(60));
    expect(await echoThrough({ kind: 'loss', share: 0.2, resentAfterMs: 20 }, 60)).toBe(sent(60));
  });

  test('loses, halves and replaces them', async () => {
    expect(await echoThrough({ kind: 'black-hole' }, 3)).toBe('');
    expect(await echoThrough({ kind: 'half-open' }, 3)).toBe('');
    expect(await echoThrough({ kind: 'half-reply' }, 3)).toMatch(/^0$/);
    const garbled = await echoThrough({ kind: 'garbage' }, 3);
    expect(garbled).toHaveLength(6);
    expect(garbled.startsWith('0,')).toBe(false);
    expect(garbled.endsWith('2,')).toBe(true);
  });
});
