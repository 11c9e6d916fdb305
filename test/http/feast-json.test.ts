import { request } from 'node:http';
import { connect } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { waitUntil } from '../support/wait-until.ts';
import {
  startFeatureServer,
  type FeatureServer,
  type FeatureServerOptions,
} from './feature-server.ts';

const PATH = '/get-online-features';
const JSON_HEADERS = { 'content-type': 'application/json' };
const ALL = '"features":["driver_stats:conv_rate","driver_stats:trips","driver_stats:note"]';

const servers: FeatureServer[] = [];
async function start(options?: FeatureServerOptions): Promise<FeatureServer> {
  const server = await startFeatureServer(options);
  servers.push(server);
  return server;
}
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

function post(
  server: FeatureServer,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = JSON_HEADERS,
): Promise<Response> {
  return fetch(server.url + PATH, { method: 'POST', headers, body });
}

/** Feast's doubly encoded error. */
async function feastError(response: Response): Promise<{ class: string; message: string }> {
  return JSON.parse((await response.json()) as string) as { class: string; message: string };
}

/** Sends raw bytes and returns all that comes back until the server closes. */
async function raw(server: FeatureServer, ...parts: (string | Uint8Array)[]): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  for (const part of parts) socket.write(part);
  await new Promise((resolve) => socket.once('close', resolve));
  return received;
}

