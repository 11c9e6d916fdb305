import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import { text } from 'node:stream/consumers';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { create, toBinary, toJson } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, describe, expect, it } from 'vitest';
import { GrpcFeatureServer } from '../../gen/feast/serving/GrpcServer_pb.ts';
import {
  FieldStatus,
  GetOnlineFeaturesRequestSchema,
  GetOnlineFeaturesResponseSchema,
  ServingService,
} from '../../gen/feast/serving/ServingService_pb.ts';
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from '../../gen/grpc/health/v1/health_pb.ts';
import { waitUntil } from '../support/wait-until.ts';
import {
  startFeatureServer,
  type FeatureServer,
  type FeatureServerOptions,
} from './feature-server.ts';

const servers: FeatureServer[] = [];
async function start(options?: FeatureServerOptions): Promise<FeatureServer> {
  const server = await startFeatureServer(options);
  servers.push(server);
  return server;
}
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

type TransportTo = (server: FeatureServer) => Transport;

const TRANSPORTS: readonly [string, TransportTo][] = (['1.1', '2'] as const).flatMap(
  (httpVersion) => {
    const urlOf = (server: FeatureServer): string =>
      httpVersion === '2' ? server.http2Url : server.url;
    return [true, false].flatMap((useBinaryFormat): [string, TransportTo][] => {
      const how = `${useBinaryFormat ? '' : ' with JSON'} over HTTP/${httpVersion}`;
      const optionsFor = (server: FeatureServer) =>
        ({ baseUrl: urlOf(server), httpVersion, useBinaryFormat }) as const;
      return [
        [`Connect${how}`, (server) => createConnectTransport(optionsFor(server))],
        [`gRPC-Web${how}`, (server) => createGrpcWebTransport(optionsFor(server))],
      ];
    });
  },
);

const QUESTION = {
  kind: { case: 'featureService' as const, value: 'driver_service' },
  entities: {
    driver_id: {
      val: [
        { val: { case: 'int64Val' as const, value: 1001n } },
        { val: { case: 'int64Val' as const, value: 7n } },
      ],
    },
  },
};

async function refusal(call: Promise<unknown>): Promise<[Code, string]> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConnectError) return [error.code, error.rawMessage];
    throw error;
  }
  throw new Error('was answered');
}

