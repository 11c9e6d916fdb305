import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { openPort, type Port } from '../../src/port/port.ts';
import { waitUntil } from '../support/wait-until.ts';

const SLOW_MS = 1000;
/** More than the buffers of the system take. */
const BODY = Buffer.alloc(20 * 1024 * 1024, 1);

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A port that answers HTTP/1.1: `/large` at once, `/parts` as far as it is read, `/late` after much longer than a slow client may take. */
async function open(): Promise<{ port: Port; openCount: () => number }> {
  let openCount = 0;
  const port = await openPort({
    host: '127.0.0.1',
    port: 0,
    engine: createEngine(DEFAULT_LIMITS, () => ({ onData() {}, onEnd() {}, onClose() {} })),
    slowClientTimeoutMs: SLOW_MS,
    handler: (request, response) => {
      openCount += 1;
      response.once('close', () => (openCount -= 1));
      if (request.url === '/late') setTimeout(() => response.end('late'), 2 * SLOW_MS);
      else if (request.url === '/parts') response.write(BODY, () => response.end());
      else response.end(BODY);
    },
  });
  closers.push(() => port.drain(100));
  return { port, openCount: () => openCount };
}

async function ask({ address }: Port, ...paths: readonly string[]): Promise<Socket> {
  const socket = connect(address.port, '127.0.0.1');
  closers.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  for (const path of paths) socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  return socket;
}

it.each(['/large', '/parts'])('a client of HTTP/1.1 that does not read %s is cut', async (path) => {
  const { port, openCount } = await open();
  await ask(port, path);
  await waitUntil(() => openCount() === 1, { what: 'the request' });
  await waitUntil(() => openCount() === 0, { what: 'it to be cut' });
});

it('a client of HTTP/1.1 that reads steadily gets its answer, and one that waits is left alone', async () => {
  const { port } = await open();
  const slow = await ask(port, '/large');
  const patient = await ask(port, '/large', '/late');
  let patientText = '';
  let slowBytes = 0;
  patient.on('data', (chunk: Buffer) => (patientText = chunk.toString('latin1').slice(-4)));
  slow.on('data', (chunk: Buffer) => {
    slowBytes += chunk.length;
    slow.pause();
    setTimeout(() => slow.resume(), 5);
  });
  await waitUntil(() => patientText === 'late', { what: 'the late answer' });
  await waitUntil(() => slowBytes > BODY.length, { what: 'the slow one to have all' });
});
