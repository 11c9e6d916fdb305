import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GetOnlineFeaturesRequestSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import { HealthCheckRequestSchema } from '../../gen/grpc/health/v1/health_pb.ts';
import {
  createAdmissionGate,
  type AdmissionGate,
  type AdmissionOptions,
} from '../../src/admission/admission-gate.ts';
import { createBuiltinEngine } from '../../src/http2/builtin-engine.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import type { Http2Engine } from '../../src/http2/http2-engine.ts';
import { startFeatureServer, type FeatureServer } from '../http/feature-server.ts';
import { callOverHttp2 } from '../support/grpc-http2-call.ts';
import { waitUntil } from '../support/wait-until.ts';

const READ = '/feast.serving.ServingService/GetOnlineFeatures';
const MESSAGE = toBinary(
  GetOnlineFeaturesRequestSchema,
  create(GetOnlineFeaturesRequestSchema, {
    kind: { case: 'featureService', value: 'driver_service' },
    entities: { driver_id: { val: [{ val: { case: 'int64Val', value: 1001n } }] } },
  }),
);
const JSON_READ = '{"features":["driver_stats:trips"],"entities":{"driver_id":[1001]}}';
/** So many are let in before anything is measured. */
const PLACES = 64;
/** Nobody looks whether reads are stuck, so that those who wait go on waiting. */
const PATIENT: AdmissionOptions = {
  latencyMs: 60_000,
  minRequests: PLACES,
  maxRequests: PLACES + 10,
  maxWaitingBytes: 1_000_000,
  busyMs: () => 0,
  later: () => {},
};

let gate: AdmissionGate;
let server: FeatureServer;
let engine: Http2Engine;
let listener: Server;
let session: http2.ClientHttp2Session;
let held: Promise<http2.IncomingHttpHeaders>[];

/** A server on which every place is taken by a read that the store does not answer. */
async function start(
  create: typeof createEngine,
  options: AdmissionOptions = PATIENT,
): Promise<void> {
  gate = createAdmissionGate(options, performance.now());
  server = await startFeatureServer({ handler: { gate } });
  engine = create(DEFAULT_LIMITS, server.listener);
  listener = createServer((socket) => engine.accept(socket)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  session = http2.connect(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`);
  session.on('error', () => {});
  server.store.hold();
  held = Array.from({ length: PLACES }, () => call(READ, MESSAGE).answer);
  await waitUntil(() => server.store.waitingCount === PLACES, { what: 'the reads' });
}

afterEach(async () => {
  server.store.release();
  session.destroy();
  engine.close();
  await new Promise((resolve) => listener.close(resolve));
  await server.close();
});

const call = (path: string, message: Uint8Array, headers?: http2.OutgoingHttpHeaders) =>
  callOverHttp2(session, path, message, headers);

const waiting = (count: number): Promise<void> =>
  waitUntil(() => gate.waitingCount === count, { what: `${count} waiting` });

describe.each([
  ['our engine', createEngine],
  ['the builtin one', createBuiltinEngine],
])('with %s', (_, create) => {
  describe('reads that find no place', () => {
    beforeEach(() => start(create));

    it('wait outside of the store, and are answered in the end', async () => {
      const late = Array.from({ length: 5 }, () => call(READ, MESSAGE).answer);
      await waiting(5);
      expect(server.store.waitingCount).toBe(PLACES);
      expect(server.inFlightCount()).toBe(PLACES);
      server.store.release();
      for (const each of [...held, ...late]) expect((await each)['grpc-status']).toBe('0');
      expect(gate.waitingCount).toBe(0);
      expect(server.inFlightCount()).toBe(0);
      expect(gate.refusedCount).toEqual({ limit: 0, deadline: 0 });
    });

    it('are so many and no more', async () => {
      const all = Array.from({ length: 12 }, () => call(READ, MESSAGE).answer);
      await waiting(10);
      const statuses = await Promise.all(
        all.slice(10).map(async (each) => (await each)['grpc-status']),
      );
      expect(statuses).toEqual(['8', '8']);
      server.store.release();
      await Promise.all(all);
    });

    it('leave the line when their caller goes away, or their deadline passes', async () => {
      const gone = call(READ, MESSAGE);
      const late = call(READ, MESSAGE, { 'grpc-timeout': '80m' });
      const last = call(READ, MESSAGE);
      await waiting(3);
      gone.stream.close(http2.constants.NGHTTP2_CANCEL);
      expect((await late.answer)['grpc-status']).toBe('4');
      await waiting(1);
      server.store.release();
      expect((await last.answer)['grpc-status']).toBe('0');
      await Promise.all(held);
      expect(server.calls.filter(({ code }) => code === 1)).toHaveLength(1);
      // All places are free again.
      server.store.hold();
      held = Array.from({ length: PLACES }, () => call(READ, MESSAGE).answer);
      await waitUntil(() => server.store.waitingCount === PLACES, { what: 'the reads' });
    });

    it('do not keep out what is always let in', async () => {
      void call(READ, MESSAGE);
      await waiting(1);
      const check = toBinary(HealthCheckRequestSchema, createMessage());
      expect((await call('/grpc.health.v1.Health/Check', check).answer)['grpc-status']).toBe('0');
      expect((await fetch(`${server.url}/health`)).status).toBe(200);
    });

    it('are answered while the server drains', async () => {
      const late = call(READ, MESSAGE).answer;
      await waiting(1);
      const drained = engine.drain();
      server.store.release();
      expect((await late)['grpc-status']).toBe('0');
      await drained;
    });

    it('stand in one line with those of plain HTTP', async () => {
      const json = fetch(`${server.url}/get-online-features`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON_READ,
      });
      const gone = http.request(`${server.url}/get-online-features`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
      });
      gone.on('error', () => {});
      gone.end(JSON_READ);
      await waiting(2);
      gone.destroy();
      await waiting(1);
      const late = await fetch(`${server.url}/get-online-features`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'connect-timeout-ms': '80' },
        body: JSON_READ,
      });
      expect(late.status).toBe(504);
      expect(gate.waitingCount).toBe(1);
      server.store.release();
      expect((await json).status).toBe(200);
      await Promise.all(held);
      await waitUntil(() => server.inFlightCount() === 0, { what: 'all to end' });
    });
  });

  it('reads that hang give their places to others', async () => {
    await start(create, {
      ...PATIENT,
      later: (run, ms) => void setTimeout(() => run(performance.now()), ms),
    });
    const other = call(READ, MESSAGE).answer;
    // Nobody has left.
    await waitUntil(() => server.store.waitingCount === PLACES + 1, { what: 'the other one' });
    server.store.release();
    expect((await other)['grpc-status']).toBe('0');
  });
});

function createMessage() {
  return create(HealthCheckRequestSchema);
}
