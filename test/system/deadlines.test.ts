import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServingService } from '../../gen/feast/serving/ServingService_pb.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

let redis: RedisServer;
let repository: ServedRepository;
let server: SideboardProcess;

beforeAll(async () => {
  redis = await startRedis();
  repository = await makeServedRepository([], {
    onlineStore: ['type: redis', `connection_string: 127.0.0.1:${redis.port}`],
  });
  server = await startSideboard({
    repoPath: repository.path,
    // Nothing but the caller ends a read.
    env: { SIDEBOARD_REDIS_COMMAND_TIMEOUT_MS: '600000', SIDEBOARD_DEFAULT_DEADLINE_MS: '0' },
  });
});

afterAll(async () => {
  await server?.stop();
  await redis?.stop();
  repository?.remove();
});

const QUESTION = {
  kind: { case: 'features' as const, value: { val: ['driver_stats:trips'] } },
  entities: { driver_id: { val: [{ val: { case: 'int64Val' as const, value: 7n } }] } },
};

interface Limits {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Asks for a feature of driver 7: its value, or the code of the refusal. */
type Ask = (limits: Limits) => Promise<bigint | Code>;

function askOver(transportTo: (baseUrl: string) => Transport): Ask {
  return async (limits) => {
    const client = createClient(ServingService, transportTo(`http://127.0.0.1:${server.port}`));
    try {
      const { results } = await client.getOnlineFeatures(QUESTION, limits);
      return results[1]!.values[0]!.val.value as bigint;
    } catch (error) {
      if (error instanceof ConnectError) return error.code;
      throw error;
    }
  };
}

/** Feast's JSON, with the header that Connect has for deadlines. */
async function askJson({ timeoutMs, signal }: Limits): Promise<bigint | Code> {
  try {
    const response = await fetch(`http://127.0.0.1:${server.port}/get-online-features`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(timeoutMs === undefined ? {} : { 'connect-timeout-ms': String(timeoutMs) }),
      },
      body: '{"features":["driver_stats:trips"],"entities":{"driver_id":[7]}}',
      signal: signal ?? null,
    });
    if (response.status === 504) return Code.DeadlineExceeded;
    const { results } = (await response.json()) as { results: { values: number[] }[] };
    return BigInt(results[1]!.values[0]!);
  } catch (error) {
    if (signal?.aborted === true) return Code.Canceled;
    throw error;
  }
}

const PROTOCOLS: readonly (readonly [string, Ask])[] = [
  ['gRPC', askOver((baseUrl) => createGrpcTransport({ baseUrl }))],
  ['Connect', askOver((baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' }))],
  ['gRPC-Web', askOver((baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }))],
  ['JSON', askJson],
];

async function inFlightCount(): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  return Number(/^feature_server_inflight_requests (\d+)/m.exec(text)?.[1]);
}

describe.each(PROTOCOLS)('%s on a store that hangs', (_, ask) => {
  it('is answered at its deadline, and nothing of it goes on', async () => {
    expect(await ask({})).toBe(7n);
    redis.pause();
    try {
      expect(await ask({ timeoutMs: 150 })).toBe(Code.DeadlineExceeded);
      await waitUntil(async () => (await inFlightCount()) === 0, { what: 'the read to end' });
    } finally {
      redis.resume();
    }
    expect(await ask({})).toBe(7n);
  });

  it('stops when its caller cancels', async () => {
    redis.pause();
    try {
      const abort = new AbortController();
      const asked = ask({ signal: abort.signal });
      await waitUntil(async () => (await inFlightCount()) === 1, { what: 'the read to wait' });
      abort.abort();
      expect(await asked).toBe(Code.Canceled);
      await waitUntil(async () => (await inFlightCount()) === 0, { what: 'the read to end' });
    } finally {
      redis.resume();
    }
    expect(await ask({})).toBe(7n);
  });
});
