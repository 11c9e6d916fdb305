import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack, durationFromMs } from '@bufbuild/protobuf/wkt';
import { Metadata, ServerCredentials, status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import type { RequestTrace, TracedCall } from '../../src/call/request-trace.ts';
import { checkTracing } from '../../src/cli/check-tracing.ts';
import type { TracingConfig } from '../../src/config/config.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';
import { openTracing, type Tracing } from '../../src/telemetry/open-tracing.ts';
import { loadYaml } from '../config/repository.ts';
import { createAuthority } from '../support/certificates.ts';
import { startOtlpGrpcReceiver, type OtlpGrpcReceiver } from '../support/otlp-grpc-receiver.ts';
import { readTraces } from '../support/otlp-receiver.ts';
import { startProxy } from '../support/tcp-proxy.ts';
import { waitUntil } from '../support/wait-until.ts';

const METHOD = '/p.Service/Method';
/** As many as are sent at once, without a wait for more. */
const SPANS = 512;

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly reason?: string;
}

let folder: string;
let receiver: OtlpGrpcReceiver;
let metrics: Metrics;
let tracing: Tracing | undefined;
let log: LogLine[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-otlp-'));
  receiver = await startOtlpGrpcReceiver();
  metrics = createMetrics();
  log = [];
});

afterEach(async () => {
  await tracing?.close();
  receiver.close();
  rmSync(folder, { recursive: true });
});

/** By what the environment says, with all requests recorded. */
async function open(env: Readonly<Record<string, string>> = {}): Promise<Tracing> {
  tracing = await openTracing(configOf(env), {
    metrics,
    logger: pino({}, { write: (line: string) => void log.push(JSON.parse(line) as LogLine) }),
    methodPaths: [METHOD],
    routePaths: [],
    storeKind: 'sqlite',
  });
  return tracing!;
}

function configOf(env: Readonly<Record<string, string>>): TracingConfig {
  const variables = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${receiver.address}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
    OTEL_TRACES_SAMPLER: 'always_on',
    ...env,
  };
  return loadYaml('project: rides\n', { env: variables }).tracing!;
}

/** A batch of spans: requests that failed before anything was planned, and their only stage. */
function sendBatch({ requests }: Tracing): void {
  for (let i = 0; i < SPANS / 2; i++) {
    const call = {
      path: METHOD,
      startedAtMs: performance.now(),
      rowCount: 0,
      featureCount: 0,
      lostCount: 0,
      authority: '127.0.0.1',
      peer: '127.0.0.1:1',
      trace: undefined as RequestTrace | undefined,
      metadata: () => undefined,
    } satisfies TracedCall;
    call.trace = requests.begin(call);
    requests.end(call, { code: 5, message: 'no such view' });
  }
}

async function count(result: 'sent' | 'failed'): Promise<number> {
  const metric = metrics.registry.getSingleMetric('feature_server_trace_spans_total');
  const { values } = await metric!.get();
  return values.find(({ labels }) => labels['result'] === result)?.value ?? 0;
}

const sent = (spanCount: number): Promise<void> =>
  waitUntil(async () => (await count('sent')) === spanCount, { what: `${spanCount} spans sent` });
/** On a machine that is busy a short time may be over before the first one is there. */
async function sendUntilTaken(to: Tracing): Promise<void> {
  const before = await count('sent');
  const sendOne = async (): Promise<boolean> => {
    const settled = (await count('sent')) + (await count('failed'));
    sendBatch(to);
    await waitUntil(async () => (await count('sent')) + (await count('failed')) > settled, {
      what: 'the batch to be sent, or to fail',
    });
    return (await count('sent')) > before;
  };
  await waitUntil(sendOne, { what: 'a batch to be taken' });
}
const failed = (spanCount: number): Promise<void> =>
  waitUntil(async () => (await count('failed')) === spanCount, { what: `${spanCount} to fail` });

