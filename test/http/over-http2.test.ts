import http2 from 'node:http2';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createEngine } from '../../src/http2/engine.ts';
import type { HttpRequest } from '../../src/http/http-message.ts';
import { createStreamListener } from '../../src/http/stream-exchange.ts';
import { data, GET, headers, POST, windowUpdate } from '../http2/frames.ts';
import { createRig, eventually } from '../http2/raw-client.ts';
import { waitUntil } from '../support/wait-until.ts';
import {
  startFeatureServer,
  type FeatureServer,
  type FeatureServerOptions,
} from './feature-server.ts';

const PATH = '/get-online-features';
const FEATURES = '"features":["driver_stats:conv_rate","driver_stats:trips"]';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(
  options?: FeatureServerOptions,
): Promise<{ server: FeatureServer; session: http2.ClientHttp2Session }> {
  const server = await startFeatureServer(options);
  closers.push(() => server.close());
  const session = http2.connect(server.http2Url);
  closers.push(() => session.destroy());
  return { server, session };
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
  /** Error code that the stream was closed with. */
  readonly resetCode: number;
}

/** Sends a request and collects the answer; `body` undefined = none, and the request stays open. */
function send(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: false });
    const parts: Buffer[] = [];
    let received: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
    stream.on('response', (fields) => (received = fields));
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', reject);
    stream.on('close', () =>
      resolve({
        status: received[':status'],
        headers: received,
        body: Buffer.concat(parts),
        resetCode: stream.rstCode,
      }),
    );
    if (body !== undefined) stream.end(body);
  });
}

const post = (
  session: http2.ClientHttp2Session,
  body: string | Buffer,
  headers: http2.OutgoingHttpHeaders = {},
): Promise<Answer> =>
  send(
    session,
    { ':method': 'POST', ':path': PATH, 'content-type': 'application/json', ...headers },
    body,
  );

