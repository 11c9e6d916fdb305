import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkTracing } from '../../src/cli/check-tracing.ts';
import type { TracingConfig } from '../../src/config/config.ts';
import type { RequestTrace, TracedCall } from '../../src/call/request-trace.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';
import { openTracing, type Tracing } from '../../src/telemetry/open-tracing.ts';
import { loadYaml } from '../config/repository.ts';
import { createAuthority } from '../support/certificates.ts';
import { startOtlpReceiver, type OtlpReceiver } from '../support/otlp-receiver.ts';
import { waitUntil } from '../support/wait-until.ts';

const METHOD = '/p.Service/Method';

let receiver: OtlpReceiver;
let metrics: Metrics;
let tracing: Tracing | undefined;

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  metrics = createMetrics();
});

afterEach(async () => {
  await tracing?.close();
  await receiver.close();
});

async function open(config: Partial<TracingConfig> = {}): Promise<Tracing> {
  const everything = {
    protocol: 'http/protobuf' as const,
    url: `${receiver.url}/v1/traces`,
    headers: {},
    // Of no test that has an answer: a busy machine takes its time.
    timeoutMs: 30_000,
    ratio: 1,
    followsCaller: true,
    propagators: ['tracecontext' as const],
    compression: 'none' as const,
    tls: { caFile: undefined, certFile: undefined, keyFile: undefined },
    resource: {},
    ...config,
  };
  tracing = await openTracing(everything, {
    metrics,
    logger: createLogger('silent'),
    methodPaths: [METHOD],
    routePaths: [],
    storeKind: 'sqlite',
  });
  return tracing!;
}

/** A request that was let in, read and answered. */
function request(
  { requests }: Tracing,
  headers: Readonly<Record<string, string>> = {},
): RequestTrace {
  const call = {
    path: METHOD,
    startedAtMs: performance.now(),
    rowCount: 1,
    featureCount: 1,
    lostCount: 0,
    authority: '127.0.0.1',
    peer: '127.0.0.1:1',
    trace: undefined as RequestTrace | undefined,
    metadata: (name: string) => headers[name],
  } satisfies TracedCall;
  call.trace = requests.begin(call);
  call.trace.timing?.planned();
  call.trace.timing?.stored();
  call.trace.timing?.assembled(10);
  return requests.end(call, { code: 0, message: '' });
}

async function counts(): Promise<Readonly<Record<string, number>>> {
  const metric = metrics.registry.getSingleMetric('feature_server_trace_spans_total');
  const { values } = await metric!.get();
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels['result']), value]));
}

test('of a receiver that does not answer no more waits than fits; whole requests are dropped', async () => {
  receiver.answer = () => {};
  const open1 = await open({ timeoutMs: 500 });
  const requestCount = 10_000;
  for (let i = 0; i < requestCount; i++) request(open1);
  const { dropped = 0 } = await counts();
  // Of each the request and its four stages; nothing has left yet that was not taken out of the queue.
  expect(dropped % 5).toBe(0);
  expect(dropped).toBeGreaterThan(requestCount * 5 - 2 * 4096);
  const startedAtMs = performance.now();
  await open1.close();
  expect(performance.now() - startedAtMs).toBeLessThan(10_000);
  await waitUntil(async () => (await counts())['failed'] === requestCount * 5 - dropped, {
    what: 'all that waited to have failed',
  });
});

describe('a receiver that the configuration names', () => {
  const FOR_OTHERS = {
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=secret-of-another',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
  };
  beforeEach(() => {
    for (const [name, value] of Object.entries(FOR_OTHERS)) vi.stubEnv(name, value);
  });
  afterEach(() => vi.unstubAllEnvs());

  test.each(['none', 'gzip'] as const)(
    'gets what it says and nothing of the environment (%s)',
    async (compression) => {
      request(await open({ headers: { 'x-tenant': 'rides' }, compression }));
      await waitUntil(() => receiver.spans.length === 5, { what: 'the spans' });
      const { headers } = receiver.requests[0]!;
      expect(headers).toMatchObject({
        'x-tenant': 'rides',
        'content-type': 'application/x-protobuf',
      });
      expect(headers['authorization']).toBeUndefined();
      expect(headers['content-encoding']).toBe(compression === 'gzip' ? 'gzip' : undefined);
    },
  );
});