test('a receiver is sent spans, with headers as metadata', async () => {
  sendBatch(
    await open({
      OTEL_EXPORTER_OTLP_HEADERS: 'X-Tenant=rides%20and%20more,trace-bin=AAECAw==',
      OTEL_SERVICE_NAME: 'features',
    }),
  );
  await sent(SPANS);
  expect(receiver.spans).toHaveLength(SPANS);
  expect(new Set(receiver.spans.map(({ name }) => name))).toEqual(
    new Set(['queue', METHOD.slice(1)]),
  );
  expect(receiver.spans[0]!.resource).toMatchObject({ 'service.name': 'features' });
  const [metadata] = receiver.requests;
  expect(metadata!.get('x-tenant')).toEqual(['rides and more']);
  expect(metadata!.get('trace-bin')).toEqual([Buffer.from([0, 1, 2, 3])]);
  expect(metadata!.get('user-agent')[0]).toMatch(/^sideboard\//);
  expect(log).toEqual([]);
});

test.each(['none', 'gzip'])(
  'what is sent is compressed as the configuration has it (%s)',
  async (compression) => {
    const seen: { headers: IncomingHttpHeaders; body: Buffer }[] = [];
    const server = createServer();
    server.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        seen.push({ headers, body: Buffer.concat(chunks) });
        stream.respond(
          { ':status': 200, 'content-type': 'application/grpc' },
          { waitForTrailers: true },
        );
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.alloc(5));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      sendBatch(
        await open({
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
          OTEL_EXPORTER_OTLP_COMPRESSION: compression,
        }),
      );
      await sent(SPANS);
      const [{ headers, body }] = seen as [(typeof seen)[0]];
      const message = body.subarray(5);
      if (compression === 'gzip') expect(headers['grpc-encoding']).toBe('gzip');
      expect(body[0]).toBe(compression === 'gzip' ? 1 : 0);
      expect(body.readUInt32BE(1)).toBe(message.length);
      expect(readTraces(compression === 'gzip' ? gunzipSync(message) : message)).toHaveLength(
        SPANS,
      );
    } finally {
      await tracing!.close();
      server.close();
    }
  },
);

test('a receiver behind a unix socket is sent spans', async () => {
  const address = `unix:${join(folder, 'otlp.sock')}`;
  const local = await startOtlpGrpcReceiver({ address });
  try {
    sendBatch(await open({ OTEL_EXPORTER_OTLP_ENDPOINT: address }));
    await sent(SPANS);
    expect(local.spans).toHaveLength(SPANS);
  } finally {
    local.close();
  }
});

describe('over TLS', () => {
  const issue = (name: string) => {
    const authority = createAuthority(folder, 'authority');
    return { authority, ...authority.issue(name, { names: ['IP:127.0.0.1'] }) };
  };
  const pairOf = ({ certFile, keyFile }: ReturnType<typeof issue>) => ({
    cert_chain: readFileSync(certFile),
    private_key: readFileSync(keyFile),
  });

  test.each(['https://', ''])(
    'a receiver of an authority of its own takes spans (%s)',
    async (scheme) => {
      const server = issue('server');
      const secure = await startOtlpGrpcReceiver({
        tls: ServerCredentials.createSsl(null, [pairOf(server)]),
      });
      const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: `${scheme}${secure.address}` };
      try {
        const trusting = { ...endpoint, OTEL_EXPORTER_OTLP_CERTIFICATE: server.authority.certFile };
        sendBatch(await open(trusting));
        await sent(SPANS);
        expect(await checkTracing(configOf(trusting))).toMatchObject([{ level: 'ok' }]);
        expect(await checkTracing(configOf(endpoint))).toMatchObject([
          {
            level: 'warning',
            message: expect.stringMatching(/UNAVAILABLE.*certificate/) as string,
          },
        ]);
      } finally {
        secure.close();
      }
    },
  );

  test('one that wants a certificate is shown the one that is on disk, a renewed one too', async () => {
    const server = issue('server');
    const caFile = server.authority.certFile;
    const secure = await startOtlpGrpcReceiver({
      tls: ServerCredentials.createSsl(readFileSync(caFile), [pairOf(server)], true),
    });
    const expired = server.authority.issue('client', { names: [], days: -1 });
    try {
      const opened = await open({
        OTEL_EXPORTER_OTLP_ENDPOINT: `https://${secure.address}`,
        OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: caFile,
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: expired.certFile,
        OTEL_EXPORTER_OTLP_CLIENT_KEY: expired.keyFile,
        OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
      });
      sendBatch(opened);
      await failed(SPANS);
      expect(log).toMatchObject([{ reason: expect.stringMatching(/^UNAVAILABLE/) as string }]);
      server.authority.issue('client', { names: [] });
      await sendUntilTaken(opened);
    } finally {
      secure.close();
    }
  });

  test('certificates and authorities that are renewed while it is connected cost nothing', async () => {
    const mutual = (server: ReturnType<typeof issue>) =>
      ServerCredentials.createSsl(readFileSync(server.authority.certFile), [pairOf(server)], true);
    const first = issue('server');
    const { certFile, keyFile } = first.authority.issue('client', { names: [] });
    let secure = await startOtlpGrpcReceiver({ tls: mutual(first) });
    try {
      const opened = await open({
        OTEL_EXPORTER_OTLP_ENDPOINT: `https://${secure.address}`,
        OTEL_EXPORTER_OTLP_CERTIFICATE: first.authority.certFile,
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: certFile,
        OTEL_EXPORTER_OTLP_CLIENT_KEY: keyFile,
      });
      sendBatch(opened);
      await sent(SPANS);
      // Until all of it is there, what is in use stays.
      writeFileSync(certFile, '-----BEGIN CERT');
      sendBatch(opened);
      await sent(2 * SPANS);
      const { address } = secure;
      secure.close();
      const second = issue('server');
      second.authority.issue('client', { names: [] });
      secure = await startOtlpGrpcReceiver({ address, tls: mutual(second) });
      sendBatch(opened);
      await sent(3 * SPANS);
      expect(await count('failed')).toBe(0);
    } finally {
      secure.close();
    }
  });

  test('files that are no certificates cost spans, not the server', async () => {
    const opened = await open({
      OTEL_EXPORTER_OTLP_ENDPOINT: `https://${receiver.address}`,
      OTEL_EXPORTER_OTLP_CERTIFICATE: import.meta.filename,
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: import.meta.filename,
      OTEL_EXPORTER_OTLP_CLIENT_KEY: import.meta.filename,
    });
    sendBatch(opened);
    await failed(SPANS);
    expect(log).toMatchObject([{ msg: 'traces cannot be sent; they are dropped' }]);
  });
});