describe('POST /get-online-features', () => {
  it('answers as Feast does: columns, exact integers, floats with a point', async () => {
    const server = await start();
    const response = await post(server, `{"entities":{"driver_id":[1001,1002,7,"1001"]},${ALL}}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    const row = '"2025-01-01T00:00:00.123Z"';
    const epoch = '"1970-01-01T00:00:00Z"';
    const present = '"PRESENT","PRESENT","NOT_FOUND","PRESENT"';
    const times = `${row},${row},${epoch},${row}`;
    expect(await response.text()).toBe(
      '{"results":[' +
        `{"values":[1001,1002,7,1001],"statuses":["PRESENT","PRESENT","PRESENT","PRESENT"],"event_timestamps":[${epoch},${epoch},${epoch},${epoch}]},` +
        `{"values":[1.0,"NaN",null,1.0],"statuses":[${present}],"event_timestamps":[${times}]},` +
        `{"values":[1152921504606846977,null,null,1152921504606846977],"statuses":[${present}],"event_timestamps":[${times}]},` +
        `{"values":["Zürich","b",null,"Zürich"],"statuses":[${present}],"event_timestamps":[${times}]}` +
        '],"metadata":{"feature_names":["driver_id","conv_rate","trips","note"]}}',
    );
    await waitUntil(() => server.calls.length === 1, { what: 'the observer' });
    expect(server.calls).toEqual([{ path: PATH, code: 0, rowCount: 4, featureCount: 3 }]);
    expect(server.inFlightCount()).toBe(0);
  });

  it('prints NaN as null where that is set', async () => {
    const server = await start({ handler: { nonFiniteJson: 'null' } });
    const text = await (await post(server, `{"entities":{"driver_id":[1002]},${ALL}}`)).text();
    expect(text).toContain('"values":[null],"statuses":["PRESENT"]');
    expect(text).not.toContain('NaN');
  });

  it('serves feature services, full names, version metadata and no rows', async () => {
    const server = await start();
    const body = `{"entities":{"driver_id":[]},"feature_service":"driver_service","full_feature_names":true,"include_feature_view_version_metadata":true}`;
    expect(await (await post(server, body)).json()).toEqual({
      results: [
        { values: [], statuses: [] },
        { values: [], statuses: [] },
        { values: [], statuses: [] },
      ],
      metadata: {
        feature_names: ['driver_id', 'driver_stats__conv_rate', 'driver_stats__trips'],
        feature_view_metadata: [{ name: 'driver_stats' }],
      },
    });
  });

  it("speaks Feast's errors", async () => {
    const server = await start();
    const service = await post(server, '{"entities":{"driver_id":[1]},"feature_service":"nope"}');
    expect(service.status).toBe(404);
    expect(await feastError(service)).toMatchObject({ class: 'FeatureServiceNotFoundException' });
    const twice = `{"entities":{"driver_id":[1]},"features":["driver_stats:trips","driver_stats:trips"]}`;
    const collision = await post(server, twice);
    expect(collision.status).toBe(400);
    expect(await feastError(collision)).toMatchObject({ class: 'FeatureNameCollisionError' });
    for (const [body, status] of [
      [`{"entities":{"driver_id":[1]},"features":["nocolon"]}`, 400],
      [`{"entities":{"driver_id":[1]},"features":[]}`, 400],
      [`{"entities":{"driver_id":[1]},"features":["driver_stats:nope"]}`, 404],
      [`{"entities":{"driver_id":["abc"]},${ALL}}`, 400],
      [`{"entities":{"driver_id":[1.5]},${ALL}}`, 400],
      [`{"entities":{"driver_id":[NaN]},${ALL}}`, 400],
      [`{"entities":{"driver_id":[9223372036854775808]},${ALL}}`, 400],
      [`{"entities":{"driver_id":[[1]]},${ALL}}`, 400],
      [`{"entities":{"driver_id":[{"a":1}]},${ALL}}`, 400],
      [`{"entities":{"driver_id":[1],"x":[1,2]},${ALL}}`, 400],
      [`{"entities":{"x":[1]},${ALL}}`, 400],
      [`{"entities":{},${ALL}}`, 400],
      [`{"entities":{"driver_id":[1003]},${ALL}}`, 500],
    ] as const) {
      const response = await post(server, body);
      expect([body, response.status, typeof (await response.json())]).toEqual([
        body,
        status,
        'string',
      ]);
    }
    await waitUntil(() => server.calls.length === 15, { what: 'the observer' });
    expect(server.inFlightCount()).toBe(0);
  });

  it('never repeats an entity value that it refuses', async () => {
    const server = await start();
    const response = await post(server, `{"entities":{"driver_id":["hunter2"]},${ALL}}`);
    expect(await response.text()).not.toContain('hunter2');
  });

  it('refuses values nested deeper than a protobuf message can be', async () => {
    const server = await start();
    for (const [open, close, type] of [
      ['[', ']', 'VALUE_LIST'],
      ['{"a":', '}', 'MAP'],
    ] as const) {
      for (const depth of [10, 50, 51, 190]) {
        const value = `${open.repeat(depth)}1${close.repeat(depth)}`;
        const ask = (entities: string): Promise<Response> =>
          post(server, `{"entities":{${entities}},${ALL}}`);
        const asKey = await ask(`"driver_id":[${value}]`);
        expect(await asKey.json()).toBe(`Entity column driver_id, row 0: this ${type} is no INT64`);
        expect(asKey.status).toBe(400);
        const echoed = await ask(`"driver_id":[1],"rider_id":[${value}]`);
        if (depth > 50) expect(await echoed.text()).toContain('column rider_id is nested too deep');
        expect(echoed.status).toBe(depth > 50 ? 400 : 200);
      }
    }
  });

  it('says of a number that is too large what is wrong with it', async () => {
    const server = await start();
    for (const number of ['9223372036854775808', '-9223372036854775809', '1'.repeat(50), '1e19']) {
      const response = await post(server, `{"entities":{"driver_id":[1,${number}]},${ALL}}`);
      expect(response.status).toBe(400);
      expect(await response.json()).toBe(
        'Entity column driver_id, row 1: the number is out of the range of INT64, which its join key is declared as',
      );
    }
    const last = await post(server, `{"entities":{"driver_id":[9223372036854775807]},${ALL}}`);
    expect(last.status).toBe(200);
  });

  it('takes gzip and gives it for long answers', async () => {
    const server = await start();
    const ids = Array.from({ length: 2000 }, () => 1001).join(',');
    const body = gzipSync(`{"entities":{"driver_id":[${ids}]},${ALL}}`);
    const headers = { ...JSON_HEADERS, 'content-encoding': 'gzip' };
    const packed = await new Promise<{ encoding: string | undefined; body: Buffer }>(
      (resolve, reject) => {
        const call = request(
          server.url + PATH,
          { method: 'POST', headers: { ...headers, 'accept-encoding': 'br, gzip;q=0.5' } },
          (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('end', () =>
              resolve({
                encoding: response.headers['content-encoding'],
                body: Buffer.concat(chunks),
              }),
            );
          },
        );
        call.on('error', reject);
        call.end(body);
      },
    );
    expect(packed.encoding).toBe('gzip');
    const plain = await post(server, body, { ...headers, 'accept-encoding': 'gzip;q=0' });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(gunzipSync(packed.body).toString()).toBe(await plain.text());
  });

  it('refuses what is broken, too long when unpacked, or packed otherwise', async () => {
    const server = await start();
    const gzip = { ...JSON_HEADERS, 'content-encoding': 'gzip' };
    expect((await post(server, 'not gzip', gzip)).status).toBe(400);
    expect((await post(server, gzipSync(Buffer.alloc(1024 * 1024)), gzip)).status).toBe(413);
    expect((await post(server, '{}', { ...JSON_HEADERS, 'content-encoding': 'zstd' })).status).toBe(
      415,
    );
  });

  it('refuses bodies beyond the limit, told beforehand or not, and closes', async () => {
    const server = await start();
    const told = await raw(
      server,
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 300000\r\n\r\n`,
      Buffer.alloc(300_000, 0x20),
    );
    expect(told).toMatch(/^HTTP\/1\.1 413 /);
    expect(told).toMatch(/connection: close/i);
    expect(told).toContain('max_request_bytes');
    const chunk = `4000\r\n${' '.repeat(0x4000)}\r\n`;
    const untold = await raw(
      server,
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`,
      ...Array.from({ length: 20 }, () => chunk),
    );
    expect(untold).toMatch(/^HTTP\/1\.1 413 /);
    await waitUntil(() => server.calls.length === 2, { what: 'the observer' });
    expect(server.calls.map(({ code }) => code)).toEqual([8, 8]);
  });

  it('cuts off who sends slowly', async () => {
    const server = await start({ arrivalTimeoutMs: 300 });
    const received = await raw(
      server,
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"entities"`,
    );
    expect(received).toMatch(/^(HTTP\/1\.1 408 |$)/);
    await waitUntil(() => server.calls.length === 1, { what: 'the observer' });
  });

  it('honours a deadline, also while the body is arriving', async () => {
    const server = await start();
    server.store.hold();
    const response = await post(server, `{"entities":{"driver_id":[1001]},${ALL}}`, {
      ...JSON_HEADERS,
      'connect-timeout-ms': '30',
    });
    expect(response.status).toBe(504);
    const slow = await raw(
      server,
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nConnect-Timeout-Ms: 20\r\nContent-Length: 70000\r\n\r\n{`,
    );
    expect(slow).toMatch(/^HTTP\/1\.1 504 /);
    expect((await post(server, '{}', { 'connect-timeout-ms': 'soon' })).status).toBe(400);
    expect(server.store.waitingCount).toBe(0);
  });

  it('uses the default deadline for callers that set none', async () => {
    const server = await start({ handler: { defaultDeadlineMs: 30 } });
    server.store.hold();
    expect((await post(server, `{"entities":{"driver_id":[1001]},${ALL}}`)).status).toBe(504);
  });

  it('stops reading for a caller that goes away', async () => {
    const server = await start();
    server.store.hold();
    const abort = new AbortController();
    const pending = fetch(server.url + PATH, {
      method: 'POST',
      headers: JSON_HEADERS,
      body: `{"entities":{"driver_id":[1001]},${ALL}}`,
      signal: abort.signal,
    }).catch(() => undefined);
    await waitUntil(() => server.store.waitingCount === 1, { what: 'the read' });
    abort.abort();
    await pending;
    await waitUntil(() => server.store.cancelledCount === 1, { what: 'the cancellation' });
    await waitUntil(() => server.calls.length === 1, { what: 'the observer' });
    expect(server.calls[0]!.code).toBe(1);
    expect(server.inFlightCount()).toBe(0);
  });

  it('refuses beyond the limit of requests in work, and recovers', async () => {
    const server = await start({ limits: { maxConcurrentRequests: 1 } });
    const body = `{"entities":{"driver_id":[1001]},${ALL}}`;
    server.store.hold();
    const first = post(server, body);
    await waitUntil(() => server.store.waitingCount === 1, { what: 'the read' });
    const second = await post(server, body);
    expect(second.status).toBe(429);
    expect(second.headers.get('retry-after')).toBe('1');
    server.store.release();
    expect((await first).status).toBe(200);
    expect((await post(server, body)).status).toBe(200);
  });
});

describe('the other routes', () => {
  it('say whether the server is ready', async () => {
    const server = await start();
    const up = await fetch(`${server.url}/health`);
    expect([up.status, await up.text()]).toEqual([200, '']);
    server.health.setServing(false);
    expect((await fetch(`${server.url}/health`, { method: 'HEAD' })).status).toBe(503);
    expect((await fetch(`${server.url}/health`, { method: 'POST' })).status).toBe(405);
    expect(server.calls.map(({ path, code }) => [path, code])).toEqual([['/health', 12]]);
  });

  it('are refused as Feast refuses them', async () => {
    const server = await start();
    const unknown = await fetch(`${server.url}/nope`, { method: 'POST', body: '{}' });
    expect([unknown.status, await unknown.json()]).toEqual([404, { detail: 'Not Found' }]);
    for (const method of ['GET', 'PUT', 'OPTIONS', 'DELETE']) {
      const response = await fetch(server.url + PATH, { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
      expect(await response.json()).toEqual({ detail: 'Method Not Allowed' });
    }
    const head = await fetch(server.url + PATH, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([405, '']);
    const slash = await fetch(`${server.url}${PATH}/?status=true`, {
      method: 'POST',
      redirect: 'manual',
      body: '{}',
    });
    expect([slash.status, slash.headers.get('location')]).toEqual([307, `${PATH}?status=true`]);
    await waitUntil(() => server.calls.length === 7, { what: 'the observer' });
    expect(server.calls[0]).toMatchObject({ path: 'unknown', code: 5 });
  });

  it('leave the connection open after a refused request', async () => {
    const server = await start();
    const refused = ['/nope', '/push', PATH, '/health'].map(
      (path) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n{"x": 1}`,
    );
    const last = 'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const received = await raw(server, ...refused, last);
    const statuses = Array.from(received.matchAll(/HTTP\/1\.1 (\d+)/g), ([, status]) => status);
    expect(statuses).toEqual(['404', '422', '422', '405', '200']);
  });

  it('survive what is not HTTP', async () => {
    const server = await start();
    for (const text of [
      '\0\0\0\0\0\0\0\0\r\n\r\n',
      'GET /health HTTP/9.9\r\n\r\n',
      `POST ${PATH} HTTP/1.1\r\nHost: [\r\nContent-Length: -1\r\n\r\n`,
      'POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: ]bad[\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}',
      `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`,
    ]) {
      expect(await raw(server, text)).toMatch(/^HTTP\/1\.1 (400|431|200) /);
    }
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });
});
