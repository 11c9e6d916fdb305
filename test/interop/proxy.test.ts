import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  encodeRequest,
  references,
  SERVING_PATH,
  storedValue,
} from '../../bench/data/official-layout.ts';
import { fillStore, makeRepo, type SeededRepo } from '../../bench/data/seed.ts';
import { GetOnlineFeaturesResponseSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import { interopPath, runProgram } from '../support/python.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const HOST = '127.0.0.1';
const ENTITIES = 200;
const FEATURES = references(50);
/** Connections between proxy and server live this long: a test sees several generations. */
const CONNECTION_AGE_MS = 400;

/** A proxy that speaks HTTP/2 on both sides and spreads requests over several servers. */
interface Proxy {
  readonly program: string;
  /** File with its configuration, from the port that it listens on and those of the servers. */
  configuration(port: number, servers: readonly number[]): string;
  arguments(file: string): readonly string[];
}

const PROXIES: Readonly<Record<string, Proxy>> = {
  haproxy: {
    program: 'haproxy',
    configuration: (port, servers) => `
global
  maxconn 500
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  option redispatch
frontend clients
  bind ${HOST}:${port} proto h2
  default_backend servers
backend servers
  balance roundrobin
  option httpchk GET /health
${servers.map((each) => `  server s${each} ${HOST}:${each} proto h2 check check-proto h2 inter 100ms`).join('\n')}
`,
    arguments: (file) => ['-db', '-f', file],
  },
  nghttpx: {
    program: 'nghttpx',
    configuration: (port, servers) => `
frontend=${HOST},${port};no-tls
${servers.map((each) => `backend=${HOST},${each};;proto=h2`).join('\n')}
workers=1
single-process=yes
accesslog-file=/dev/null
`,
    arguments: (file) => [`--conf=${file}`],
  },
};

let redis: RedisServer;
let repo: SeededRepo;
let folder: string;
beforeAll(async () => {
  redis = await startRedis();
  repo = await makeRepo(redis.port, 5);
  await fillStore(repo, ENTITIES);
  folder = await mkdtemp(join(tmpdir(), 'sideboard-proxy-'));
});
afterAll(async () => {
  await redis?.stop();
  await rm(folder, { recursive: true });
  await rm(repo.path, { recursive: true });
});

describe.each(Object.values(PROXIES))('behind $program', (proxy) => {
  let servers: SideboardProcess[];
  let child: ChildProcess;
  let port: number;
  let client: grpc.Client;

  beforeEach(async () => {
    const age = `--max-connection-age-ms=${CONNECTION_AGE_MS}`;
    const options = { repoPath: repo.path, serveArguments: [age] };
    servers = await Promise.all([startSideboard(options), startSideboard(options)]);
    port = await freePort();
    const file = join(folder, `${proxy.program}.conf`);
    const ports = servers.map((server) => server.port);
    await writeFile(file, proxy.configuration(port, ports));
    child = spawn(proxy.program, proxy.arguments(file), {
      stdio: 'ignore',
      // Where Debian has them, and not everybody looks.
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
    });
    await waitUntil(() => isOpen(port), { what: proxy.program });
    client = new grpc.Client(`${HOST}:${port}`, grpc.credentials.createInsecure());
  });
  afterEach(async () => {
    client.close();
    child.kill('SIGKILL');
    await Promise.all(servers.map((server) => server.stop()));
  });

  /** Reads rows through the proxy. @throws ServiceError, or Error for a value that is not the stored one */
  async function read(
    ids: readonly number[],
    metadata = new grpc.Metadata(),
  ): Promise<grpc.Metadata> {
    const [message, trailers] = await new Promise<[Buffer, grpc.Metadata]>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        SERVING_PATH,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.from(encodeRequest(FEATURES, ids)),
        metadata,
        (error, value) => {
          if (error !== null) reject(error);
          else call.once('status', (status) => resolve([value!, status.metadata]));
        },
      );
    });
    const { results } = fromBinary(GetOnlineFeaturesResponseSchema, message);
    const columns = results.slice(-FEATURES.length);
    for (const [feature, column] of columns.entries()) {
      for (const [row, id] of ids.entries()) {
        expect(column.values[row]?.val.value).toBe(storedValue(id, feature));
      }
    }
    return trailers;
  }

  test('requests, small and large, their metadata and their errors pass', async () => {
    await read([1]);
    await read(Array.from({ length: ENTITIES }, (_, i) => i + 1));
    const metadata = new grpc.Metadata();
    metadata.set('sideboard-timing', 'true');
    expect((await read([2], metadata)).get('server-timing')[0]).toMatch(/^queue;dur=/);
    metadata.set('sideboard-timing', 'maybe');
    const refused = await read([3], metadata).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
    expect((refused as grpc.ServiceError).metadata.get('grpc-status-details-bin')).toHaveLength(1);
  });

  test('health is told through it', async () => {
    const output = await runProgram(interopPath('bin/grpc-health-probe'), [
      `-addr=${HOST}:${port}`,
    ]);
    expect(output).toBe('');
  });

  test('no request is lost while connections age, a server stops and the other goes on', async () => {
    const over = new AbortController();
    let count = 0;
    const failures: string[] = [];
    const load = Array.from({ length: 8 }, async (_, worker) => {
      while (!over.signal.aborted) {
        try {
          await read([1 + ((worker * 31 + count) % ENTITIES)]);
        } catch (error) {
          failures.push(String(error));
        }
        count += 1;
      }
    });
    const startedAtMs = performance.now();
    const since = (ms: number): boolean => performance.now() - startedAtMs > ms;
    await waitUntil(() => since(4 * CONNECTION_AGE_MS), { what: 'some connections to age' });
    expect(await servers[0]!.stop()).toBe(0);
    const countAtStop = count;
    await waitUntil(() => count > countAtStop + 200, { what: 'the other server to go on' });
    over.abort();
    await Promise.all(load);
    expect(failures).toEqual([]);
    expect(count).toBeGreaterThan(200);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
