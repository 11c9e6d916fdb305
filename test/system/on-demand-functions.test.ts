import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  GetOnlineFeaturesRequestSchema,
  GetOnlineFeaturesResponseSchema,
} from '../../gen/feast/serving/ServingService_pb.ts';
import type { Value } from '../../gen/feast/types/Value_pb.ts';
import type { RunningServer } from '../../src/server.ts';
import { connectGoldenClients, type GoldenClients } from '../support/golden-clients.ts';
import { waitUntil } from '../support/wait-until.ts';
import { serveRepository } from '../support/repository-server.ts';
import { makeRepository, runSideboard, type RepositoryFolder } from './apply-fixture.ts';

const FEATURES = `
import {
  defineEntity, defineFeatureService, defineFeatureView, defineFileSource, defineOnDemandFeatureView,
  defineRequestSource, Float64, Int64, String, UnixTimestamp, listOf,
} from 'sideboard';
import { multiply } from './arithmetic.ts';

const item = defineEntity({ name: 'item', joinKey: 'item_id', valueType: Int64 });
const file = defineFileSource({ name: 'prices_file', path: 'prices.csv', timestampField: 'ts' });
export const prices = defineFeatureView({
  name: 'prices', entities: [item], schema: { cents: Int64, label: String, since: UnixTimestamp }, source: file,
});
const cart = defineRequestSource({ name: 'cart', schema: { count: Int64 } });
export const totals = defineOnDemandFeatureView({
  name: 'totals',
  sources: [prices, cart],
  schema: { total: Int64, share: Float64, year: Int64, words: listOf(String) },
  compute: ({ cents, label, since, count }, rowCount) => {
    if (count.some((each) => each === -1n)) throw new RangeError('a secret: ' + cents.join());
    while (count.some((each) => each === -2n));
    if (count.some((each) => each === -3n)) { const eaten: number[][] = []; for (;;) eaten.push(new Array(1e6).fill(0.5)); }
    if (count.some((each) => each === -4n)) return { total: cents.map(() => 0.5), share: [], year: [], words: [] };
    if (count.some((each) => each === -5n)) setTimeout(() => { throw new Error('later'); });
    return {
      total: cents.map((each, row) => multiply(each, count[row])),
      share: Float64Array.from({ length: rowCount }, (_, row) => Number(cents[row] ?? NaN) / 100),
      year: since.map((each) => each?.getUTCFullYear()),
      words: label.map((each) => each?.split(' ')),
    };
  },
});
export const service = defineFeatureService({ name: 'basket', features: [prices.select('label'), totals] });
`;
const ARITHMETIC = `
export const multiply = (a: bigint | null | undefined, b: bigint | null | undefined) =>
  a == null || b == null ? null : a * b;
`;
const PRICES = `item_id,cents,label,since,ts
1,250,red shoe,2019-05-01T00:00:00Z,2025-01-01T00:00:00Z
2,9007199254740993,hat,2020-05-01T00:00:00Z,2025-01-01T00:00:00Z
`;

let repository: RepositoryFolder;
let server: RunningServer;
let clients: GoldenClients;

beforeAll(async () => {
  repository = await makeRepository('shop');
  await repository.write({
    'features.ts': FEATURES,
    'arithmetic.ts': ARITHMETIC,
    'prices.csv': PRICES,
  });
  const applied = await runSideboard(['-c', repository.path, 'apply']);
  expect(applied.stderr).toBe('');
  const window = ['2024-01-01T00:00:00', '2026-01-01T00:00:00'];
  const materialized = await runSideboard(['-c', repository.path, 'materialize', ...window]);
  expect(materialized.exitCode).toBe(0);
  server = await start({});
  clients = connectGoldenClients(server.address.port);
});
afterAll(async () => {
  clients?.close();
  await server?.close();
  await repository?.remove();
});

function start(settings: Readonly<Record<string, unknown>>): Promise<RunningServer> {
  return serveRepository(repository.path, { registry_poll_ms: 50, ...settings });
}