test('a receiver that takes JSON gets JSON', async () => {
  const bodies: [contentType: string | undefined, body: unknown][] = [];
  const take = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    bodies.push([message.headers['content-type'], await json(message)]);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  };
  const server = createServer((message, response) => void take(message, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = `otlp_endpoint: "${url}", otlp_protocol: http/json`;
  try {
    const config = loadYaml(`project: rides\nsideboard: {${settings}}\n`).tracing!;
    expect(await checkTracing(config)).toMatchObject([{ level: 'ok' }]);
    request(await open({ ...config, ratio: 1 }));
    await waitUntil(async () => (await counts())['sent'] === 5, { what: 'the spans to be sent' });
  } finally {
    server.close();
  }
  expect(bodies).toMatchObject([
    ['application/json', {}],
    ['application/json', { resourceSpans: [{ scopeSpans: [{ spans: { length: 5 } }] }] }],
  ]);
});

test('a receiver with a certificate of an authority of its own is sent spans, and shown a certificate', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sideboard-otlp-'));
  const authority = createAuthority(folder, 'authority');
  const [server, client] = ['server', 'client'].map((name) =>
    authority.issue(name, { names: ['IP:127.0.0.1'] }),
  );
  const secure = await startOtlpReceiver({
    cert: readFileSync(server!.certFile),
    key: readFileSync(server!.keyFile),
    ca: readFileSync(authority.certFile),
    requestCert: true,
    rejectUnauthorized: true,
  });
  try {
    request(
      await open({
        url: `${secure.url}/v1/traces`,
        tls: { caFile: authority.certFile, ...client! },
      }),
    );
    await waitUntil(() => secure.spans.length === 5, { what: 'the spans' });
    const variables = {
      OTEL_EXPORTER_OTLP_ENDPOINT: secure.url,
      OTEL_EXPORTER_OTLP_CERTIFICATE: authority.certFile,
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: client!.certFile,
    };
    const withKey = { ...variables, OTEL_EXPORTER_OTLP_CLIENT_KEY: client!.keyFile };
    const check = (env: Readonly<Record<string, string>>) =>
      checkTracing(loadYaml('project: rides\n', { env }).tracing);
    expect(await check(withKey)).toMatchObject([{ level: 'ok' }]);
    expect(await check({ OTEL_EXPORTER_OTLP_ENDPOINT: secure.url })).toMatchObject([
      {
        level: 'warning',
        message: expect.stringMatching(/takes no traces by http\/protobuf: \S/) as string,
      },
    ]);
  } finally {
    await secure.close();
    rmSync(folder, { recursive: true });
  }
});

test('a receiver that refuses costs its spans; when it is well again, they are sent again', async () => {
  receiver.answer = (response) => response.writeHead(400).end();
  const opened = await open();
  request(opened);
  await waitUntil(async () => (await counts())['failed'] === 5, { what: 'the failure' });
  receiver.answer = (response) => response.writeHead(200).end();
  request(opened);
  await waitUntil(async () => (await counts())['sent'] === 5, { what: 'the spans to be sent' });
});

test('a receiver that nobody can reach costs its spans', async () => {
  await receiver.close();
  const opened = await open({ timeoutMs: 200 });
  request(opened);
  await waitUntil(async () => (await counts())['failed'] === 5, { what: 'the failure' });
});

test('one that is slower than is waited for costs its spans, and is asked again', async () => {
  const late: ServerResponse[] = [];
  receiver.answer = (response) => void late.push(response);
  const opened = await open({ timeoutMs: 200 });
  request(opened);
  await waitUntil(async () => (await counts())['failed'] === 5, { what: 'the failure' });
  receiver.answer = (response) => response.writeHead(200).end();
  await waitUntil(
    async () => {
      request(opened);
      return ((await counts())['sent'] ?? 0) > 0;
    },
    { what: 'spans to be sent' },
  );
  for (const response of late) response.destroy();
});

