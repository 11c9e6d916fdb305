import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { data, headers, type Fields } from '../http2/frames.ts';
import { countFromEnvironment, Random } from '../http2/random.ts';
import { createRig, type RawClient } from '../http2/raw-client.ts';
import { startFeatureServer, type FeatureServer } from './feature-server.ts';

/** `HTTP_FUZZ_RUNS` requests, from `HTTP_FUZZ_SEED` on. */
const RUNS = countFromEnvironment('HTTP_FUZZ_RUNS', 1000);
const SEED = countFromEnvironment('HTTP_FUZZ_SEED', 1);
const REQUESTS_PER_CONNECTION = 10;
const TIMEOUT_MS = 30_000 + 20 * RUNS;

const METHODS = ['POST', 'POST', 'GET', 'HEAD', 'OPTIONS', 'CONNECT', 'PUT', 'M-X', 'get', 'PRI'];
const PATHS = [
  '/',
  '//',
  '*',
  '/%',
  '/%00',
  '/\xff',
  '/?\x80',
  '/health',
  '/health/',
  '/docs',
  '/openapi.json',
  '/push',
  '/write-to-online-store',
  '/materialize',
  '/get-online-features',
  '/get-online-features/?a=\xff',
  '/feast.serving.ServingService/GetOnlineFeatures',
  '/feast.serving.ServingService/GetOnlineFeatures?connect=v1&encoding=json&message=%7B%7D&base64=1',
  '/GrpcFeatureServer/GetOnlineFeatures',
  '/GrpcFeatureServer/Push',
  '/grpc.health.v1.Health/Check',
  '/http://x/y',
  '/constructor',
  '/__proto__',
  `/${'x'.repeat(5000)}`,
];
const TYPES = [
  'application/json',
  'application/json;charset="',
  'application/grpc',
  'application/grpc-web',
  'application/grpc-web+json',
  'application/grpc-web-text',
  'application/connect+proto',
  'application/proto',
  'text/plain',
  '',
];
const NAMES = [
  '__proto__',
  'constructor',
  'host',
  'cookie',
  'content-type',
  'content-encoding',
  'content-length',
  'connect-timeout-ms',
  'connect-protocol-version',
  'grpc-timeout',
  'grpc-encoding',
  'accept-encoding',
  'grpc-accept-encoding',
  'origin',
  'access-control-request-method',
  'expect',
  'traceparent',
  'authorization',
  'sideboard-timing',
  'x-key-bin',
  'te',
  'trailer',
  'set-cookie',
  'x-grpc-web',
];
const VALUES = [
  '',
  '0',
  '1',
  'gzip',
  'br',
  'true',
  'abc',
  '\xff\xfe',
  '1S',
  '100-continue',
  'https://a.example',
  '*',
  'trailers',
  'a, b',
  'x'.repeat(3000),
  '"',
  '%zz',
  'application/json',
];
const BODIES = [
  '',
  '{',
  '{}',
  'null',
  '{"features":["driver_stats:trips"],"entities":{"driver_id":[1001]}}',
  '\0\0\0\0\0',
  '\0\0\0\0\x05abcde',
  '\x01\0\0\0\x02\x1f\x8b',
  '\x80\0\0\0\0',
  'AAAAAAA=',
  `{"features":${'['.repeat(1000)}`,
];

let server: FeatureServer;
beforeAll(async () => {
  server = await startFeatureServer({ handler: { corsOrigins: ['https://a.example'] } });
});
afterAll(() => server.close());

function randomRequest(random: Random): { fields: Fields; body: Buffer } {
  const method = random.pick(METHODS);
  const isConnect = method === 'CONNECT' && random.chance(4, 5);
  const fields: [string, string][] = [[':method', method]];
  if (!isConnect) fields.push([':scheme', 'http'], [':path', random.pick(PATHS)]);
  fields.push([':authority', random.pick(['a', 'a:1', '[::1]:1', ''])]);
  if (random.chance(5, 6)) fields.push(['content-type', random.pick(TYPES)]);
  for (let count = random.below(4); count > 0; count--) {
    fields.push([random.pick(NAMES), random.pick(VALUES)]);
  }
  return { fields, body: Buffer.from(random.pick(BODIES), 'latin1') };
}

/** How a stream ended: with a status of HTTP, or an error code of HTTP/2. */
function endOf({ frames }: RawClient, streamId: number): string | undefined {
  const own = frames.filter((each) => each.streamId === streamId);
  if (own.some(({ type, flags }) => type < 2 && (flags & 1) === 1)) return 'answered';
  const reset = own.find(({ type }) => type === 3);
  return reset === undefined ? undefined : `reset ${reset.payload.readUInt32BE(0)}`;
}

it('every request is answered or refused, whatever it is', { timeout: TIMEOUT_MS }, async () => {
  const rig = createRig(
    {},
    () => {},
    (_limits, _listener, observer) => createEngine(DEFAULT_LIMITS, server.listener, observer),
  );
  const ends = new Set<string>();
  for (let seed = SEED; seed < SEED + RUNS; seed += REQUESTS_PER_CONNECTION) {
    const random = new Random(seed);
    const client = rig.connect();
    const requests = Array.from({ length: REQUESTS_PER_CONNECTION }, () => randomRequest(random));
    for (const [i, { fields, body }] of requests.entries()) {
      client.send(headers(2 * i + 1, fields, 0), data(2 * i + 1, body));
    }
    for (const [i, request] of requests.entries()) {
      const deadlineMs = performance.now() + 20_000;
      let end = endOf(client, 2 * i + 1);
      while (end === undefined) {
        if (client.isEnded || rig.faults.length > 0 || performance.now() > deadlineMs) {
          const what = JSON.stringify({ ...request, body: request.body.toString('latin1') });
          throw new Error(`HTTP_FUZZ_SEED=${seed}: no end of ${what}`, { cause: rig.faults[0] });
        }
        await new Promise((resolve) => setImmediate(resolve));
        end = endOf(client, 2 * i + 1);
      }
      ends.add(end);
    }
    client.socket.destroy();
  }
  // PROTOCOL_ERROR, and no other code of HTTP/2.
  expect([...ends].toSorted()).toEqual(['answered', 'reset 1']);
  await expect.poll(() => rig.engine.connectionCount).toBe(0);
  await expect.poll(() => server.inFlightCount()).toBe(0);
});