interface JsonAnswer {
  readonly status: number;
  readonly body: unknown;
}

async function ask(
  counts: readonly number[],
  from: RunningServer = server,
  itemIds = counts.map((_, row) => row + 1),
): Promise<JsonAnswer> {
  const response = await fetch(`http://127.0.0.1:${from.address.port}/get-online-features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      feature_service: 'basket',
      entities: { item_id: itemIds, count: counts },
    }),
  });
  return { status: response.status, body: await response.json() };
}

/** Output name → values and statuses. */
function columnsOf({ status, body }: JsonAnswer): Record<string, unknown> {
  expect([status, body]).toEqual([200, expect.anything()]);
  const { metadata, results } = body as {
    readonly metadata: { readonly feature_names: readonly string[] };
    readonly results: readonly { readonly values: unknown; readonly statuses: unknown }[];
  };
  return Object.fromEntries(
    metadata.feature_names.map((name, index) => {
      const { values, statuses } = results[index]!;
      return [name, { values, statuses }];
    }),
  );
}

const PRESENT = ['PRESENT', 'PRESENT', 'PRESENT'];

test('computes columns of every kind, with request data, in JSON', async () => {
  expect(columnsOf(await ask([2, 1, 7]))).toEqual({
    item_id: { values: [1, 2, 3], statuses: PRESENT },
    label: { values: ['red shoe', 'hat', null], statuses: ['PRESENT', 'PRESENT', 'NOT_FOUND'] },
    total: { values: [500, expect.any(Number), null], statuses: PRESENT },
    share: { values: [2.5, 90071992547409.92, null], statuses: PRESENT },
    year: { values: [2019, 2020, null], statuses: PRESENT },
    words: { values: [['red', 'shoe'], ['hat'], null], statuses: PRESENT },
  });
});

test('answers gRPC and Connect with the same, exact to the last bit', async () => {
  const values = (...numbers: readonly bigint[]): Value[] =>
    numbers.map((value) => ({ val: { case: 'int64Val', value } }) as Value);
  const message = toBinary(
    GetOnlineFeaturesRequestSchema,
    create(GetOnlineFeaturesRequestSchema, {
      kind: { case: 'features', value: { val: ['totals:total'] } },
      entities: { item_id: { val: values(2n, 1n) } },
      requestContext: { count: { val: values(1n, 3n) } },
    }),
  );
  const method = '/feast.serving.ServingService/GetOnlineFeatures';
  const answer = fromBinary(
    GetOnlineFeaturesResponseSchema,
    await clients.grpcBytes(method, message),
  );
  expect(answer.results[1]!.values.map(({ val }) => val.value)).toEqual([9007199254740993n, 750n]);
  expect(await clients.web('Connect', message, false)).toEqual(
    await clients.grpc(method, message, false),
  );
});

test('shows in sideboard get, request data beside the join key', async () => {
  const url = `http://127.0.0.1:${server.address.port}`;
  const question = ['get', '--server', url, '--feature-service', 'basket', 'item_id=1', 'count=3'];
  const answer = await runSideboard([...question, '--json']);
  expect(answer.stderr).toBe('');
  expect(columnsOf({ status: 200, body: JSON.parse(answer.stdout) })['total']).toMatchObject({
    values: [750],
  });
});

test('names view and row of what was thrown, and repeats no value', async () => {
  const answer = await ask([2, -1, 7]);
  expect(answer.status).toBe(500);
  expect(JSON.stringify(answer.body)).toMatch(
    /On-demand feature view totals: its function threw RangeError at features\.ts:\d+:\d+, first in row 1/,
  );
  expect(JSON.stringify(answer.body)).not.toContain('secret');
  expect(JSON.stringify((await ask([-4])).body)).toContain(
    'its output total does not fit its declared type, first in row 0',
  );
});

