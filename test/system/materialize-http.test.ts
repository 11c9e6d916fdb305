import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataSource_SourceType } from '../../gen/feast/core/DataSource_pb.ts';
import { FeatureViewSchema, FeatureViewState } from '../../gen/feast/core/FeatureView_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { updateRegistryFile } from '../../src/registry/registry-file.ts';
import type { RunningServer } from '../../src/server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { serveRepository } from '../support/repository-server.ts';
import {
  createRepository,
  registryOf,
  runSql,
  type TestRepository,
} from './materialize-fixture.ts';

const WINDOW = { start_ts: '2024-01-01T00:00:00', end_ts: '2024-12-31T00:00:00' };
const BIG_ROWS = 100_000;

let repository: TestRepository;
let server: RunningServer;

function view(name: string, uri: string) {
  return create(FeatureViewSchema, {
    spec: {
      name,
      project: 'p',
      entities: ['user'],
      entityColumns: [{ name: 'user_id', valueType: ValueType.INT64 }],
      features: [{ name: 'score', valueType: ValueType.INT64 }],
      online: true,
      ttl: { seconds: 86_400n * 36_500n },
      batchSource: {
        name: `${name}_source`,
        type: DataSource_SourceType.BATCH_FILE,
        timestampField: 'ts',
        options: { case: 'fileOptions', value: { uri } },
      },
    },
    meta: {},
  });
}

const warehouse = view('warehouse', '');
warehouse.spec!.batchSource!.options = {
  case: 'snowflakeOptions',
  value: { $typeName: 'feast.core.DataSource.SnowflakeOptions' } as never,
};

beforeAll(async () => {
  repository = await createRepository({
    project: 'p',
    onlineStore: 'type: sqlite\npath: online.db',
    registry: create(RegistrySchema, {
      entities: [
        { spec: { name: 'user', joinKey: 'user_id', project: 'p', valueType: ValueType.INT64 } },
      ],
      featureViews: [view('scores', 'data/scores.csv'), view('big', 'data/big.parquet')],
      projects: [{ spec: { name: 'p' } }],
    }),
  });
  const data = join(repository.path, 'data');
  await writeFile(join(data, 'scores.csv'), 'user_id,ts,score\n1,2024-01-01,10\n2,2024-02-01,20\n');
  await runSql(
    `COPY (SELECT range AS user_id, TIMESTAMP '2024-03-01' AS ts, range AS score FROM range(${BIG_ROWS}))
     TO '${join(data, 'big.parquet')}'`,
  );
  server = await serveRepository(repository.path);
});

afterAll(async () => {
  await server?.close();
  await repository?.remove();
});

async function post(path: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://127.0.0.1:${server.address.port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function scoreOf(viewName: string, user: number): Promise<unknown> {
  const { status, body } = await post('/get-online-features', {
    features: [`${viewName}:score`],
    entities: { user_id: [user] },
  });
  expect(status).toBe(200);
  return (body as { results: { values: unknown[] }[] }).results[1]!.values[0];
}

async function stateOf(viewName: string): Promise<{ state: number; intervals: number }> {
  const { featureViews } = await registryOf(repository);
  const { meta } = featureViews.find(({ spec }) => spec?.name === viewName)!;
  return { state: meta!.state, intervals: meta!.materializationIntervals.length };
}

async function setState(viewName: string, state: FeatureViewState): Promise<void> {
  await updateRegistryFile(join(repository.path, 'registry.db'), ({ featureViews }) => {
    featureViews.find(({ spec }) => spec?.name === viewName)!.meta!.state = state;
  });
}

