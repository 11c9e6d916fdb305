import { connect, constants, type ClientHttp2Session } from 'node:http2';
import { createConnection } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  GetOnlineFeaturesRequestSchema,
  ServingService,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const METHOD = '/feast.serving.ServingService/GetOnlineFeatures';

let redis: RedisServer;
let repository: ServedRepository;
let server: SideboardProcess;

beforeEach(async () => {
  redis = await startRedis();
  repository = await makeServedRepository([], {
    onlineStore: ['type: redis', `connection_string: 127.0.0.1:${redis.port}`],
  });
  server = await startSideboard({ repoPath: repository.path });
});

afterEach(async () => {
  await server?.stop();
  await redis?.stop();
  repository?.remove();
});

function questionFor(driver: number) {
  return {
    kind: { case: 'features' as const, value: { val: ['driver_stats:trips'] } },
    entities: {
      driver_id: { val: [{ val: { case: 'int64Val' as const, value: BigInt(driver) } }] },
    },
  };
}

/** One request of each protocol for a driver; resolves to the value of its feature. */
const PROTOCOLS: Readonly<Record<string, (driver: number) => Promise<number>>> = {
  gRPC: async (driver) => askWith(createGrpcTransport({ baseUrl: url() }), driver),
  Connect: async (driver) =>
    askWith(createConnectTransport({ baseUrl: url(), httpVersion: '1.1' }), driver),
  JSON: async (driver) => {
    const response = await fetch(`${url()}/get-online-features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ features: ['driver_stats:trips'], entities: { driver_id: [driver] } }),
    });
    const { results } = (await response.json()) as { results: { values: number[] }[] };
    return results[1]!.values[0]!;
  },
};

const url = (): string => `http://127.0.0.1:${server.port}`;

async function askWith(
  transport: ReturnType<typeof createGrpcTransport>,
  driver: number,
): Promise<number> {
  const { results } = await createClient(ServingService, transport).getOnlineFeatures(
    questionFor(driver),
  );
  return Number(results[1]!.values[0]!.val.value);
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  );
}

async function isRefused(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(server.port, '127.0.0.1');
    socket.once('connect', () => resolve(false));
    socket.once('error', () => resolve(true));
    socket.once('connect', () => socket.destroy());
  });
}

describe('SIGTERM', () => {
  it('lets every request that has arrived be answered, tells its watchers and probes, and exits with 0', async () => {
    const watch = watchHealth();
    await waitUntil(() => watch.seen.length === 1, { what: 'the health of the service' });
    redis.pause();
    const asked = Object.values(PROTOCOLS).flatMap((ask) =>
      Array.from({ length: 10 }, (_, i) => ask(i + 1)),
    );
    await waitUntil(async () => (await metric('feature_server_inflight_requests')) === 30, {
      what: 'all requests to wait for the store',
    });

    const exited = server.stop();
    await waitUntil(isRefused, { what: 'the port to be closed' });
    expect((await fetch(`${server.adminUrl}/readyz`)).status).toBe(503);
    expect((await fetch(`${server.adminUrl}/healthz`)).status).toBe(200);
    expect(await watch.ended).toBe(grpc.status.UNAVAILABLE);
    expect(watch.seen).toEqual(['SERVING', 'NOT_SERVING']);
    expect(await metric('feature_server_inflight_requests')).toBe(30);

    redis.resume();
    const drivers = Array.from({ length: 10 }, (_, i) => i + 1);
    expect(await Promise.all(asked)).toEqual([...drivers, ...drivers, ...drivers]);
    expect(await exited).toBe(0);
    expect(server.log.at(-1)).toContain('"stopped"');
  });

  it.each(['own', 'builtin'])(
    'answers under load every stream that reached it, and refuses those after its GOAWAY (engine: %s)',
    async (engine) => {
      await server.stop();
      server = await startSideboard({
        repoPath: repository.path,
        env: { SIDEBOARD_ENGINE: engine },
      });
      const loads = Array.from({ length: 4 }, () => new Load(server.port));
      await waitUntil(() => loads.every((load) => load.answered > 50), {
        what: 'the load to flow',
      });
      expect(await server.stop()).toBe(0);
      for (const load of loads) {
        await load.ended;
        expect(load.lastStreamId).toBeGreaterThan(0);
        // REFUSED_STREAM is the promise that nothing was done with it: a gRPC client sends it elsewhere by itself.
        const refused = load.streams.filter(({ status }) => status === 'refused');
        const arrived = load.streams.filter(({ status }) => status !== 'refused');
        expect(arrived.length).toBeGreaterThan(50);
        expect(arrived.filter(({ status }) => status !== '0')).toEqual([]);
        const firstRefused = Math.min(...refused.map(({ id }) => id));
        expect(firstRefused).toBeGreaterThan(Math.max(...arrived.map(({ id }) => id)));
      }
      expect(server.log.filter((line) => /"level":(?:40|50|60)/.test(line))).toEqual([]);
    },
  );

  it('does not wait for a connection that has said nothing', async () => {
    await server.stop();
    // Less than a connection may take to say its first bytes.
    server = await startSideboard({
      repoPath: repository.path,
      env: { SIDEBOARD_DRAIN_TIMEOUT_MS: '5000' },
    });
    const silent = createConnection(server.port, '127.0.0.1');
    await new Promise((resolve) => silent.once('connect', resolve));
    const closed = new Promise((resolve) => silent.once('close', resolve));
    expect(await server.stop()).toBe(0);
    await closed;
    expect(server.log.filter((line) => line.includes('connections cut'))).toEqual([]);
  });

  it('cuts what is not done after drain_timeout_ms, says so, and still exits with 0', async () => {
    await server.stop();
    server = await startSideboard({
      repoPath: repository.path,
      env: { SIDEBOARD_DRAIN_TIMEOUT_MS: '200' },
    });
    redis.pause();
    const refused = expect(PROTOCOLS['gRPC']!(1)).rejects.toThrow();
    await waitUntil(async () => (await metric('feature_server_inflight_requests')) === 1, {
      what: 'the request to wait for the store',
    });
    expect(await server.stop()).toBe(0);
    await refused;
    expect(server.log.join('\n')).toContain('cut at the end of drain_timeout_ms');
  });

  it('sent a second time ends at once', async () => {
    redis.pause();
    const refused = expect(PROTOCOLS['gRPC']!(1)).rejects.toThrow();
    await waitUntil(async () => (await metric('feature_server_inflight_requests')) === 1, {
      what: 'the request to wait for the store',
    });
    server.signal('SIGTERM');
    await waitUntil(isRefused, { what: 'the port to be closed' });
    expect(await server.stop()).toBe(1);
    await refused;
  });
});