describe('Feast’s JSON over HTTP/2', () => {
  it('gives the answer of HTTP/1.1', async () => {
    const { server, session } = await start();
    const question = `{"entities":{"driver_id":[1001,1002,7]},${FEATURES}}`;
    const [newer, older] = await Promise.all([
      post(session, question),
      fetch(server.url + PATH, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: question,
      }),
    ]);
    expect(newer.status).toBe(200);
    expect(newer.headers['content-type']).toBe('application/json');
    expect(newer.body.toString()).toBe(await older.text());
    await waitUntil(() => server.calls.length === 2, { what: 'the observer' });
    expect(server.calls[0]).toEqual(server.calls[1]);
    expect(server.calls[0]).toEqual({ path: PATH, code: 0, rowCount: 3, featureCount: 2 });
  });

  it('answers health, also to HEAD, and what is wrong', async () => {
    const { server, session } = await start();
    const ask = (method: string, path: string): Promise<Answer> =>
      send(session, { ':method': method, ':path': path }, '');
    expect(await ask('GET', '/health')).toMatchObject({ status: 200 });
    expect(await ask('HEAD', '/health')).toMatchObject({ status: 200 });
    expect(await ask('GET', '/nope?x=1')).toMatchObject({ status: 404 });
    expect(await ask('GET', PATH)).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect((await post(session, '{')).status).toBe(422);
    server.health.setServing(false);
    expect(await ask('GET', '/health')).toMatchObject({ status: 503 });
  });

  it('takes the authority for the host, and puts cookies together as they belong', async () => {
    const seen: unknown[] = [];
    const listener = createStreamListener((request, response) => {
      seen.push([request.headers.host, request.headers['cookie'], request.headers['x-a']]);
      response.end();
    });
    const rig = createRig(
      {},
      () => {},
      (limits) => createEngine(limits, listener),
    );
    const client = rig.connect();
    const fields = [
      ...GET,
      ['cookie', 'a=1'],
      ['cookie', 'b=2'],
      ['x-a', '1'],
      ['x-a', '2'],
    ] as const;
    client.send(headers(1, [...fields, ['host', 'other']]));
    await client.fields(1);
    expect(seen).toEqual([['test', 'a=1; b=2', '1, 2']]);
  });

  it('sends a long answer whole, also to a slow reader', async () => {
    const { session } = await start();
    const rows = Array.from({ length: 5000 }, (_, i) => 1001 + (i % 3)).join(',');
    const question = `{"entities":{"driver_id":[${rows}]},${FEATURES}}`;
    const plain = await post(session, question);
    const parsed = JSON.parse(plain.body.toString()) as { results: { values: unknown[] }[] };
    expect(parsed.results.map(({ values }) => values.length)).toEqual([5000, 5000, 5000]);
    const packed = await post(session, question, { 'accept-encoding': 'gzip' });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(packed.body)).toEqual(plain.body);

    const slow = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/json',
    });
    slow.end(question);
    await new Promise((resolve) => slow.once('response', resolve));
    let length = 0;
    for await (const part of slow) {
      length += (part as Buffer).length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(length).toBe(plain.body.length);
  });

  it('lets no more of a request come than its window while nobody reads it', async () => {
    const requests: HttpRequest[] = [];
    const listener = createStreamListener((request) => void requests.push(request));
    const rig = createRig(
      {},
      () => {},
      (limits) => createEngine({ ...limits, windowBytes: 100_000 }, listener),
    );
    const client = rig.connect();
    client.send(headers(1, POST, 0));
    const windowOf = (streamId: number): number =>
      client.frames
        .filter(({ type, streamId: id }) => type === 8 && id === streamId)
        .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
    for (let i = 0; i < 10; i++) client.send(data(1, Buffer.alloc(10_000), 0));
    // All has come: the connection's window is what it was, and grew to 100,000 in the beginning.
    await eventually(() => expect(windowOf(0)).toBe(100_000 - 65_535 + 100_000));
    expect(windowOf(1)).toBe(50_000);
    let length = 0;
    requests[0]!.on('data', (chunk: Buffer) => (length += chunk.length));
    await eventually(() => expect([length, windowOf(1)]).toEqual([100_000, 100_000]));
  });

  it('says nothing of connections, which no stream may', async () => {
    const listener = createStreamListener((_request, response) => {
      response.writeHead(500, { 'content-length': 0, connection: 'close' });
      response.end();
    });
    const client = createRig(
      {},
      () => {},
      (limits) => createEngine(limits, listener),
    ).connect();
    client.send(headers(1, GET));
    expect(await client.fields(1)).toEqual({ ':status': '500', 'content-length': '0' });
  });

  it('makes no more of an answer in parts than its reader takes', async () => {
    const MOST = 40;
    let partCount = 0;
    const listener = createStreamListener((_request, response) => {
      response.writeHead(200);
      const go = (): void => {
        while (partCount < MOST) {
          partCount += 1;
          if (!response.write(Buffer.alloc(50_000, partCount))) {
            response.once('drain', go);
            return;
          }
        }
        response.end();
      };
      go();
    });
    const rig = createRig(
      {},
      () => {},
      (limits) => createEngine(limits, listener),
    );
    const client = rig.connect();
    client.send(headers(1, GET));
    await eventually(() => expect(client.body(1)).toHaveLength(65_535));
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(partCount).toBeLessThanOrEqual(5);
    client.send(windowUpdate(0, 2_000_000), windowUpdate(1, 2_000_000));
    await eventually(() => expect(client.body(1)).toHaveLength(MOST * 50_000));
    expect(client.body(1).at(-1)).toBe(MOST);
  });

  it('refuses a body over the limit and wants no more of it', async () => {
    const { server, session } = await start({ limits: { maxRequestBytes: 1000 } });
    const told = await send(session, {
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/json',
      'content-length': 100_000,
    });
    expect(told).toMatchObject({ status: 413, resetCode: http2.constants.NGHTTP2_NO_ERROR });
    expect(told.body.toString()).toContain('max_request_bytes');
    const untold = await post(session, Buffer.alloc(500_000, 32));
    expect(untold.status).toBe(413);
    expect((await post(session, `{"entities":{"driver_id":[7]},${FEATURES}}`)).status).toBe(200);
    await waitUntil(() => server.calls.length === 3, { what: 'the observer' });
    expect(server.calls.map(({ code }) => code)).toEqual([8, 8, 0]);
  });

  it('gives an early answer whole, however small the windows of the client are', async () => {
    const server = await startFeatureServer({ limits: { maxRequestBytes: 1000 } });
    closers.push(() => server.close());
    const session = http2.connect(server.http2Url, { settings: { initialWindowSize: 1 } });
    closers.push(() => session.destroy());
    const refused = await send(session, {
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/json',
      'content-length': 100_000,
    });
    expect(refused).toMatchObject({ status: 413, resetCode: http2.constants.NGHTTP2_NO_ERROR });
    expect(refused.body).toHaveLength(Number(refused.headers['content-length']));
    expect(refused.body.toString()).toContain('max_request_bytes');
    const missing = await send(session, { ':method': 'GET', ':path': '/nope' }, '');
    expect(missing).toMatchObject({ status: 404, resetCode: http2.constants.NGHTTP2_NO_ERROR });
    expect(missing.body.toString()).toBe('{"detail":"Not Found"}');
  });

  it('stops reading the store when the caller goes away', async () => {
    const { server, session } = await start();
    server.store.hold();
    const stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/json',
    });
    stream.on('error', () => {});
    stream.end(`{"entities":{"driver_id":[1001]},${FEATURES}}`);
    await waitUntil(() => server.store.waitingCount === 1, { what: 'the read' });
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await waitUntil(() => server.store.cancelledCount === 1, { what: 'the read to end' });
    await waitUntil(() => server.calls.length === 1, { what: 'the observer' });
    expect(server.calls[0]!.code).toBe(1);
    expect(server.inFlightCount()).toBe(0);
  });

  it('forgets a caller that leaves in the middle of its request', async () => {
    const { server, session } = await start();
    const stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/json',
    });
    stream.on('error', () => {});
    stream.write('{"entities":');
    await new Promise((resolve) => session.ping(resolve));
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await waitUntil(() => server.calls.length === 1, { what: 'the observer' });
    expect(server.calls[0]!.code).toBe(1);
  });
});