describe.each(TRANSPORTS)('%s', (_name, transportTo) => {
  it('reads features, with the TTL of Go and Java or without as in Python', async () => {
    const server = await start();
    const transport = transportTo(server);
    const go = await createClient(ServingService, transport).getOnlineFeatures(QUESTION);
    expect(go.metadata?.featureNames?.val).toEqual(['driver_id', 'conv_rate', 'trips']);
    expect(go.results[2]!.values.map(({ val }) => val.value)).toEqual([
      (1n << 60n) + 1n,
      undefined,
    ]);
    expect(go.results[2]!.statuses).toEqual([FieldStatus.OUTSIDE_MAX_AGE, FieldStatus.NOT_FOUND]);
    expect(go.results[2]!.eventTimestamps[0]).toMatchObject({
      seconds: 1_735_689_600n,
      nanos: 123_000_000,
    });
    const python = await createClient(GrpcFeatureServer, transport).getOnlineFeatures(QUESTION);
    expect(python.results[2]!.statuses).toEqual([FieldStatus.PRESENT, FieldStatus.NOT_FOUND]);
    await waitUntil(() => server.calls.length === 2, { what: 'the observer' });
    expect(server.calls[0]).toEqual({
      path: '/feast.serving.ServingService/GetOnlineFeatures',
      code: 0,
      rowCount: 2,
      featureCount: 2,
    });
    expect(server.inFlightCount()).toBe(0);
  });

  it('refuses with the codes of gRPC', async () => {
    const server = await start();
    const transport = transportTo(server);
    const client = createClient(ServingService, transport);
    const unknown = { ...QUESTION, kind: { case: 'featureService' as const, value: 'nope' } };
    expect(await refusal(client.getOnlineFeatures(unknown))).toEqual([
      Code.NotFound,
      'Feature service nope does not exist in project rides',
    ]);
    expect((await refusal(client.getOnlineFeatures({ ...QUESTION, entities: {} })))[0]).toBe(
      Code.InvalidArgument,
    );
    const push = { streamFeatureView: 'nope', features: { trips: '1' } };
    expect(await refusal(createClient(GrpcFeatureServer, transport).push(push))).toEqual([
      Code.InvalidArgument,
      "Unable to find push source 'nope'.",
    ]);
    await waitUntil(() => server.calls.length === 3, { what: 'the observer' });
    expect(server.calls.map((call) => call.code)).toEqual([5, 3, 3]);
  });

  it('answers for health and says its version', async () => {
    const server = await start();
    const transport = transportTo(server);
    const health = createClient(Health, transport);
    expect((await health.check({})).status).toBe(Serving.SERVING);
    server.health.setServing(false);
    const { status } = await health.check({ service: 'GrpcFeatureServer' });
    expect(status).toBe(Serving.NOT_SERVING);
    expect((await refusal(health.check({ service: 'nope' })))[0]).toBe(Code.NotFound);
    const info = await createClient(ServingService, transport).getFeastServingInfo({});
    expect(info.version).toBe('0.0.0-test');
  });

  it('honours deadlines and cancellation down to the store', async () => {
    const server = await start();
    const client = createClient(ServingService, transportTo(server));
    server.store.hold();
    const [code] = await refusal(client.getOnlineFeatures(QUESTION, { timeoutMs: 40 }));
    expect(code).toBe(Code.DeadlineExceeded);
    await waitUntil(() => server.store.waitingCount === 0, { what: 'the read to end' });
    const abort = new AbortController();
    const pending = refusal(client.getOnlineFeatures(QUESTION, { signal: abort.signal }));
    await waitUntil(() => server.store.waitingCount === 1, { what: 'the read' });
    abort.abort();
    expect((await pending)[0]).toBe(Code.Canceled);
    await waitUntil(() => server.store.waitingCount === 0, { what: 'the read to end' });
    await waitUntil(() => server.inFlightCount() === 0, { what: 'the call to end' });
  });

  it('refuses messages beyond the limits', async () => {
    const server = await start({ limits: { maxRequestBytes: 1000 } });
    const client = createClient(ServingService, transportTo(server));
    const val = Array.from({ length: 500 }, () => QUESTION.entities.driver_id.val[0]!);
    const [code] = await refusal(
      client.getOnlineFeatures({ ...QUESTION, entities: { driver_id: { val } } }),
    );
    expect(code).toBe(Code.ResourceExhausted);
    expect((await client.getOnlineFeatures(QUESTION)).results).toHaveLength(3);
  });
});

/** A message as gRPC-Web sends it. */
function enveloped(message: Buffer, flags = 0): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

