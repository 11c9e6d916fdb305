import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { routeByFirstBytes } from '../../src/http2/first-bytes.ts';
import { waitUntil } from '../support/wait-until.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

let server: Server;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

/** Protocols of the connections so far, each with all that was read of it. */
async function start(timeoutMs: number) {
  const routed: { protocol: string; text: string }[] = [];
  const take = (protocol: string) => (socket: Socket) => {
    const found = { protocol, text: '' };
    routed.push(found);
    socket.on('data', (chunk: Buffer) => (found.text += chunk.toString('latin1')));
    socket.resume();
  };
  server = createServer((socket) => {
    sockets.push(socket);
    routeByFirstBytes(socket, { http2: take('2'), http1: take('1.1') }, timeoutMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const open = (): Socket => {
    const socket = connect({ port: (server.address() as AddressInfo).port, noDelay: true });
    sockets.push(socket.on('error', () => {}).resume());
    return socket;
  };
  return { routed, open };
}

test.each([
  ['2', `${PREFACE}and frames`],
  ['1.1', 'GET / HTTP/1.1\r\n\r\n'],
  ['1.1', 'PUT / HTTP/1.1\r\n\r\n'],
  ['1.1', 'PRI / HTTP/1.1\r\n\r\n'],
  ['1.1', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\rx'],
  ['1.1', '\0\0'],
])('HTTP/%s: %j, wherever it is cut, and nothing of it is lost', async (protocol, text) => {
  const { routed, open } = await start(20_000);
  for (let at = 0; at < text.length; at++) {
    const socket = open();
    if (at > 0) {
      socket.write(text.slice(0, at), 'latin1');
      await waitUntil(
        () => sockets.some((each) => each.remotePort === socket.localPort && each.bytesRead >= at),
        { what: 'the first part' },
      );
    }
    socket.write(text.slice(at), 'latin1');
    await waitUntil(() => routed[at]?.text === text, { what: `the rest after ${at} bytes` });
    socket.destroy();
  }
  expect(new Set(routed.map((each) => each.protocol))).toEqual(new Set([protocol]));
});

test.each(['', 'P', PREFACE.slice(0, -1)])(
  'who says %j and no more is disconnected',
  async (text) => {
    const { routed, open } = await start(50);
    const socket = open();
    socket.write(text);
    await once(socket, 'close');
    expect(routed).toEqual([]);
  },
);

test('who has said which protocol it speaks may be silent', async () => {
  const { routed, open } = await start(50);
  const socket = open();
  socket.write(PREFACE);
  await waitUntil(() => routed.length === 1, { what: 'the protocol' });
  // One that says nothing is gone by then.
  await once(open(), 'close');
  await once(open(), 'close');
  expect(socket.destroyed).toBe(false);
});
