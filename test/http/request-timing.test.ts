import { once } from 'node:events';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { text } from 'node:stream/consumers';
import { ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toBinary } from '@bufbuild/protobuf';
import {
  GetOnlineFeaturesResponseSchema,
  ServingService,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { waitUntil } from '../support/wait-until.ts';
import { startFeatureServer, type FeatureServer } from './feature-server.ts';

let server: FeatureServer;
beforeEach(async () => {
  server = await startFeatureServer();
});
afterEach(() => server.close());

const TRANSPORTS: readonly [string, () => Transport][] = [
  ['gRPC', () => createGrpcTransport({ baseUrl: server.http2Url })],
  ['Connect', () => createConnectTransport({ baseUrl: server.url, httpVersion: '1.1' })],
  [
    'Connect and HTTP/2',
    () => createConnectTransport({ baseUrl: server.http2Url, httpVersion: '2' }),
  ],
  ['gRPC-Web', () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: '1.1' })],
  [
    'gRPC-Web and HTTP/2',
    () => createGrpcWebTransport({ baseUrl: server.http2Url, httpVersion: '2' }),
  ],
];

const QUESTION = {
  kind: { case: 'featureService' as const, value: 'driver_service' },
  entities: {
    driver_id: { val: [{ val: { case: 'int64Val' as const, value: 1001n } }] },
  },
};

/** The entries of a `Server-Timing` field by name: durations in milliseconds, `bytes` as the number it describes. */
function entriesOf(text: string | null): Record<string, number> {
  const entries = (text ?? '').split(', ').map((entry) => {
    const [, name, value] = /^([a-z]+);(?:dur|desc)="?([0-9.]+)"?$/.exec(entry)!;
    return [name, Number(value)] as const;
  });
  return Object.fromEntries(entries);
}

const STAGES = ['queue', 'plan', 'store', 'assemble', 'bytes'];

describe.each(TRANSPORTS)('over %s', (_, open) => {
  const ask = async (wanted: string | undefined) => {
    const fields = new Headers();
    const take = (received: Headers): void =>
      received.forEach((value, name) => fields.set(name, value));
    const client = createClient(ServingService, open());
    const response = await client.getOnlineFeatures(QUESTION, {
      ...(wanted === undefined ? {} : { headers: { 'sideboard-timing': wanted } }),
      onHeader: take,
      onTrailer: take,
    });
    return { response, timing: fields.get('server-timing') };
  };

  test('a caller who asks hears where the time went', async () => {
    const { response, timing } = await ask('true');
    const entries = entriesOf(timing);
    expect(Object.keys(entries)).toEqual(STAGES);
    for (const duration of Object.values(entries)) expect(duration).toBeGreaterThanOrEqual(0);
    expect(entries['bytes']).toBe(toBinary(GetOnlineFeaturesResponseSchema, response).length);
  });

  test('the wait for the store is told as its time', async () => {
    server.store.hold();
    const answer = ask('true');
    await waitUntil(() => server.store.waitingCount === 1, { what: 'the read' });
    const heldSinceMs = performance.now();
    const heldMs = (): number => performance.now() - heldSinceMs;
    await waitUntil(() => heldMs() > 40, { what: 'the store to be slow' });
    server.store.release();
    const { timing } = await answer;
    expect(entriesOf(timing)['store']).toBeGreaterThanOrEqual(40);
  });

  test.each([undefined, 'false'])('one that says %s hears nothing', async (wanted) => {
    expect((await ask(wanted)).timing).toBeNull();
  });

  test('one that says something else is told so', async () => {
    await expect(ask('yes')).rejects.toThrow(/sideboard-timing takes true or false/);
  });

  test('a call that fails tells how far it came', async () => {
    const client = createClient(ServingService, open());
    server.store.lose(1001n);
    const error = await client
      .getOnlineFeatures(QUESTION, { headers: { 'sideboard-timing': 'true' } })
      .then(() => undefined, ConnectError.from);
    expect(Object.keys(entriesOf(error!.metadata.get('server-timing')))).toEqual(['queue', 'plan']);
  });
});

test("Feast's JSON tells it in a header", async () => {
  const response = await fetch(`${server.url}/get-online-features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'sideboard-timing': 'true' },
    body: JSON.stringify({ features: ['driver_stats:trips'], entities: { driver_id: [1001] } }),
  });
  const entries = entriesOf(response.headers.get('server-timing'));
  expect(Object.keys(entries)).toEqual(STAGES);
  expect(entries['bytes']).toBe((await response.text()).length);
});

test('over HTTP/2 it does so too', async () => {
  const session = connect(server.http2Url);
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/get-online-features',
      'content-type': 'application/json',
      'sideboard-timing': 'true',
    });
    stream.end('{"features":["driver_stats:trips"],"entities":{"driver_id":[1001]}}');
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    const entries = entriesOf(String(head['server-timing']));
    expect(Object.keys(entries)).toEqual(STAGES);
    expect(entries['bytes']).toBe((await text(stream)).length);
  } finally {
    session.destroy();
  }
});
