import { createClient, type Client, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FieldStatus, ServingService } from '../../gen/feast/serving/ServingService_pb.ts';
import { startFeatureServer, type FeatureServer } from './feature-server.ts';

let server: FeatureServer;
beforeEach(async () => {
  server = await startFeatureServer();
  server.store.lose(1002n);
});
afterEach(() => server.close());

const TRANSPORTS: readonly [string, () => Transport][] = [
  ['gRPC', () => createGrpcTransport({ baseUrl: server.http2Url })],
  ['Connect', () => createConnectTransport({ baseUrl: server.url, httpVersion: '1.1' })],
  ['gRPC-Web', () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: '1.1' })],
];

const questionOf = (drivers: readonly bigint[]) => ({
  kind: { case: 'featureService' as const, value: 'driver_service' },
  entities: {
    driver_id: { val: drivers.map((value) => ({ val: { case: 'int64Val' as const, value } })) },
  },
});

/** Asks, with what the request says of partial results; the answer and what headers and trailers said together. */
async function ask(
  client: Client<typeof ServingService>,
  wanted?: string,
  drivers = [1001n, 1002n, 1002n],
) {
  const fields = new Headers();
  const take = (received: Headers): void =>
    received.forEach((value, name) => fields.set(name, value));
  const response = await client.getOnlineFeatures(questionOf(drivers), {
    ...(wanted === undefined ? {} : { headers: { 'sideboard-partial-results': wanted } }),
    onHeader: take,
    onTrailer: take,
  });
  return { response, lostValues: fields.get('sideboard-lost-values') };
}

describe.each(TRANSPORTS)('over %s, when a shard is gone', (_, open) => {
  test('a request that takes it gets the rest, the lost values marked and counted', async () => {
    const { response, lostValues } = await ask(createClient(ServingService, open()), 'true');
    const [driver, rate, trips] = response.results;
    expect(driver!.statuses).toEqual(Array(3).fill(FieldStatus.PRESENT));
    for (const column of [rate!, trips!]) {
      expect(column.statuses).toEqual([
        FieldStatus.OUTSIDE_MAX_AGE,
        FieldStatus.INVALID,
        FieldStatus.INVALID,
      ]);
      expect(column.values.map(({ val }) => val.case === undefined)).toEqual([false, true, true]);
    }
    expect(lostValues).toBe('4');
  });

  test('an answer that misses nothing says nothing of it', async () => {
    const client = createClient(ServingService, open());
    expect((await ask(client, 'true', [1001n])).lostValues).toBeNull();
  });

  test.each([undefined, 'false'])('one that says %s fails', async (wanted) => {
    await expect(ask(createClient(ServingService, open()), wanted)).rejects.toThrow(
      /a shard is gone/,
    );
  });

  test('one that says something else is told so', async () => {
    await expect(ask(createClient(ServingService, open()), 'maybe')).rejects.toThrow(
      /sideboard-partial-results takes true or false/,
    );
  });
});

describe("over Feast's JSON, when a shard is gone", () => {
  const post = (headers: Record<string, string>): Promise<Response> =>
    fetch(`${server.url}/get-online-features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({
        features: ['driver_stats:trips'],
        entities: { driver_id: [1001, 1002] },
      }),
    });

  test('a request that takes it gets the rest, the lost values marked and counted', async () => {
    const response = await post({ 'sideboard-partial-results': 'true' });
    expect(response.status).toBe(200);
    expect(response.headers.get('sideboard-lost-values')).toBe('1');
    const { results } = (await response.json()) as {
      results: { statuses: string[]; values: unknown[] }[];
    };
    expect(results[1]!.statuses).toEqual(['PRESENT', 'INVALID']);
    expect(results[1]!.values[1]).toBeNull();
  });

  test('one that says nothing fails', async () => {
    expect((await post({})).status).toBe(503);
  });
});
