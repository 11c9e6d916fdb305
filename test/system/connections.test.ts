import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { join } from 'node:path';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { afterEach, beforeAll, afterAll, expect, test } from 'vitest';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const HEALTH = '/grpc.health.v1.Health/Check';

let repository: ServedRepository;
let server: SideboardProcess;
const sockets: Socket[] = [];

beforeAll(async () => {
  repository = await makeServedRepository();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.stop();
});
afterAll(() => repository?.remove());

async function start(settings: Readonly<Record<string, string>>): Promise<void> {
  const env = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [`SIDEBOARD_${name.toUpperCase()}`, value]),
  );
  server = await startSideboard({ repoPath: repository.path, env });
}

async function open(
  where: NetConnectOpts = { port: server.port, host: '127.0.0.1' },
): Promise<Socket> {
  const socket = connect(where);
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket.resume();
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? NaN);
}

const becomes = (name: string, value: number): Promise<void> =>
  waitUntil(async () => (await metric(name)) === value, { what: `${name} to become ${value}` });

/** The gRPC status of a health check on a connection of its own. */
async function askHealth(): Promise<number> {
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const asIs = (bytes: Buffer): Buffer => bytes;
  try {
    return await new Promise((resolve) => {
      const deadline = Date.now() + 20_000;
      client.makeUnaryRequest(
        HEALTH,
        asIs,
        asIs,
        Buffer.alloc(0),
        { deadline },
        (error: ServiceError | null) => resolve(error?.code ?? 0),
      );
    });
  } finally {
    client.close();
  }
}

test('beyond max_connections one more is closed at once, told of, and the others stay', async () => {
  const path = join(repository.path, 'door.sock');
  await start({ max_connections: '3', unix_socket: path });
  const [first] = [await open(), await open(), await open({ path })];
  await becomes('feature_server_connections{listener="port"}', 2);
  for (let i = 0; i < 5; i++) {
    const refused = await open(i === 0 ? { path } : undefined);
    await waitUntil(() => refused.closed, { what: 'the connection to be closed' });
  }
  expect(await metric('feature_server_connections_refused_total{listener="port"}')).toBe(4);
  expect(await metric('feature_server_connections_refused_total{listener="unix"}')).toBe(1);
  expect(await metric('feature_server_connections{listener="port"}')).toBe(2);
  expect(await metric('feature_server_connections{listener="unix"}')).toBe(1);
  expect(await askHealth()).toBe(14);
  const lines = server.log.filter((line) => line.includes('max_connections'));
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
    expect.objectContaining({ door: 'unix', maxConnections: 3 }),
  ]);
  expect(sockets.slice(0, 3).some(({ closed }) => closed)).toBe(false);

  first.destroy();
  await becomes('feature_server_connections{listener="port"}', 1);
  expect(await askHealth()).toBe(0);
  rmSync(path, { force: true });
});

test('connections, streams and messages are counted', async () => {
  await start({ keep_alive_ms: '100' });
  for (let i = 0; i < 3; i++) expect(await askHealth()).toBe(0);
  await becomes('feature_server_connections_closed_total{listener="port"}', 3);
  expect(await metric('feature_server_connections_opened_total{listener="port"}')).toBe(3);
  expect(await metric('feature_server_connections{listener="port"}')).toBe(0);
  expect(await metric('feature_server_connections{listener="unix"}')).toBe(0);
  expect(await metric('feature_server_http2_streams_started_total')).toBe(3);
  expect(await metric('feature_server_http2_streams_succeeded_total')).toBe(3);
  expect(await metric('feature_server_http2_streams_failed_total')).toBe(0);
  expect(await metric('feature_server_http2_flow_control_stalls_total')).toBe(0);
  expect(await metric('feature_server_grpc_messages_received_total')).toBe(3);
  expect(await metric('feature_server_grpc_messages_sent_total')).toBe(3);

  // A watch that its caller gives up.
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const asIs = (bytes: Buffer): Buffer => bytes;
  const watch = client.makeServerStreamRequest(
    '/grpc.health.v1.Health/Watch',
    asIs,
    asIs,
    Buffer.alloc(0),
  );
  watch.on('error', () => {});
  await once(watch, 'data');
  await waitUntil(async () => (await metric('feature_server_http2_keepalives_sent_total')) >= 1, {
    what: 'a ping',
  });
  watch.cancel();
  await becomes('feature_server_http2_streams_failed_total', 1);
  client.close();
  expect(await metric('feature_server_http2_streams_reset_by_client_total')).toBe(1);
  expect(await metric('feature_server_http2_streams_started_total')).toBe(4);
  expect(await metric('feature_server_grpc_messages_sent_total')).toBe(4);
});
