import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { RunningServer } from '../../src/server.ts';
import { serveRepository } from '../support/repository-server.ts';
import { makeRepository, runSideboard, type RepositoryFolder } from './apply-fixture.ts';

const FEATURES = `
import {
  defineEntity, defineFeatureView, defineFileSource, defineOnDemandFeatureView, defineRequestSource, Int64, String,
} from 'sideboard';

const item = defineEntity({ name: 'item', joinKey: 'item_id', valueType: Int64 });
const source = (name, more = {}) => defineFileSource({ name: name + '_file', path: name + '.csv', timestampField: 'ts', ...more });
export const prices = defineFeatureView({
  name: 'prices', entities: [item], schema: { cents: Int64, label: String },
  source: source('prices', { fieldMapping: { c: 'cents' } }),
});
export const stock = defineFeatureView({
  name: 'stock', entities: [item], ttl: { days: 1 }, schema: { count: Int64 }, source: source('stock'),
});
const kept = { entities: [item], writeToOnlineStore: true };
export const totals = defineOnDemandFeatureView({
  ...kept, name: 'totals', sources: [prices, stock], schema: { total: Int64, shout: String },
  compute: ({ cents, label, count }) => ({
    total: cents.map((each, row) => (each === null ? null : each * (count[row] ?? 0n))),
    shout: label.map((each) => each?.toUpperCase() ?? null),
  }),
});
export const failing = defineOnDemandFeatureView({
  ...kept, name: 'failing', sources: [prices], schema: { never: Int64 },
  compute: ({ cents }) => ({ never: cents.map((each) => { if (each === 30n) throw new RangeError('no'); return each; }) }),
});
const cart = defineRequestSource({ name: 'cart', schema: { wanted: Int64 } });
export const asked = defineOnDemandFeatureView({
  ...kept, name: 'asked', sources: [prices, cart], schema: { sum: Int64 }, compute: ({ wanted }) => ({ sum: wanted }),
});
export const python = defineOnDemandFeatureView({
  ...kept, name: 'python', sources: [prices], schema: { thrice: Int64 }, mode: 'python',
});
`;

const PRICES = `item_id,c,label,ts
1,10,hat,2025-01-01T00:00:00Z
1,20,cap,2025-01-02T00:00:00Z
1,99,late,2025-03-01T00:00:00Z
2,30,shoe,2025-01-02T00:00:00Z
3,40,,2025-01-02T12:00:00Z
`;
/** Of item 2 nothing is known, of item 3 nothing that is fresh. */
const STOCK = `item_id,count,ts
1,5,2025-01-01T12:00:00Z
1,7,2025-01-02T06:00:00Z
3,9,2025-01-01T00:00:00Z
`;
const WINDOW = ['2025-01-01T00:00:00Z', '2025-02-01T00:00:00Z'] as const;

let repository: RepositoryFolder;
let server: RunningServer;

beforeAll(async () => {
  repository = await makeRepository('shop');
  await repository.write({ 'features.ts': FEATURES, 'prices.csv': PRICES, 'stock.csv': STOCK });
  expect((await runSideboard(['-c', repository.path, 'apply'])).stderr).toBe('');
  server = await serveRepository(repository.path);
});
afterAll(async () => {
  await server?.close();
  await repository?.remove();
});

const run = (...args: readonly string[]): ReturnType<typeof runSideboard> =>
  runSideboard(['-c', repository.path, ...args]);

async function post(path: string, body: unknown): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${server.address.port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

/** Per item: total and shout, and whether they are dated with the time of the run. */
async function totals(): Promise<unknown> {
  const { status, text } = await post('/get-online-features', {
    features: ['totals:total', 'totals:shout'],
    entities: { item_id: [1, 2, 3, 4] },
  });
  expect(status, text).toBe(200);
  const { results } = JSON.parse(text) as {
    results: { values: unknown[]; event_timestamps: string[] }[];
  };
  const [, total, shout] = results;
  return total!.values.map((value, row) => {
    const isNow = Date.now() - Date.parse(total!.event_timestamps[row]!) < 60_000;
    return [value, shout!.values[row], isNow];
  });
}

const COMPUTED = [
  [140, 'CAP', true],
  [0, 'SHOE', true],
  [0, null, true],
  [null, null, false],
];

test('is computed of the latest rows of its sources, joined as they were known then', async () => {
  const { exitCode, stdout, stderr } = await run(
    'materialize',
    ...WINDOW,
    '-v',
    'totals',
    '--json',
  );
  expect(exitCode, stderr).toBe(0);
  const { views } = JSON.parse(stdout) as { views: unknown[] };
  expect(views).toEqual([
    expect.objectContaining({ feature_view: 'totals', source_rows: 8, entities_written: 3 }),
  ]);
  expect(await totals()).toEqual(COMPUTED);
});

test('goes back by the longest TTL of its sources where nothing says where to begin', async () => {
  const afterwards = [[0, 'LATE', true], ...COMPUTED.slice(1)];
  for (const end of ['2025-03-01T12:00:00Z', '2025-03-02T12:00:00Z']) {
    const { exitCode, stderr } = await run('materialize-incremental', end, '-v', 'totals');
    expect(exitCode, stderr).toBe(0);
    expect(await totals()).toEqual(afterwards);
  }
});

test('is computed whatever the name of the temporary folder is', async () => {
  const folder = join(repository.path, 'tmp [a] *{b}');
  await mkdir(folder);
  vi.stubEnv('TMPDIR', folder);
  try {
    const { exitCode, stderr } = await run('materialize', ...WINDOW, '-v', 'totals');
    expect(exitCode, stderr).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  } finally {
    vi.unstubAllEnvs();
  }
  expect(await totals()).toEqual(COMPUTED);
});

test('is materialized by a server for those who ask', async () => {
  const [start_ts, end_ts] = WINDOW;
  const body = { start_ts, end_ts, feature_views: ['prices', 'totals'] };
  expect(await post('/materialize', body)).toEqual({ status: 200, text: 'null' });
  expect(await totals()).toEqual(COMPUTED);
});

test('says why where it cannot be', async () => {
  const [start_ts, end_ts] = WINDOW;
  const answers = ['asked', 'python', 'failing'].map((name) =>
    post('/materialize', { start_ts, end_ts, feature_views: [name] }),
  );
  expect(await Promise.all(answers)).toEqual([
    { status: 400, text: expect.stringContaining('request data (wanted)') as string },
    { status: 501, text: expect.stringContaining('mode python') as string },
    {
      status: 500,
      text: expect.stringMatching(/failing: its function threw RangeError/) as string,
    },
  ]);
});

test('is among all views, where the others that are computed are left out by name', async () => {
  const { stdout } = await run('materialize', ...WINDOW, '--json', '-v', 'totals', '-v', 'stock');
  expect(JSON.parse(stdout)).toMatchObject({
    views: [{ feature_view: 'stock' }, { feature_view: 'totals' }],
  });
  const all = await run('materialize', ...WINDOW, '--json');
  expect(all.exitCode).toBe(1);
  expect(all.stderr).toContain('failing: its function threw RangeError');
});