/** Watches the health of the serving service over gRPC, without deadline. */
function watchHealth(): { readonly seen: string[]; readonly ended: Promise<number> } {
  const client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
  const names = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
  const service = Buffer.from('feast.serving.ServingService');
  const stream = client.makeServerStreamRequest(
    '/grpc.health.v1.Health/Watch',
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => names[bytes[1] ?? 0] ?? '',
    Buffer.concat([Buffer.of(10, service.length), service]),
  );
  const seen: string[] = [];
  stream.on('data', (status: string) => seen.push(status));
  const ended = new Promise<number>((resolve) => {
    stream.once('error', (error: grpc.ServiceError) => {
      client.close();
      resolve(error.code);
    });
  });
  return { seen, ended };
}

/** What became of one gRPC request. */
interface StreamResult {
  /** Infinity as long as it has not been sent. */
  id: number;
  /** `grpc-status`, `refused`, or the error's code where none came. */
  status: string;
}

/** One HTTP/2 connection with always the same number of requests under way, until the server says goodbye. */
class Load {
  readonly streams: StreamResult[] = [];
  /** Of the last GOAWAY. */
  lastStreamId = 0;
  answered = 0;
  readonly ended: Promise<void>;
  readonly #session: ClientHttp2Session;

  constructor(port: number) {
    this.#session = connect(`http://127.0.0.1:${port}`);
    this.#session.on('goaway', (_code, lastStreamId: number) => {
      this.lastStreamId = lastStreamId;
    });
    this.#session.on('error', () => {});
    this.ended = new Promise((resolve) => this.#session.once('close', resolve));
    for (let i = 0; i < 16; i += 1) this.#ask();
  }

  #ask(): void {
    if (this.#session.closed || this.#session.destroyed) return;
    const message = toBinary(
      GetOnlineFeaturesRequestSchema,
      create(GetOnlineFeaturesRequestSchema, questionFor(1 + (this.streams.length % 100))),
    );
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': METHOD,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const result: StreamResult = { id: stream.id ?? Infinity, status: 'none' };
    stream.once('ready', () => (result.id = stream.id ?? Infinity));
    this.streams.push(result);
    const take = (fields: { readonly 'grpc-status'?: unknown }): void => {
      if (typeof fields['grpc-status'] === 'string') result.status = fields['grpc-status'];
    };
    stream.on('response', take);
    stream.on('trailers', take);
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const isRefused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
      result.status = isRefused ? 'refused' : (error.code ?? error.message);
    });
    stream.on('close', () => {
      if (result.status === '0') this.answered += 1;
      this.#ask();
    });
    stream.resume();
    stream.end(Buffer.concat([prefix, message]));
  }
}
