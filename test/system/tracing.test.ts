import http2 from 'node:http2';
import { text } from 'node:stream/consumers';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  startOtlpReceiver,
  type OtlpReceiver,
  type ReceivedSpan,
} from '../support/otlp-receiver.ts';
import { encodeRequest, requestBody, valueMessage } from '../support/encode-request.ts';
import { startRedisCluster, type RedisClusterServers } from '../support/redis-server.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const METHOD = '/feast.serving.ServingService/GetOnlineFeatures';
const ROUTE = '/get-online-features';
const SPAN_ID = '00f067aa0ba902b7';
const DRIVERS = Array.from({ length: 40 }, (_, i) => BigInt(i + 1));

let cluster: RedisClusterServers;
let repository: ServedRepository;
let receiver: OtlpReceiver;
let server: SideboardProcess;
let client: Client;

beforeAll(async () => {
  cluster = await startRedisCluster();
  const nodes = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
  repository = await makeServedRepository([], {
    onlineStore: ['type: redis', 'redis_type: redis_cluster', `connection_string: ${nodes}`],
  });
  receiver = await startOtlpReceiver();
  server = await startSideboard({
    repoPath: repository.path,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=rides%20and%20more',
      OTEL_SERVICE_NAME: 'features',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=other',
      OTEL_TRACES_SAMPLER: 'parentbased_always_on',
      SIDEBOARD_REDIS_COMMAND_TIMEOUT_MS: '300',
      SIDEBOARD_LOG_LEVEL: 'debug',
    },
  });
  client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const untraced = { traceparent: `00-${'f'.repeat(32)}-${SPAN_ID}-00` };
  const question = questionOf(['driver_stats:trips'], DRIVERS);
  await waitUntil(async () => (await ask(METHOD, question, untraced)) === 0, {
    what: 'connections to all nodes',
  });
});

afterAll(async () => {
  client?.close();
  await server?.stop();
  await receiver?.close();
  repository?.remove();
  await cluster?.stop();
});

const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
const questionOf = (features: string[], ids: readonly bigint[]): Uint8Array =>
  encodeRequest(features, { driver_id: ids.map((id) => valueMessage('int64Val', id)) });

/** The gRPC status of one call. */
function ask(
  path: string,
  message: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, asIs, asIs, message, metadata, (error: ServiceError | null) =>
      resolve(error?.code ?? 0),
    );
  });
}

