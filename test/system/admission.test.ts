import http2 from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  GetOnlineFeaturesRequestSchema,
  ServingService,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { HealthCheckRequestSchema } from '../../gen/grpc/health/v1/health_pb.ts';
import { createAdmissionGate, type AdmissionGate } from '../../src/admission/admission-gate.ts';
import { startFeatureServer, type FeatureServer } from '../http/feature-server.ts';
import { callOverHttp2, openHttp2Call } from '../support/grpc-http2-call.ts';
import { waitUntil } from '../support/wait-until.ts';

const STRICT = {
  latencyMs: 0,
  minRequests: 2,
  maxWaitingBytes: 1_000_000,
  busyMs: () => 0,
  later: () => {},
};
const READ = '/feast.serving.ServingService/GetOnlineFeatures';
const QUESTION = {
  kind: { case: 'featureService' as const, value: 'driver_service' },
  entities: { driver_id: { val: [{ val: { case: 'int64Val' as const, value: 1001n } }] } },
};
const MESSAGE = toBinary(
  GetOnlineFeaturesRequestSchema,
  create(GetOnlineFeaturesRequestSchema, QUESTION),
);

let gate: AdmissionGate;
let server: FeatureServer;
let session: http2.ClientHttp2Session;
let held: Promise<http2.IncomingHttpHeaders>[];

/** A server on which two reads are in work, which is as many as its gate lets in. */
beforeEach(async () => {
  gate = createAdmissionGate({ ...STRICT, maxRequests: 2 }, performance.now());
  server = await startFeatureServer({ handler: { gate } });
  session = http2.connect(server.http2Url);
  server.store.hold();
  held = [call(READ, MESSAGE), call(READ, MESSAGE)];
  await waitUntil(() => server.store.waitingCount === 2, { what: 'two reads' });
});
afterEach(async () => {
  server.store.release();
  session.close();
  await server.close();
});

const call = (path: string, message: Uint8Array, headers?: http2.OutgoingHttpHeaders) =>
  callOverHttp2(session, path, message, headers).answer;

it('one read too many is refused at once with RESOURCE_EXHAUSTED and when to come back', async () => {
  const refused = await call(READ, MESSAGE);
  expect(refused['grpc-status']).toBe('8');
  expect(refused['grpc-message']).toMatch(/the server is overloaded: 2 requests are in work/);
  expect(Number(refused['grpc-retry-pushback-ms'])).toBeGreaterThan(0);
  // The same answer, made once.
  for (let i = 0; i < 40; i++) expect((await call(READ, MESSAGE))['grpc-status']).toBe('8');
  expect(gate.refusedCount.limit).toBe(41);
  server.store.release();
  for (const each of held) expect((await each)['grpc-status']).toBe('0');
  expect((await call(READ, MESSAGE))['grpc-status']).toBe('0');
  expect(server.inFlightCount()).toBe(0);
});

it('a read is refused before its message has come', async () => {
  const { stream, answer } = openHttp2Call(session, READ);
  expect(await answer).toMatchObject({ ':status': 200, 'grpc-status': '8' });
  expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  expect(server.turnedAway).toEqual([READ]);
  // Others on the same connection are answered.
  server.store.release();
  for (const each of held) expect((await each)['grpc-status']).toBe('0');
  expect((await call(READ, MESSAGE))['grpc-status']).toBe('0');
});

it('health, what the server is, and writes pass', async () => {
  const check = toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema));
  expect((await call('/grpc.health.v1.Health/Check', check))['grpc-status']).toBe('0');
  const info = '/feast.serving.ServingService/GetFeastServingInfo';
  expect((await call(info, new Uint8Array()))['grpc-status']).toBe('0');
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  const push = await fetch(`${server.url}/push`, { method: 'POST', body: '{}' });
  expect(push.status).not.toBe(429);
});

it('Connect, gRPC-Web and JSON hear it in their own words', async () => {
  for (const transport of [
    createConnectTransport({ baseUrl: server.url, httpVersion: '1.1' }),
    createGrpcWebTransport({ baseUrl: server.http2Url, httpVersion: '2' }),
  ]) {
    const error = await createClient(ServingService, transport)
      .getOnlineFeatures(QUESTION)
      .catch((reason: unknown) => ConnectError.from(reason));
    expect(error).toMatchObject({ code: Code.ResourceExhausted });
    expect(Number((error as ConnectError).metadata.get('grpc-retry-pushback-ms'))).toBeGreaterThan(
      0,
    );
  }
  const json = await fetch(`${server.url}/get-online-features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"features":["driver_stats:trips"],"entities":{"driver_id":[1001]}}',
  });
  expect(json.status).toBe(429);
  expect(Number(json.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  await waitUntil(() => server.calls.length === 3, { what: 'the observer' });
  expect(server.calls.map(({ code }) => code)).toEqual([8, 8, 8]);
});

it('a caller that goes away, or whose deadline passes, leaves its place', async () => {
  session.close();
  session.destroy();
  await waitUntil(() => server.store.waitingCount === 0, { what: 'the reads to end' });
  await Promise.allSettled(held);
  session = http2.connect(server.http2Url);
  const late = await call(READ, MESSAGE, { 'grpc-timeout': '30m' });
  expect(late['grpc-status']).toBe('4');
  server.store.release();
  for (let i = 0; i < 4; i++) expect((await call(READ, MESSAGE))['grpc-status']).toBe('0');
});