describe('sideboard check', () => {
  const check = async (settings: string) =>
    checkTracing(loadYaml(`project: rides\nsideboard: {${settings}}\n`).tracing);

  test('asks the receiver of traces, and leaves no span there', async () => {
    expect(await check('log_level: info')).toEqual([]);
    const settings = `otlp_endpoint: "${receiver.url}", otlp_headers: "x-tenant=rides"`;
    const url = `${receiver.url}/v1/traces`;
    expect(await check(settings)).toEqual([
      {
        part: 'traces',
        level: 'ok',
        message: `${url} takes traces by http/protobuf, of 1 % of the requests whose caller has not decided`,
      },
    ]);
    expect(receiver.spans).toEqual([]);
    expect(receiver.requests).toMatchObject([{ headers: { 'x-tenant': 'rides' } }]);
    receiver.answer = (response) => response.writeHead(401).end();
    const [refused] = await check(settings);
    expect(refused).toMatchObject({
      level: 'warning',
      message: `${url} takes no traces by http/protobuf: it answers 401`,
    });
    const gone = await startOtlpReceiver();
    await gone.close();
    const [away] = await check(`otlp_endpoint: "${gone.url}"`);
    expect(away).toMatchObject({
      level: 'warning',
      message: `${gone.url}/v1/traces takes no traces by http/protobuf: ECONNREFUSED`,
    });
  });

  test('warns of headers in plain text', async () => {
    // An address of documentation (RFC 5737): nobody answers there.
    const findings = await check('otlp_endpoint: "http://192.0.2.1", otlp_headers: "token=t"');
    expect(findings.map(({ level }) => level)).toEqual(['warning', 'warning']);
    expect(findings[1]!.message).toContain('plain text');
  });
});

describe('a caller that hands its trace on', () => {
  const [traceId, spanId] = ['463ac35c9f6413ad48485a3953bb6124', 'a2fb4a1d1a96d312'];
  const many = (decision?: string) => ({
    'x-b3-traceid': traceId,
    'x-b3-spanid': spanId,
    ...(decision === undefined ? {} : { 'x-b3-sampled': decision }),
  });
  const traceparent = `00-${'7'.repeat(32)}-${'8'.repeat(16)}-01`;

  test.each([
    [['b3'] as const, { b3: `${traceId}-${spanId}-1` }, traceId],
    [['b3multi'] as const, many('1'), traceId],
    [['tracecontext', 'b3multi'] as const, { ...many('1'), traceparent }, traceId],
    [['b3multi', 'tracecontext'] as const, { ...many('1'), traceparent }, '7'.repeat(32)],
    [['b3multi', 'tracecontext'] as const, many('1'), traceId],
  ])('by %j %j goes on in %s', async (propagators, headers, expected) => {
    const { traceId: found, timing } = request(await open({ propagators, ratio: 0 }), headers);
    expect(found).toBe(expected);
    expect(timing).toBeDefined();
    await waitUntil(() => receiver.spans.length === 5, { what: 'the spans' });
    const parents = new Set(receiver.spans.map(({ parentSpanId }) => parentSpanId));
    expect(parents).toContain(expected === traceId ? spanId : '8'.repeat(16));
  });

  test('has decided against it, or leaves that to the share', async () => {
    const none = await open({ propagators: ['b3'], ratio: 1 });
    expect(request(none, many('0'))).toMatchObject({ traceId, timing: undefined });
    expect(request(none, many()).timing).toBeDefined();
    await none.close();
    const nothing = await open({ propagators: ['b3'], ratio: 0 });
    expect(request(nothing, many())).toMatchObject({ traceId, timing: undefined });
  });

  test('in a way that nobody asked for begins nothing', async () => {
    expect(request(await open(), many('1')).traceId).not.toBe(traceId);
  });
});

test('a share of the requests is traced', async () => {
  const opened = await open({ ratio: 0.25 });
  const traces = Array.from({ length: 2_000 }, () => request(opened));
  const recorded = traces.filter(({ timing }) => timing !== undefined).length;
  // Twelve standard deviations.
  expect(recorded).toBeGreaterThan(500 - 240);
  expect(recorded).toBeLessThan(500 + 240);
  expect(new Set(traces.map(({ traceId }) => traceId)).size).toBe(traces.length);
});