describe('POST /materialize', () => {
  it('writes the rows and records the interval before it answers', async () => {
    expect(await post('/materialize', { ...WINDOW, feature_views: ['scores'] })).toEqual({
      status: 200,
      body: null,
    });
    expect([await scoreOf('scores', 1), await scoreOf('scores', 2)]).toEqual([10, 20]);
    expect(await stateOf('scores')).toEqual({
      state: FeatureViewState.AVAILABLE_ONLINE,
      intervals: 1,
    });
  });

  it('goes on from there with /materialize-incremental', async () => {
    await writeFile(
      join(repository.path, 'data/scores.csv'),
      'user_id,ts,score\n1,2024-01-05,11\n2,2025-01-01,21\n',
    );
    const incremental = { end_ts: '2025-06-01T00:00:00Z', feature_views: ['scores'] };
    expect((await post('/materialize-incremental', incremental)).status).toBe(200);
    // The first row lies before where the last run ended.
    expect([await scoreOf('scores', 1), await scoreOf('scores', 2)]).toEqual([10, 21]);
    expect((await stateOf('scores')).intervals).toBe(2);
  });

  it('takes everything with disable_event_timestamp', async () => {
    const everything = { disable_event_timestamp: true, feature_views: ['scores'] };
    expect((await post('/materialize', everything)).status).toBe(200);
    expect(await scoreOf('scores', 1)).toBe(11);
  });

  it('does nothing for no views', async () => {
    const none = { ...WINDOW, feature_views: [] };
    expect(await post('/materialize', none)).toEqual({ status: 200, body: null });
    expect(await post('/materialize?async=true', none)).toEqual({
      status: 202,
      body: { status: 'accepted', feature_views: [] },
    });
  });

  it.each<[string, unknown, number, RegExp]>([
    ['a missing bound', { start_ts: '2024-01-01' }, 400, /start_ts and end_ts are required/],
    ['no moment', { start_ts: 'yesterday', end_ts: '2024-01-01' }, 400, /start_ts has to be/],
    ['an empty window', { start_ts: '2024-01-01', end_ts: '2024-01-01' }, 400, /has to be before/],
    ['an unknown view', { ...WINDOW, feature_views: ['nope'] }, 404, /FeatureViewNotFound/],
    [
      'a version of several',
      { ...WINDOW, feature_views: ['scores', 'big'], version: 'v1' },
      400,
      /exactly one/,
    ],
    [
      'a version without versions',
      { ...WINDOW, feature_views: ['scores'], version: 'v1' },
      400,
      /enable_online/,
    ],
    ['views that are no list', { ...WINDOW, feature_views: 'scores' }, 422, /list_type/],
    ['a bound that is no text', { ...WINDOW, start_ts: 5 }, 422, /string_type/],
  ])('refuses %s', async (_what, body, status, text) => {
    const answer = await post('/materialize', body);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toMatch(text);
  });

  it('refuses an odd flag, and an incremental run without an end', async () => {
    expect((await post('/materialize?async=perhaps', WINDOW)).status).toBe(422);
    expect((await post('/materialize-incremental', {})).status).toBe(422);
  });

  it('tells of a source that cannot be read', async () => {
    await updateRegistryFile(join(repository.path, 'registry.db'), ({ featureViews }) => {
      featureViews.push(view('lost', 'data/lost.parquet'), warehouse);
    });
    await waitUntil(
      async () =>
        (await post('/materialize', { ...WINDOW, feature_views: ['lost'] })).status !== 404,
      { what: 'the server to see the view' },
    );
    const lost = await post('/materialize', { ...WINDOW, feature_views: ['lost'] });
    expect(lost).toMatchObject({ status: 400, body: expect.stringMatching(/lost\.parquet/) });
    const far = await post('/materialize', { ...WINDOW, feature_views: ['warehouse'] });
    expect(far).toMatchObject({
      status: 501,
      body: expect.stringMatching(/snowflake.*feast materialize-incremental/),
    });
  });
});

describe('POST /materialize?async=true', () => {
  it('answers at once, keeps others out, and lets reads go on', async () => {
    const big = { ...WINDOW, feature_views: ['big'] };
    expect(await post('/materialize?async=true', big)).toEqual({
      status: 202,
      body: { status: 'accepted', feature_views: ['big'] },
    });
    expect((await stateOf('big')).state).toBe(FeatureViewState.MATERIALIZING);
    expect(
      await post('/materialize-incremental?async=1', { ...big, end_ts: WINDOW.end_ts }),
    ).toEqual({
      status: 409,
      body: { error: expect.stringMatching(/force=true/) as string, feature_views: ['big'] },
    });
    let reads = 0;
    await waitUntil(
      async () => {
        expect(await scoreOf('scores', 1)).toBe(11);
        reads++;
        return (await stateOf('big')).state === FeatureViewState.AVAILABLE_ONLINE;
      },
      { what: 'the run to end', timeoutMs: 60_000 },
    );
    expect(reads).toBeGreaterThan(5);
    expect(await scoreOf('big', BIG_ROWS - 1)).toBe(BIG_ROWS - 1);
    expect((await stateOf('big')).intervals).toBe(1);
  });

  it('is kept out by the mark of another server, unless forced', async () => {
    await setState('scores', FeatureViewState.MATERIALIZING);
    const scores = { ...WINDOW, feature_views: ['scores'] };
    expect((await post('/materialize?async=true', scores)).status).toBe(409);
    expect((await post('/materialize?async=true&force=true', scores)).status).toBe(202);
    await waitUntil(
      async () => (await stateOf('scores')).state === FeatureViewState.AVAILABLE_ONLINE,
      { what: 'the run to end' },
    );
  });

  it('gives a view its state back where it fails', async () => {
    await setState('lost', FeatureViewState.AVAILABLE_ONLINE);
    const lost = { ...WINDOW, feature_views: ['lost'] };
    expect((await post('/materialize?async=true', lost)).status).toBe(202);
    await waitUntil(
      async () => (await stateOf('lost')).state === FeatureViewState.AVAILABLE_ONLINE,
      { what: 'the run to fail' },
    );
    expect((await stateOf('lost')).intervals).toBe(0);
  });
});