test('counts and times what is computed, and what fails', async () => {
  const watched = await start({});
  try {
    await ask([2, 1], watched);
    await ask([-1], watched);
    const response = await fetch(`http://127.0.0.1:${watched.adminAddress.port}/metrics`);
    const metrics = await response.text();
    const labels = 'odfv_name="totals",mode="typescript"';
    expect(metrics).toContain(
      `feast_feature_server_transformation_duration_seconds_count{${labels}} 2\n`,
    );
    expect(metrics).toContain(
      `feature_server_transformation_errors_total{${labels},code="TRANSFORMATION_FAILED"} 1\n`,
    );
  } finally {
    await watched.close();
  }
});

test('marks the outputs of the row that threw, where that is set', async () => {
  const lenient = await start({ function_errors: 'invalid' });
  try {
    expect(columnsOf(await ask([2, -1, 7], lenient))).toMatchObject({
      total: { values: [500, null, null], statuses: ['PRESENT', 'INVALID', 'PRESENT'] },
      words: { statuses: ['PRESENT', 'INVALID', 'PRESENT'] },
    });
  } finally {
    await lenient.close();
  }
});

test('ends a function that runs for ever or eats memory, and answers all others', async () => {
  const impatient = await start({ function_timeout_ms: 1500, function_memory_mib: 48 });
  try {
    columnsOf(await ask([2], impatient));
    const [looping, ...behind] = await Promise.all([
      ask([-2], impatient),
      ask([2], impatient),
      ask([3], impatient),
    ]);
    expect(looping).toMatchObject({
      status: 500,
      body: expect.stringContaining('took longer than function_timeout_ms'),
    });
    expect(behind.map((answer) => columnsOf(answer)['total'])).toEqual([
      { values: [500], statuses: ['PRESENT'] },
      { values: [750], statuses: ['PRESENT'] },
    ]);
    expect(await ask([-3], impatient)).toMatchObject({ status: 500 });
    columnsOf(await ask([2], impatient));
    // What breaks the thread after the answer costs no later request anything.
    await ask([-5], impatient);
    columnsOf(await ask([2], impatient));
  } finally {
    await impatient.close();
  }
});

test('refuses a function that is not the one that was applied, until both agree', async () => {
  columnsOf(await ask([2]));
  const changed = ARITHMETIC.replace('a * b', 'a * b + 1n');
  await repository.write({ 'arithmetic.ts': changed });
  const fresh = await start({});
  try {
    const refused = await ask([2], fresh);
    expect(refused.status).toBe(503);
    expect(JSON.stringify(refused.body)).toMatch(
      /totals: its function in .* is not the one that was applied: run \\"sideboard apply\\" there/,
    );
    // The server that runs goes on with what it has, which is what was applied.
    expect(columnsOf(await ask([2]))['total']).toMatchObject({ values: [500] });
    const applied = await runSideboard(['-c', repository.path, 'apply']);
    expect(applied.stdout).toContain('sideboard.function');
    // Both load the files that the registry now speaks of.
    for (const each of [fresh, server]) {
      await waitUntil(async () => (await ask([2], each)).status === 200, {
        what: 'the new function',
        timeoutMs: 20_000,
      });
      await waitUntil(
        async () => {
          const { total } = columnsOf(await ask([2], each));
          return (total as { values: number[] }).values[0] === 501;
        },
        { what: 'its answer', timeoutMs: 20_000 },
      );
    }
  } finally {
    await fresh.close();
  }
}, 60_000);

test('says which folder has no such function', async () => {
  const elsewhere = await start({ feature_repository: join(repository.path, 'nothing') });
  try {
    expect(await ask([2], elsewhere)).toMatchObject({
      status: 503,
      body: expect.stringContaining('feature_repository'),
    });
  } finally {
    await elsewhere.close();
  }
});

test('plans nothing anew for the same files', async () => {
  await runSideboard(['-c', repository.path, 'apply']);
  const plan = await runSideboard(['-c', repository.path, 'plan', '--json']);
  expect(JSON.parse(plan.stdout)).toMatchObject({ changes: [] });
});
