import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  JOIN_KEY,
  references,
  SERVING_PATH,
  storedValue,
} from '../../bench/data/official-layout.ts';
import { fillStore, makeRepo, type SeededRepo } from '../../bench/data/seed.ts';
import { createAdmissionGate } from '../../src/admission/admission-gate.ts';
import type { Entrant } from '../../src/admission/waiting-line.ts';
import { startFeatureServer } from '../http/feature-server.ts';
import { feastPython, interopPath } from '../support/python.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startSideboard, workerPids, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { InteropClient, type Call, type Outcome } from './interop-client.ts';

const ENTITIES = 500;
/** Often enough for an idle second to hold several. */
const KEEP_ALIVE_MS = 150;
/** Of a connection of the server that sends its clients elsewhere all the time. */
const MAX_AGE_MS = 300;
/** So many connections have to follow each other. */
const NEW_CONNECTIONS = 4;

/** Whoever comes while one is in work is refused. */
const ONE_AT_A_TIME = {
  latencyMs: 0,
  minRequests: 1,
  maxRequests: 1,
  maxWaitingBytes: 1_000_000,
  busyMs: () => 0,
  later: () => {},
};
const NOBODY: Entrant = {
  deadlineAtMs: Infinity,
  messageBytes: 0,
  letIn() {},
  refuse() {},
  place: undefined,
};

let redis: RedisServer;
let repo: SeededRepo;
let server: SideboardProcess;
let restless: SideboardProcess;
let team: SideboardProcess;

beforeAll(async () => {
  redis = await startRedis();
  repo = await makeRepo(redis.port, 25);
  await fillStore(repo, ENTITIES);
  const repoPath = repo.path;
  server = await startSideboard({
    repoPath,
    env: { SIDEBOARD_KEEP_ALIVE_MS: String(KEEP_ALIVE_MS) },
  });
  restless = await startSideboard({
    repoPath,
    env: { SIDEBOARD_MAX_CONNECTION_AGE_MS: String(MAX_AGE_MS) },
  });
  team = await startSideboard({ repoPath, serveArguments: ['--workers', '2'] });
});

afterAll(async () => {
  await server?.stop();
  await restless?.stop();
  await team?.stop();
  await redis?.stop();
  if (repo !== undefined) await rm(repo.path, { recursive: true });
});

const ids = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const request = (features: readonly string[], rows: number): object => ({
  features: { val: features },
  entities: { [JOIN_KEY]: { val: ids(rows).map((id) => ({ int64Val: String(id) })) } },
});

/** Every value of a response, checked against the formula of the seed. */
function expectStored(outcome: Outcome, features: readonly string[], rows: number): void {
  expect(outcome).toMatchObject({ code: 'OK' });
  expect([outcome.failedCount ?? 0, outcome.differentCount ?? 0]).toEqual([0, 0]);
  const { response } = outcome;
  expect(response?.metadata?.featureNames.val).toEqual([
    JOIN_KEY,
    ...features.map((reference) => reference.split(':')[1]),
  ]);
  for (const [index, reference] of features.entries()) {
    const feature = Number(reference.split('feature_').at(-1));
    const values = response?.results?.[index + 1]?.values.map(({ int64Val }) => int64Val);
    expect(values).toEqual(ids(rows).map((id) => String(storedValue(id, feature))));
  }
}