describe('Connect on the wire', () => {
  const path = '/feast.serving.ServingService/GetOnlineFeatures';

  it('is one POST of JSON, as curl sends it', async () => {
    const server = await start();
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"feature_service":"driver_service","entities":{"driver_id":{"val":[{"int64_val":"1001"}]}},"zzz":1}',
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      metadata: { featureNames: { val: ['driver_id', 'conv_rate', 'trips'] } },
    });
  });

  it('takes less of JSON, which costs the process a multiple of its bytes', async () => {
    const server = await start({ limits: { maxRequestBytes: 1 << 24 } });
    const post = (contentType: string, body: string): Promise<Response> =>
      fetch(server.url + path, {
        method: 'POST',
        headers: { 'content-type': contentType },
        body,
      });
    const pieces = '"x":{},'.repeat(200_000);
    const refused = await post('application/json', `{"entities":{${pieces}"x":{}}}`);
    expect([refused.status, await refused.json()]).toEqual([
      429,
      expect.objectContaining({ code: 'resource_exhausted' }),
    ]);
  });

  it.each<[string, Record<string, string>, (message: Buffer) => Buffer]>([
    ['Connect', {}, (message) => message],
    ['packed Connect', { 'content-encoding': 'gzip' }, (message) => gzipSync(message)],
    ['gRPC-Web', { 'content-type': 'application/grpc-web+proto' }, (message) => enveloped(message)],
    [
      'packed gRPC-Web',
      { 'content-type': 'application/grpc-web+proto', 'grpc-encoding': 'gzip' },
      (message) => enveloped(gzipSync(message), 1),
    ],
  ])('refuses a message of very many fields over %s', async (_name, headers, bodyOf) => {
    const server = await start({ limits: { maxRequestBytes: 1 << 24 } });
    const post = async (fieldCount: number): Promise<string> => {
      const response = await fetch(server.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/proto', ...headers },
        body: bodyOf(Buffer.alloc(2 * fieldCount, '7801', 'hex')),
      });
      return response.text();
    };
    expect(await post(8_000_000)).toMatch(/more( |%20)than( |%20)100000/);
    expect(await post(50_000)).not.toMatch(/fields/);
  });

  it('gives no very large answers in JSON', async () => {
    const server = await start({ limits: { maxRows: 50_000, maxRequestBytes: 1 << 24 } });
    const post = (rowCount: number): Promise<Response> => {
      const val = Array.from({ length: rowCount }, () => ({ int64Val: '1001' }));
      return fetch(server.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          featureService: 'driver_service',
          entities: { driver_id: { val } },
        }),
      });
    };
    expect((await post(5_000)).status).toBe(200);
    const refused = await post(50_000);
    expect([refused.status, await refused.text()]).toEqual([
      429,
      expect.stringContaining('ask in a binary format'),
    ]);
  });

  it.each([
    ['broken JSON', 'application/json', '{', 400],
    ['a field of the wrong type', 'application/json', '{"entities":[]}', 400],
    ['broken protobuf', 'application/proto', '\x1a\x03\x0a\x07k', 400],
    ['another content type', 'text/plain', 'x', 415],
    ['gRPC, which needs HTTP/2', 'application/grpc', '', 415],
  ])('refuses %s', async (_name, contentType, body, status) => {
    const server = await start();
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body,
    });
    expect(response.status).toBe(status);
    await waitUntil(() => server.calls.length === 1, { what: 'the observer' });
    expect(server.calls[0]!.code).toBe(3);
  });

  it.each([
    ['application/proto', '\x1a\x05\x0a\x01k'],
    ['application/json', '{'],
  ])('blames its caller for %s that is none, and says so to programs', async (type, body) => {
    const server = await start();
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/^invalid request: /),
      details: [{ type: 'google.rpc.ErrorInfo' }],
    });
    await waitUntil(() => server.calls.length === 1, { what: 'the observer' });
    expect(server.calls[0]!.code).toBe(3);
  });

  it.each([
    ['10000', 200],
    ['9999999999', 200],
    ['0', 504],
    ['', 400],
    ['soon', 400],
    ['1.5', 400],
    ['-1', 400],
    ['99999999999', 400],
    ['1, 1', 400],
  ])('takes the timeout %j with %d', async (timeout, status) => {
    const server = await start();
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'connect-timeout-ms': timeout },
      body: '{"feature_service":"driver_service","entities":{"driver_id":{"val":[{"int64_val":"7"}]}}}',
    });
    expect(response.status).toBe(status);
  });

  describe.each(['application/json', 'application/proto', 'application/grpc-web+proto'])(
    'answers at the deadline when the rest of %s does not come',
    (type) => {
      const isWeb = type.includes('grpc-web');
      it.each([
        [
          'HTTP/1.1, its own',
          '1.1',
          { [isWeb ? 'grpc-timeout' : 'connect-timeout-ms']: isWeb ? '100m' : '100' },
        ],
        ['HTTP/1.1, that of the server', '1.1', {}],
        [
          'HTTP/2, its own',
          '2',
          { [isWeb ? 'grpc-timeout' : 'connect-timeout-ms']: isWeb ? '100m' : '100' },
        ],
        ['HTTP/2, that of the server', '2', {}],
      ])('(%s)', async (_name, version, timeout) => {
        const ownDeadline = Object.keys(timeout).length > 0;
        const server = await start({ handler: { defaultDeadlineMs: ownDeadline ? 0 : 100 } });
        const answer = await beginCall(server, version, { 'content-type': type, ...timeout });
        if (isWeb) expect(answer).toContain('grpc-status: 4');
        else expect(answer).toContain('deadline_exceeded');
        await waitUntil(() => server.calls.length === 1, { what: 'the observer' });
        expect(server.calls[0]!.code).toBe(4);
      });
    },
  );

  /** Sends the beginning of a request, and resolves to the body of its answer. */
  async function beginCall(
    server: FeatureServer,
    version: string,
    fields: Readonly<Record<string, string>>,
  ): Promise<string> {
    if (version === '1.1') {
      const call = request(server.url + path, { method: 'POST', headers: fields });
      call.on('error', () => {});
      call.write('{');
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      const body = await text(response);
      call.destroy();
      return body;
    }
    const session = http2.connect(server.http2Url);
    const stream = session.request({ ':method': 'POST', ':path': path, ...fields });
    stream.write('{');
    const body = await text(stream);
    session.destroy();
    return body;
  }

  it('unpacks what is packed, no more than is allowed, and nothing else', async () => {
    const server = await start({ limits: { maxRequestBytes: 100_000 } });
    const post = async (body: Buffer, headers: Record<string, string> = {}): Promise<number> =>
      (
        await fetch(server.url + path, {
          method: 'POST',
          headers: {
            'content-type': 'application/proto',
            'content-encoding': 'gzip',
            ...headers,
          },
          body: new Uint8Array(body),
        })
      ).status;
    const question = toBinary(
      GetOnlineFeaturesRequestSchema,
      create(GetOnlineFeaturesRequestSchema, QUESTION),
    );
    expect(await post(gzipSync(question))).toBe(200);
    expect(await post(brotliCompressSync(question), { 'content-encoding': 'br' })).toBe(200);
    expect(await post(Buffer.from(question), { 'content-encoding': 'identity' })).toBe(200);
    expect(await post(gzipSync(Buffer.alloc(50_000_000)))).toBe(429);
    expect(await post(Buffer.from(question))).toBe(400);
    expect(await post(gzipSync(question).subarray(0, -3))).toBe(400);
    expect(await post(Buffer.from(question), { 'content-encoding': 'snappy' })).toBe(501);
    expect(await post(gzipSync(question))).toBe(200);
  });

  it('refuses gRPC-Web in base64, which the library does not speak', async () => {
    const server = await start();
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/grpc-web-text' },
      body: 'AAAAAAA=',
    });
    expect(response.status).toBe(415);
  });

  it('refuses other methods and unknown procedures', async () => {
    const server = await start();
    expect((await fetch(server.url + path)).status).toBe(405);
    const unknown = await fetch(`${server.url}/feast.serving.ServingService/Nope`, {
      method: 'POST',
    });
    expect(unknown.status).toBe(404);
  });

  it('blames the store for stored bytes that have no JSON', async () => {
    const server = await start();
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"features":{"val":["driver_stats:note"]},"entities":{"driver_id":{"val":[{"int64_val":1003}]}}}',
    });
    expect(await response.json()).toMatchObject({ code: 'data_loss' });
    await waitUntil(() => server.calls.length === 1, { what: 'the observer' });
    expect(server.calls[0]!.code).toBe(15);
  });

  it('gives the same message whatever the format', async () => {
    const server = await start();
    const [binary, json] = await Promise.all(
      [true, false].map((useBinaryFormat) =>
        createClient(
          GrpcFeatureServer,
          createConnectTransport({ baseUrl: server.url, httpVersion: '1.1', useBinaryFormat }),
        ).getOnlineFeatures(QUESTION),
      ),
    );
    expect(toJson(GetOnlineFeaturesResponseSchema, json!)).toEqual(
      toJson(GetOnlineFeaturesResponseSchema, binary!),
    );
    expect(toBinary(GetOnlineFeaturesResponseSchema, json!)).toEqual(
      toBinary(GetOnlineFeaturesResponseSchema, binary!),
    );
  });
});
