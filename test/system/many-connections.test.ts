import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { data, headers, HELLO, POST, type Fields } from '../http2/frames.ts';
import { createRawClient, type RawClient } from '../http2/raw-client.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { readMemory, REPORT_MEMORY, type ServerMemory } from '../support/server-memory.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Of ours and of the server: each has as many files open. */
const CONNECTIONS = 3000;
const STREAMS_PER_CONNECTION = 500;
const CONNECTIONS_WITH_STREAMS = 10;
/** What docs/limits.md promises, in bytes; the system keeps its own buffers of a socket. */
const MAX_CONNECTION_BYTES = 16 * 1024;
const MAX_STREAM_BYTES = 4096;

const CALL: Fields = POST.map(([name, value]) => [
  name,
  name === ':path' ? '/grpc.health.v1.Health/Check' : value,
]);
/** A message without fields: the health of the server as a whole. */
const MESSAGE = Buffer.alloc(5);

let repository: ServedRepository;
let server: SideboardProcess;
const sockets: Socket[] = [];

beforeAll(async () => {
  repository = await makeServedRepository();
  server = await startSideboard({ repoPath: repository.path, nodeArguments: REPORT_MEMORY });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await server?.stop();
  repository?.remove();
});

async function open(): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  sockets.push(socket);
  await new Promise<void>((resolve, reject) =>
    socket.once('connect', resolve).once('error', reject),
  );
  socket.write(HELLO);
  return socket;
}

async function readConnections(): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  return Number(/^feature_server_http2_connections (.*)$/m.exec(text)?.[1] ?? NaN);
}

async function askHealth(client: RawClient, streamId: number): Promise<void> {
  client.send(headers(streamId, CALL, 0), data(streamId, MESSAGE));
  expect(await client.fields(streamId, 2)).toMatchObject({ 'grpc-status': '0' });
}

const liveBytes = ({ heapUsed, external }: ServerMemory): number => heapUsed + external;

it(`${CONNECTIONS} idle connections and ${STREAMS_PER_CONNECTION * CONNECTIONS_WITH_STREAMS} open streams cost little and hurt nobody`, async () => {
  const client = createRawClient(await open());
  await askHealth(client, 1);
  const empty = await readMemory(server);

  const idle: Socket[] = [];
  for (let i = 0; i < CONNECTIONS; i++) idle.push((await open()).resume());
  await waitUntil(async () => (await readConnections()) === CONNECTIONS + 1, {
    what: 'the connections',
  });
  await askHealth(client, 3);
  const connected = await readMemory(server);
  const connectionBytes = (liveBytes(connected) - liveBytes(empty)) / CONNECTIONS;
  expect(connectionBytes).toBeGreaterThan(1000);
  expect(connectionBytes).toBeLessThan(MAX_CONNECTION_BYTES);

  const busy = await Promise.all(Array.from({ length: CONNECTIONS_WITH_STREAMS }, open));
  const clients = busy.map(createRawClient);
  for (const each of clients) {
    for (let i = 0; i < STREAMS_PER_CONNECTION; i++) each.send(headers(2 * i + 1, CALL, 0));
    // It is answered behind all that came before it.
    await askHealth(each, 2 * STREAMS_PER_CONNECTION + 1);
  }
  const streaming = await readMemory(server);
  const streamBytes =
    (liveBytes(streaming) - liveBytes(connected)) /
    (CONNECTIONS_WITH_STREAMS * STREAMS_PER_CONNECTION);
  expect(streamBytes).toBeGreaterThan(100);
  expect(streamBytes).toBeLessThan(MAX_STREAM_BYTES);

  for (const socket of [...idle, ...busy]) socket.destroy();
  await waitUntil(async () => (await readConnections()) === 1, { what: 'the connections to end' });
  await askHealth(client, 5);
  const left = liveBytes(await readMemory(server)) - liveBytes(empty);
  expect(left).toBeLessThan(CONNECTIONS * 1000);
});
