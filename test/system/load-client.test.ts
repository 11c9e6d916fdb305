import { join } from 'node:path';
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEchoServer, type EchoServer } from '../../bench/parts/echo-servers.ts';
import { openLoadClient, type LoadClient } from '../../bench/load/load-client.ts';
import { runClosed, runPaced } from '../../bench/load/paced-load.ts';

const MESSAGES = [Buffer.alloc(60, 1), Buffer.alloc(3000, 2)];
const WORK = join(import.meta.dirname, '..', '..', '.work');

/** What makes load is itself measured: how many answers, how they end, from when they count. */
describe.each(['own', 'builtin'] as const)('load on %s HTTP/2', (name) => {
  let server: EchoServer;
  let client: LoadClient;
  const target = (path: string) =>
    ({ protocol: 'grpc', port: server.port, path, messages: MESSAGES, connections: 3 }) as const;

  beforeAll(async () => {
    server = (await startEchoServer(name, { replyBytes: 20_000, core: 0, workPath: WORK }))!;
    client = await openLoadClient(target(server.path));
  });

  afterAll(async () => {
    client.close();
    await server.stop();
  });

  test('by the clock: every call is answered', async () => {
    const figures = await runPaced(client, { ratePerSecond: 400, seconds: 0.5 });
    expect(figures).toMatchObject({ failed: 0, askedPerSecond: 400 });
    expect(figures.latencies.count).toBe(200);
    expect(figures.latencies.p50Ms).toBeGreaterThan(0);
  });

  test('closed loop: more than the server lets be under way wait their turn', async () => {
    const { calls, latencies } = await runClosed(client, { underWay: 1500, seconds: 0.3 });
    expect(calls).toBeGreaterThanOrEqual(1500);
    expect(latencies.count).toBe(calls);
  });

  test('a call that is refused is a failure and no latency', async () => {
    const wrong = await openLoadClient(target('/feast.serving.ServingService/Nothing'));
    const figures = await runPaced(wrong, { ratePerSecond: 100, seconds: 0.1 });
    wrong.close();
    expect(figures.failed).toBe(10);
    expect(figures.failure).toMatch(/^status 12:/);
    expect(figures.latencies.count).toBe(0);
  });

  test('a server that is gone fails its calls instead of hanging them', async () => {
    const doomed = (await startEchoServer(name, { replyBytes: 10, core: 0, workPath: WORK }))!;
    const caller = await openLoadClient({ ...target(doomed.path), port: doomed.port });
    await doomed.stop();
    const figures = await runPaced(caller, { ratePerSecond: 100, seconds: 0.1 });
    caller.close();
    expect(figures.failed).toBe(10);
  });
});

describe('load on a server of files', () => {
  let server: Http2Server;
  const open = (path: string): Promise<LoadClient> =>
    openLoadClient({
      protocol: 'grpc',
      port: (server.address() as AddressInfo).port,
      path,
      messages: MESSAGES,
      connections: 2,
      hasTrailers: false,
    });

  beforeAll(async () => {
    server = createHttp2Server();
    server.on('stream', (stream, head) => {
      stream.respond({ ':status': head[':path'] === '/reply' ? 200 : 404 });
      stream.end(Buffer.alloc(20_000));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(() => void server.close());

  test('a reply ends with its data', async () => {
    const client = await open('/reply');
    const figures = await runPaced(client, { ratePerSecond: 400, seconds: 0.2 });
    client.close();
    expect(figures.failed).toBe(0);
    expect(figures.latencies.count).toBe(80);
  });

  test('another status than 200 is a failure', async () => {
    const client = await open('/nothing');
    const figures = await runPaced(client, { ratePerSecond: 100, seconds: 0.1 });
    client.close();
    expect(figures).toMatchObject({ failed: 10, failure: 'HTTP 404' });
  });
});

describe('load on HTTP/1.1', () => {
  let server: Server;
  let stalledMs = 0;

  beforeAll(async () => {
    server = createServer((request, response) => {
      request.resume();
      setTimeout(() => {
        response.writeHead(request.url === '/right' ? 200 : 503).end('{}');
      }, stalledMs);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const open = (path: string, connections: number): Promise<LoadClient> =>
    openLoadClient({
      protocol: 'http',
      port: (server.address() as AddressInfo).port,
      path,
      messages: MESSAGES,
      connections,
    });

  test('a call that had to wait for a connection counts from when it was due', async () => {
    stalledMs = 20;
    const client = await open('/right', 1);
    const { failed, latencies } = await runPaced(client, { ratePerSecond: 500, seconds: 0.02 });
    client.close();
    stalledMs = 0;
    expect(failed).toBe(0);
    expect(latencies.count).toBe(10);
    // Ten calls one after another, each of 20 ms; the last was due after 18 ms.
    expect(latencies.maxMs).toBeGreaterThan(10 * 20 - 18 - 1);
  });

  test('another status than 200 is a failure', async () => {
    const client = await open('/wrong', 4);
    const figures = await runPaced(client, { ratePerSecond: 100, seconds: 0.05 });
    client.close();
    expect(figures).toMatchObject({ failed: 5, failure: 'HTTP 503' });
  });
});