/** The trace of a request. */
async function spansOf(isWanted: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan[]> {
  let root: ReceivedSpan | undefined;
  await waitUntil(
    () => (root = receiver.spans.find((span) => span.kind === 2 && isWanted(span))) !== undefined,
    { what: 'the span' },
  );
  // A trace is sent in one batch, or in two that follow each other.
  const ofTrace = () => receiver.spans.filter(({ traceId }) => traceId === root!.traceId);
  const ids = () => new Set(ofTrace().map(({ spanId }) => spanId));
  await waitUntil(() => ofTrace().every((span) => span === root || ids().has(span.parentSpanId)), {
    what: 'the parents of all spans',
  });
  return ofTrace();
}

/** Who called whom, in a test. */
const atLoopback = (port: number): Record<string, unknown> => ({
  'server.address': '127.0.0.1',
  'server.port': port,
  'client.address': '127.0.0.1',
  'network.peer.address': '127.0.0.1',
  'network.peer.port': expect.any(Number),
  'network.transport': 'tcp',
  'network.type': 'ipv4',
});
const byName = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan[] =>
  spans.filter((span) => span.name === name);

describe('a trace', () => {
  test('that a caller began goes on, stage by stage and node by node of the store', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = { traceparent: `00-${traceId}-${SPAN_ID}-01`, tracestate: 'vendor=x' };
    const beforeMs = Date.now();
    expect(await ask(METHOD, questionOf(['driver_stats:trips'], DRIVERS), headers)).toBe(0);
    const afterMs = Date.now();
    const spans = await spansOf((span) => span.traceId === traceId);

    const [root] = byName(spans, METHOD.slice(1));
    expect(root).toMatchObject({ parentSpanId: SPAN_ID, traceState: 'vendor=x', isError: false });
    expect(root!.attributes).toEqual({
      'rpc.system.name': 'grpc',
      'rpc.method': METHOD.slice(1),
      'rpc.status_code': 'OK',
      ...atLoopback(server.port),
      'feast.rows': DRIVERS.length,
      'feast.features': 1,
      'feast.response_bytes': expect.any(Number),
    });
    expect(root!.resource).toMatchObject({
      'service.name': 'features',
      'service.version': expect.stringMatching(/^\d/),
      'deployment.environment.name': 'test',
      'telemetry.sdk.language': 'nodejs',
    });
    // Clocks of one machine; ours counts from a whole millisecond.
    expect(Number(root!.startNs / 1_000_000n)).toBeGreaterThanOrEqual(beforeMs - 2);
    expect(Number(root!.endNs / 1_000_000n)).toBeLessThanOrEqual(afterMs + 2);

    const stages = ['queue', 'plan', 'store', 'assemble'].map((name) => byName(spans, name)[0]!);
    let atNs = root!.startNs;
    for (const stage of stages) {
      expect(stage).toMatchObject({ parentSpanId: root!.spanId, kind: 1, startNs: atNs });
      expect(stage.endNs).toBeGreaterThanOrEqual(atNs);
      atNs = stage.endNs;
    }
    expect(root!.endNs).toBeGreaterThanOrEqual(atNs);

    const store = stages[2]!;
    const nodes = byName(spans, 'store node');
    expect(new Set(nodes.map(({ attributes }) => attributes['server.port']))).toEqual(
      new Set(cluster.masters.map(({ port }) => port)),
    );
    expect(nodes).toHaveLength(cluster.masters.length);
    let keyCount = 0;
    for (const node of nodes) {
      expect(node).toMatchObject({ parentSpanId: store.spanId, kind: 3, isError: false });
      expect(node.attributes).toMatchObject({
        'db.system.name': 'redis',
        'server.address': '127.0.0.1',
      });
      expect(node.startNs).toBeGreaterThanOrEqual(store.startNs);
      expect(node.endNs).toBeLessThanOrEqual(store.endNs);
      keyCount += Number(node.attributes['db.operation.batch.size']);
    }
    expect(keyCount).toBe(DRIVERS.length);
    expect(spans).toHaveLength(1 + stages.length + nodes.length);
    expect(receiver.requests[0]).toMatchObject({
      path: '/v1/traces',
      headers: { 'x-tenant': 'rides and more', 'content-type': 'application/x-protobuf' },
    });
  });

  test('that a caller does not record is not recorded; nor are probes', async () => {
    const [silent, wanted] = ['1'.repeat(32), '2'.repeat(32)];
    const question = questionOf(['driver_stats:trips'], [1n]);
    await ask(METHOD, question, { traceparent: `00-${silent}-${SPAN_ID}-00` });
    expect(await ask('/grpc.health.v1.Health/Check', new Uint8Array())).toBe(0);
    await ask('/made.up/Path', new Uint8Array());
    await ask(METHOD, question, { traceparent: `00-${wanted}-${SPAN_ID}-01` });
    await spansOf(({ traceId }) => traceId === wanted);
    expect(receiver.spans.filter(({ traceId }) => traceId === silent)).toEqual([]);
    const named = receiver.spans.filter(({ name }) => /health|made/i.test(name));
    expect(named).toEqual([]);
  });

  test('begins with a request that brings none, or a damaged one, over every protocol', async () => {
    const post = (path: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
      fetch(`http://127.0.0.1:${server.port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      });
    const body = requestBody(['driver_stats:trips'], { driver_id: ['3', '4', '5'] });
    const json = await post(ROUTE, body, { traceparent: '00-0-0-0', 'sideboard-timing': 'true' });
    expect(json.status).toBe(200);
    expect(json.headers.get('server-timing')).toContain('store;dur=');
    const name = `POST ${ROUTE}`;
    const spans = await spansOf((span) => span.name === name);
    const root = byName(spans, name)[0]!;
    expect(root.parentSpanId).toBe('');
    expect(root.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': ROUTE,
      'http.response.status_code': 200,
      'url.path': ROUTE,
      'url.scheme': 'http',
      'network.protocol.version': '1.1',
      ...atLoopback(server.port),
      'feast.rows': 3,
      'feast.features': 1,
      'feast.response_bytes': expect.any(Number),
    });
    expect(byName(spans, 'assemble')).toHaveLength(1);

    const session = http2.connect(`http://127.0.0.1:${server.port}`);
    try {
      const head = { ':method': 'POST', ':path': ROUTE, 'content-type': 'application/json' };
      await text(session.request(head).end(body));
    } finally {
      session.close();
    }
    const isHttp2 = ({ attributes }: ReceivedSpan): boolean =>
      attributes['network.protocol.version'] === '2';
    expect((await spansOf(isHttp2)).find(isHttp2)!.attributes).toEqual({
      ...root.attributes,
      'network.protocol.version': '2',
      'network.peer.port': expect.any(Number),
    });

    const connect = await post(
      METHOD,
      '{"features":{"val":["driver_stats:trips"]},"entities":{"driver_id":{"val":[{"int64_val":"6"}]}}}',
    );
    expect(connect.status).toBe(200);
    expect(connect.headers.get('server-timing')).toBeNull();
    const overConnect = await spansOf(
      ({ attributes }) => attributes['rpc.system.name'] === 'connectrpc',
    );
    expect(byName(overConnect, 'store node')).toHaveLength(1);
  });

  test('says how a request failed, and the log names it', async () => {
    const traceId = '3'.repeat(32);
    const headers = { traceparent: `00-${traceId}-${SPAN_ID}-01` };
    expect(await ask(METHOD, questionOf(['driver_stats:nothing'], [1n]), headers)).toBe(5);
    const spans = await spansOf((span) => span.traceId === traceId);
    const root = byName(spans, METHOD.slice(1))[0]!;
    // The caller's mistake is no error of the server.
    expect(root).toMatchObject({ isError: false, parentSpanId: SPAN_ID });
    expect(root.attributes['rpc.status_code']).toBe('NOT_FOUND');
    expect(root.attributes['error.type']).toBeUndefined();
    expect(spans.map(({ name }) => name)).not.toContain('store');
    let line: unknown;
    await waitUntil(
      () => (line = server.log.find((each) => each.includes(traceId))) !== undefined,
      { what: 'the log' },
    );
    expect(JSON.parse(line as string)).toMatchObject({ trace_id: traceId, span_id: root.spanId });
  });

  test('shows which node of the store did not answer', async () => {
    const lost = cluster.masters[1]!;
    lost.pause();
    const traceId = '4'.repeat(32);
    const headers = { traceparent: `00-${traceId}-${SPAN_ID}-01` };
    try {
      expect(await ask(METHOD, questionOf(['driver_stats:trips'], DRIVERS), headers)).toBe(14);
    } finally {
      lost.resume();
    }
    const spans = await spansOf((span) => span.traceId === traceId);
    const root = byName(spans, METHOD.slice(1))[0]!;
    expect(root).toMatchObject({ isError: true });
    expect(root.attributes).toMatchObject({
      'rpc.status_code': 'UNAVAILABLE',
      'error.type': 'UNAVAILABLE',
    });
    expect(byName(spans, 'store')[0]).toMatchObject({ isError: true });
    expect(byName(spans, 'assemble')).toEqual([]);
    const failed = byName(spans, 'store node').filter(({ isError }) => isError);
    expect(failed.map(({ attributes }) => attributes)).toMatchObject([
      { 'server.port': lost.port, 'error.type': 'UNAVAILABLE' },
    ]);
    // Over HTTP it is the status that says so.
    lost.pause();
    const ids = DRIVERS.map(String);
    try {
      const answer = await fetch(`http://127.0.0.1:${server.port}${ROUTE}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: requestBody(['driver_stats:trips'], { driver_id: ids }),
      });
      expect(answer.status).toBe(503);
    } finally {
      lost.resume();
    }
    const isFailed = ({ attributes }: ReceivedSpan): boolean =>
      attributes['http.response.status_code'] === 503;
    const overHttp = (await spansOf(isFailed)).find(isFailed);
    expect(overHttp).toMatchObject({ isError: true, attributes: { 'error.type': '503' } });
  });
});

test('what is not sent yet is sent when the server stops', async () => {
  const traceId = '5'.repeat(32);
  const headers = { traceparent: `00-${traceId}-${SPAN_ID}-01` };
  expect(await ask(METHOD, questionOf(['driver_stats:trips'], [9n]), headers)).toBe(0);
  const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
  expect(metrics).toMatch(/feature_server_trace_spans_total\{result="sent"\} [1-9]/);
  expect(await server.stop()).toBe(0);
  expect(receiver.spans.filter((span) => span.traceId === traceId)).toHaveLength(6);
  expect(server.log.join('\n')).not.toContain('cannot be sent');
});