async function metric(from: SideboardProcess, name: string): Promise<number> {
  const text = await (await fetch(`${from.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

const OPENED = 'feature_server_connections_opened_total{listener="port"}';

const IN_FLIGHT = 'feature_server_inflight_requests';

const CLIENTS = join(import.meta.dirname, 'clients');

describe.each([
  ['Go', () => [interopPath('bin/feature-client')]],
  [
    'Python',
    () => [
      feastPython(),
      join(CLIENTS, 'python', 'feature_client.py'),
      interopPath('interop_call.binpb'),
    ],
  ],
  [
    'Java',
    () => [
      'java',
      '-cp',
      `${interopPath('java')}/*:${interopPath('java/classes')}`,
      'FeatureClient',
    ],
  ],
  ['C++', () => [interopPath('bin/feature-client-cpp')]],
  ['JavaScript', () => [process.execPath, join(CLIENTS, 'javascript', 'feature-client.ts')]],
])('a client of gRPC for %s', (_language, command) => {
  let client: InteropClient;
  beforeAll(() => {
    client = new InteropClient(command(), server.port);
  });
  afterAll(() => client?.close());

  test('reads features', async () => {
    const features = references(30);
    expectStored(await client.ask({ request: request(features, 20) }), features, 20);
  });

  test('compresses with gzip', async () => {
    const features = references(250);
    const outcome = await client.ask({ request: request(features, 100), gzip: true });
    expectStored(outcome, features, 100);
  });

  test('reads a reply of more than its flow-control window', async () => {
    const features = references(250);
    expectStored(await client.ask({ request: request(features, ENTITIES) }), features, ENTITIES);
  });

  test('is refused before its messages have come, and goes on when the overload is over', async () => {
    const gate = createAdmissionGate(ONE_AT_A_TIME, performance.now());
    const crowded = await startFeatureServer({ handler: { gate } });
    const caller = new InteropClient(command(), Number(new URL(crowded.http2Url).port));
    const calm = {
      request: {
        featureService: 'driver_service',
        entities: { driver_id: { val: [{ int64Val: '1001' }] } },
      },
    };
    try {
      expect(await caller.ask(calm)).toMatchObject({ code: 'OK' });
      const enteredAtMs = performance.now();
      gate.enter(NOBODY, enteredAtMs);
      // More than the windows of most clients.
      const large = { features: { val: Array<string>(20_000).fill('driver_stats:trips') } };
      for (const request of [calm.request, large]) {
        const refused = await caller.ask({ request, parallel: 20 });
        expect(refused).toMatchObject({
          code: 'RESOURCE_EXHAUSTED',
          callCount: 20,
          failedCount: 20,
        });
        expect(refused.message).toContain('the server is overloaded');
      }
      expect(crowded.turnedAway.length).toBeGreaterThanOrEqual(40);
      gate.leave(performance.now(), enteredAtMs, false);
      expect(await caller.ask(calm)).toMatchObject({ code: 'OK' });
    } finally {
      await caller.close();
      await crowded.close();
    }
  });

  test('gets 100 answers at once, all alike', async () => {
    const features = references(50);
    const outcome = await client.ask({ request: request(features, 10), parallel: 100 });
    expect(outcome.callCount).toBe(100);
    expectStored(outcome, features, 10);
  });

  test('sends metadata, binary too, and gets trailers', async () => {
    const features = references(1);
    const everyByte = Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i));
    const outcome = await client.ask({
      request: request(features, 1),
      metadata: { 'sideboard-timing': 'true', 'x-note': 'a, b' },
      binaryMetadata: { 'x-key-bin': everyByte.toString('base64'), 'x-empty-bin': '' },
    });
    expectStored(outcome, features, 1);
    expect(outcome.trailers?.['server-timing']).toMatch(/store;dur=[\d.]+/);
  });

  test('gets the status that names its mistake, with details, and goes on', async () => {
    const view = 'nowhere_ü_100%_😀';
    const unknown = await client.ask({ request: request([`${view}:f`], 1) });
    expect(unknown).toMatchObject({ code: 'NOT_FOUND', failedCount: 1 });
    expect(unknown.message).toContain(view);
    // google.rpc.Status: its code is field 1, its message, which is that of the call, field 2.
    const details = Buffer.from(
      unknown.binaryTrailers?.['grpc-status-details-bin'] ?? '',
      'base64',
    );
    expect([...details.subarray(0, 2)]).toEqual([0x08, 5]);
    expect(details.toString()).toContain(unknown.message);
    const features = references(1);
    expectStored(await client.ask({ request: request(features, 1) }), features, 1);
  });

  /** Asks while the store hangs, until the call ends as is wanted; on a busy machine it may end before it is sent. */
  async function askInVain(
    call: Omit<Call, 'request'>,
    metricName: string,
    code: string,
  ): Promise<void> {
    const asked = { request: request(references(1), 1) };
    const before = await metric(server, metricName);
    await waitUntil(
      async () => {
        redis.pause();
        const outcome = await client.ask({ ...asked, ...call }).finally(() => redis.resume());
        return outcome.code === code && (await metric(server, metricName)) > before;
      },
      { what: `${code} to be seen by both sides` },
    );
    await waitUntil(async () => (await client.ask(asked)).code === 'OK', {
      what: 'the store to answer again',
    });
  }

  test('has its deadline honoured', () =>
    askInVain(
      { timeoutMs: 100 },
      `feature_server_rpc_duration_seconds_count{method="${SERVING_PATH}",code="DEADLINE_EXCEEDED"}`,
      'DEADLINE_EXCEEDED',
    ));

  test('cancels, and the server hears of it', () =>
    askInVain(
      { cancelAfterMs: 100 },
      'feature_server_http2_streams_reset_by_client_total',
      'CANCELLED',
    ));

  test('answers pings and keeps its connection while it has nothing to ask', async () => {
    const features = references(1);
    await client.ask({ request: request(features, 1) });
    const opened = await metric(server, OPENED);
    const pings = await metric(server, 'feature_server_http2_keepalives_sent_total');
    const outcome = await client.ask({ request: request(features, 1), waitMs: 8 * KEEP_ALIVE_MS });
    expectStored(outcome, features, 1);
    expect(await metric(server, OPENED)).toBe(opened);
    expect(await metric(server, 'feature_server_http2_keepalives_sent_total')).toBeGreaterThan(
      pings,
    );
  });

  test('loses what a worker that is killed was answering, as UNAVAILABLE, and goes on with the others', async () => {
    const asked = { request: request(references(1), 1) };
    const caller = new InteropClient(command(), team.port);
    try {
      expect(await caller.ask(asked)).toMatchObject({ code: 'OK' });
      redis.pause();
      let isOver = false;
      const outcome = caller.ask({ ...asked, parallel: 5 }).finally(() => (isOver = true));
      await waitUntil(async () => (await metric(team, IN_FLIGHT)) === 5, { what: 'the calls' });
      for (const pid of workerPids(team)) {
        process.kill(pid, 'SIGKILL');
        const isItsEnd = (line: string): boolean =>
          line.includes('a worker ended') && line.includes(`"pid":${pid},`);
        await waitUntil(() => team.log.some(isItsEnd), { what: 'its end to be heard of' });
        // Calls of the other one go on.
        if ((await metric(team, IN_FLIGHT)) === 0) break;
        expect(isOver).toBe(false);
      }
      expect(await outcome).toMatchObject({ code: 'UNAVAILABLE', callCount: 5, failedCount: 5 });
      redis.resume();
      await waitUntil(async () => (await caller.ask(asked)).code === 'OK', { what: 'an answer' });
    } finally {
      redis.resume();
      await caller.close();
    }
    await waitUntil(async () => (await metric(team, 'feature_server_workers')) === 2, {
      what: 'both workers',
      timeoutMs: 30_000,
    });
  });

  test('is sent elsewhere again and again, and loses no call', async () => {
    const features = references(10);
    const sentAway = new InteropClient(command(), restless.port);
    try {
      const opened = await metric(restless, OPENED);
      for (let round = 0; (await metric(restless, OPENED)) < opened + NEW_CONNECTIONS; round++) {
        expect(round).toBeLessThan(60);
        const asked = { request: request(features, 5), parallel: 4, repeatMs: 2 * MAX_AGE_MS };
        expectStored(await sentAway.ask(asked), features, 5);
      }
    } finally {
      await sentAway.close();
    }
  });
});
