import { readFile, readdir, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { json } from 'node:stream/consumers';
import { createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServingService } from '../../gen/feast/serving/ServingService_pb.ts';
import { transportOf } from '../support/feature-callers.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { makeRepository, runNode, type RepositoryFolder } from './apply-fixture.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** In the checkout, so that libraries are found from there. */
const BUILT = join(ROOT, 'node_modules', '.cache', `sideboard-built-${process.pid}`);
const MAIN = join(BUILT, 'main.js');

const FEATURES = `
import {
  defineEntity, defineFeatureView, defineFileSource, defineOnDemandFeatureView, defineRequestSource, Int64,
} from 'sideboard';

const item = defineEntity({ name: 'item', joinKey: 'item_id', valueType: Int64 });
const file = defineFileSource({ name: 'prices_file', path: 'prices.csv', timestampField: 'ts' });
export const prices = defineFeatureView({ name: 'prices', entities: [item], schema: { cents: Int64 }, source: file });
const cart = defineRequestSource({ name: 'cart', schema: { count: Int64 } });
export const totals = defineOnDemandFeatureView({
  name: 'totals',
  sources: [prices, cart],
  schema: { total: Int64 },
  compute: ({ cents, count }) => ({ total: cents.map((each, row) => each! * count[row]!) }),
});
`;
const PRICES = 'item_id,cents,ts\n1,250,2025-01-01T00:00:00Z\n2,70,2025-01-01T00:00:00Z\n';
const ROWS = 'item_id,count,event_timestamp\n1,3,2025-06-01T00:00:00Z\n2,5,2025-06-01T00:00:00Z\n';
/** Prints what was loaded, and from where. */
const TELL_LOADED = `
import { registerHooks } from 'node:module';
const files = [];
registerHooks({ load(url, context, next) { files.push(url); return next(url, context); } });
process.on('exit', () => console.log(JSON.stringify({ files })));
`;
const WINDOW = ['2024-01-01T00:00:00', '2026-01-01T00:00:00'] as const;

let repository: RepositoryFolder;
let server: SideboardProcess;

beforeAll(async () => {
  const rolldown = join(ROOT, 'node_modules', 'rolldown', 'bin', 'cli.mjs');
  const built = await runNode([rolldown, '-c', '-d', BUILT]);
  expect(built.exitCode, built.stdout + built.stderr).toBe(0);
  repository = await makeRepository('shop');
  await repository.write({ 'features.ts': FEATURES, 'prices.csv': PRICES, 'rows.csv': ROWS });
  await run('apply');
  await run('materialize', ...WINDOW);
  server = await startSideboard({
    repoPath: repository.path,
    mainFile: MAIN,
    serveArguments: ['--workers', '2'],
  });
}, 120_000);

afterAll(async () => {
  await server?.stop();
  await repository?.remove();
  await rm(BUILT, { recursive: true, force: true });
});

/** Runs a command of what was built on the repository, and holds that it goes well. */
async function run(...args: readonly string[]): Promise<string> {
  const flag = '--disable-warning=ExperimentalWarning';
  const { exitCode, stdout, stderr } = await runNode([flag, MAIN, '-c', repository.path, ...args]);
  expect(exitCode, stdout + stderr).toBe(0);
  return stdout;
}

async function post(path: string, body: unknown): Promise<unknown> {
  const call = request({ port: server.port, path, method: 'POST' });
  call.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const answer = await json(response);
  expect(response.statusCode, JSON.stringify(answer)).toBe(200);
  return answer;
}

test.each(['grpc', 'grpc-web', 'connect', 'connect-json'] as const)(
  'answers over %s, computed features too',
  async (protocol) => {
    const client = createClient(
      ServingService,
      transportOf(protocol, `http://127.0.0.1:${server.port}`),
    );
    const int64 = (...values: bigint[]) => ({
      val: values.map((value) => ({ val: { case: 'int64Val', value } as const })),
    });
    const { results } = await client.getOnlineFeatures({
      kind: { case: 'features', value: { val: ['prices:cents', 'totals:total'] } },
      entities: { item_id: int64(1n, 2n), count: int64(3n, 5n) },
    });
    const values = results.map((column) => column.values.map(({ val }) => val.value));
    expect(values.slice(-2)).toEqual([
      [250n, 70n],
      [750n, 350n],
    ]);
  },
);

test('answers JSON, and materializes on its thread', async () => {
  const [start_ts, end_ts] = WINDOW;
  await post('/materialize', { start_ts, end_ts });
  const answer = await post('/get-online-features', {
    features: ['totals:total'],
    entities: { item_id: [1, 2], count: [3, 5] },
  });
  expect(answer).toMatchObject({ metadata: {}, results: [{}, { values: [750, 350] }] });
});

test('checks, compares, examines and joins as the sources do', async () => {
  expect(await run('plan')).toContain('Nothing to change');
  await run('check');
  const output = join(repository.path, 'training.parquet');
  const rows = join(repository.path, 'rows.csv');
  const features = ['prices:cents', 'totals:total'];
  await run('historical-features', rows, '--features', features.join(','), '--output', output);
});

test('starts with nothing from outside of it', async () => {
  const hooks = `data:text/javascript,${encodeURIComponent(TELL_LOADED)}`;
  const alone = await startSideboard({
    repoPath: repository.path,
    mainFile: MAIN,
    nodeArguments: ['--import', hooks],
  });
  expect(await alone.stop()).toBe(0);
  const { files } = JSON.parse(alone.log.at(-1)!) as { files: string[] };
  expect(files).toContain(pathToFileURL(MAIN).href);
  const own = pathToFileURL(BUILT).href;
  expect(files.filter((file) => !file.startsWith('node:') && !file.startsWith(own))).toEqual([]);
});

test('is ASCII, or V8 would keep its text in two bytes per character', async () => {
  const scripts = (await readdir(BUILT)).filter((name) => name.endsWith('.js'));
  const texts = await Promise.all(scripts.map((name) => readFile(join(BUILT, name), 'utf8')));
  expect(scripts.filter((_, i) => /[^\0-\x7f]/.test(texts[i]!))).toEqual([]);
});

test('says in its source maps where each line is from', async () => {
  const files = await readdir(BUILT);
  const sources: string[] = [];
  for (const name of files.filter((each) => each.endsWith('.map'))) {
    const map = JSON.parse(await readFile(join(BUILT, name), 'utf8')) as { sources: string[] };
    sources.push(...map.sources);
  }
  const has = (path: string): boolean => sources.some((source) => source.endsWith(path));
  for (const path of ['src/main.ts', 'src/grpc/feature-services.ts', 'zod/v4/core/parse.js'])
    expect(has(path), path).toBe(true);
});