test('what a receiver leaves out of a batch counts as failed, and is told once', async () => {
  // ExportTraceServiceResponse { partial_success { rejected_spans: 2, error_message: "too old" } }
  const message = Buffer.from('too old');
  const partial = Buffer.concat([Buffer.from([8, 2, 18, message.length]), message]);
  receiver.answer = (reply) =>
    reply(null, Buffer.concat([Buffer.from([10, partial.length]), partial]));
  const opened = await open();
  sendBatch(opened);
  sendBatch(opened);
  await sent(2 * SPANS - 4);
  expect(await count('failed')).toBe(4);
  expect(log).toMatchObject([
    { msg: 'the receiver of traces leaves out spans', rejectedCount: 2, reason: 'too old' },
  ]);
});

describe('a receiver that is not well', () => {
  const refusal = (code: status, retryAfterMs?: number) => {
    const metadata = new Metadata();
    if (retryAfterMs !== undefined) {
      const info = create(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) });
      const details = create(StatusSchema, { code, details: [anyPack(RetryInfoSchema, info)] });
      metadata.set('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, details)));
    }
    return { code, details: 'not now', metadata };
  };

  test.each([
    ['may be asked again, after a second', status.UNAVAILABLE, undefined, 2],
    ['may be asked again, when it says', status.UNAVAILABLE, 120, 2],
    ['has no room, and says until when', status.RESOURCE_EXHAUSTED, 120, 2],
    ['has no room', status.RESOURCE_EXHAUSTED, undefined, 1],
    ['knows no traces', status.UNIMPLEMENTED, undefined, 1],
    ['lets nobody in', status.UNAUTHENTICATED, 120, 1],
  ])('%s', async (_, code, retryAfterMs, requestCount) => {
    const takes = receiver.answer;
    receiver.answer = (reply) => {
      receiver.answer = takes;
      reply(refusal(code, retryAfterMs), null);
    };
    const opened = await open();
    sendBatch(opened);
    if (requestCount === 2) {
      await sent(SPANS);
      expect(log).toEqual([]);
    } else {
      await failed(SPANS);
      expect(log).toMatchObject([{ reason: `${status[code]}: not now` }]);
      sendBatch(opened);
      await sent(SPANS);
      expect(log.map(({ msg }) => msg)).toContain('traces are sent again');
    }
    expect(receiver.spans).toHaveLength(SPANS);
    expect(receiver.requests.length).toBe(2);
  });

  test('that wants to be asked at once is asked at intervals, until the time is over', async () => {
    receiver.answer = (reply) => reply(refusal(status.UNAVAILABLE, 0), null);
    sendBatch(await open({ OTEL_EXPORTER_OTLP_TIMEOUT: '1500' }));
    await failed(SPANS);
    expect(receiver.requests.length).toBeGreaterThan(1);
    expect(receiver.requests.length).toBeLessThan(17);
  });

  test('that is away costs spans and one line in the log; when it is back they are sent', async () => {
    const { address } = receiver;
    receiver.close();
    const opened = await open({ OTEL_EXPORTER_OTLP_TIMEOUT: '1000' });
    sendBatch(opened);
    await failed(SPANS);
    sendBatch(opened);
    await failed(2 * SPANS);
    expect(log).toMatchObject([
      {
        msg: 'traces cannot be sent; they are dropped',
        reason: expect.stringMatching(/^UNAVAILABLE: .*ECONNREFUSED/) as string,
      },
    ]);
    receiver = await startOtlpGrpcReceiver({ address });
    await sendUntilTaken(opened);
    expect(log.map(({ msg }) => msg)).toEqual([
      'traces cannot be sent; they are dropped',
      'traces are sent again',
    ]);
  });

  test('that goes while it is connected, and comes back within the time, costs nothing', async () => {
    const { address } = receiver;
    const opened = await open();
    sendBatch(opened);
    await sent(SPANS);
    receiver.close();
    sendBatch(opened);
    receiver = await startOtlpGrpcReceiver({ address });
    await sent(2 * SPANS);
    expect(await count('failed')).toBe(0);
  });

  test('on a connection that leads nowhere is connected to anew', async () => {
    const proxy = await startProxy({ port: Number(receiver.address.split(':')[1]) });
    try {
      const opened = await open({
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${proxy.port}`,
        OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
      });
      await sendUntilTaken(opened);
      const [before, alreadyFailed] = [log.length, await count('failed')];
      proxy.inject({ kind: 'black-hole' }, { which: 'standing' });
      sendBatch(opened);
      await failed(alreadyFailed + SPANS);
      expect(log.slice(before)).toMatchObject([
        { reason: expect.stringMatching(/^DEADLINE_EXCEEDED/) as string },
      ]);
      await sendUntilTaken(opened);
    } finally {
      await tracing!.close();
      await proxy.close();
    }
  });

  test('that never answers holds nobody up, neither requests nor the end', async () => {
    receiver.answer = () => {};
    const opened = await open({ OTEL_EXPORTER_OTLP_TIMEOUT: '60000' });
    sendBatch(opened);
    await waitUntil(() => receiver.requests.length > 0, { what: 'a request' });
    sendBatch(opened);
    await opened.close();
    await waitUntil(async () => (await count('failed')) > 0, {
      what: 'what was left to be given up',
    });
  });
});

test('what waits is sent when the server stops', async () => {
  const opened = await open();
  for (let i = 0; i < 6; i++) sendBatch(opened);
  await opened.close();
  expect(receiver.spans).toHaveLength(6 * SPANS);
});

describe('sideboard check', () => {
  test('asks the receiver, and leaves no span there', async () => {
    const config = configOf({ OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=rides' });
    expect(await checkTracing(config)).toEqual([
      {
        part: 'traces',
        level: 'ok',
        message: `http://${receiver.address} takes traces by grpc, of 100 % of the requests`,
      },
    ]);
    expect(receiver.spans).toEqual([]);
    expect(receiver.requests[0]!.get('x-tenant')).toEqual(['rides']);
  });

  test('says why it takes none', async () => {
    receiver.answer = (reply) => reply({ code: status.UNAUTHENTICATED, details: 'no token' }, null);
    const [refused] = await checkTracing(configOf({}));
    expect(refused).toMatchObject({
      level: 'warning',
      message: `http://${receiver.address} takes no traces by grpc: UNAUTHENTICATED: no token`,
      remedy: expect.stringContaining('otlp_protocol') as string,
    });
    receiver.close();
    const [away] = await checkTracing(configOf({}));
    expect(away!.message).toMatch(/by grpc: UNAVAILABLE: .*ECONNREFUSED [\d.:]+$/);
  });
});
