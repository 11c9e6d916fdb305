import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WriteToOnlineStoreRequestSchema } from '../../gen/feast/serving/GrpcServer_pb.ts';
import type { RunningServer } from '../../src/server.ts';
import { valueMessage } from '../support/encode-request.ts';
import { connectGoldenClients } from '../support/golden-clients.ts';
import { serveRepository } from '../support/repository-server.ts';
import { makeRepository, runSideboard, type RepositoryFolder } from './apply-fixture.ts';

const FEATURES = `
import {
  defineEntity, defineFeatureView, defineFileSource, defineOnDemandFeatureView, defineRequestSource, Int64, String,
} from 'sideboard';

const item = defineEntity({ name: 'item', joinKey: 'item_id', valueType: Int64 });
const file = defineFileSource({ name: 'prices_file', path: 'prices.csv', timestampField: 'ts' });
export const prices = defineFeatureView({
  name: 'prices', entities: [item], schema: { cents: Int64, label: String }, source: file,
});
const cart = defineRequestSource({ name: 'cart', schema: { count: Int64 } });
export const totals = defineOnDemandFeatureView({
  name: 'totals', entities: [item], writeToOnlineStore: true,
  sources: [prices, cart], schema: { total: Int64, shout: String },
  compute: ({ cents, label, count }) => {
    if (count.includes(-1n)) throw new RangeError('no such count');
    return {
      total: cents.map((each, row) => (each === null ? null : each * (count[row] ?? 1n))),
      shout: label.map((each) => each?.toUpperCase()),
    };
  },
});
export const python = defineOnDemandFeatureView({
  name: 'python', entities: [item], writeToOnlineStore: true, sources: [cart], schema: { thrice: Int64 },
});
`;

let repository: RepositoryFolder;
let server: RunningServer;

beforeAll(async () => {
  repository = await makeRepository('shop');
  await repository.write({ 'features.ts': FEATURES, 'prices.csv': 'item_id,cents,label,ts\n' });
  expect((await runSideboard(['-c', repository.path, 'apply'])).stderr).toBe('');
  server = await serveRepository(repository.path);
});
afterAll(async () => {
  await server?.close();
  await repository?.remove();
});

async function post(path: string, body: unknown): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${server.address.port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

const write = (df: unknown, more: object = {}): ReturnType<typeof post> =>
  post('/write-to-online-store', { feature_view_name: 'totals', df, ...more });

/** What is stored, with ages of event timestamps below a minute as `now`. */
async function read(...ids: readonly number[]): Promise<unknown> {
  const { status, text } = await post('/get-online-features', {
    features: ['totals:total', 'totals:shout'],
    entities: { item_id: ids },
  });
  expect(status).toBe(200);
  const { results } = JSON.parse(text) as {
    results: { values: unknown[]; event_timestamps: string[] }[];
  };
  return results
    .slice(1)
    .map(({ values, event_timestamps: moments }) =>
      values.map((value, row) => [value, Date.now() - Date.parse(moments[row]!) < 60_000]),
    );
}

test('is computed of the rows that are written, and read like a feature view', async () => {
  const df = { item_id: [1, 2], cents: [250, null], label: ['hat', 'shoe'], count: [3, 4] };
  expect(await write(df)).toEqual({ status: 200, text: 'null' });
  expect(await read(1, 2)).toEqual([
    [
      [750, true],
      [null, true],
    ],
    [
      ['HAT', true],
      ['SHOE', true],
    ],
  ]);
  const response = await fetch(`http://127.0.0.1:${server.adminAddress.port}/metrics`);
  expect(await response.text()).toContain(
    'feast_feature_server_write_transformation_duration_seconds_count{odfv_name="totals",mode="typescript"} 1',
  );
});

test('takes features by their full names, over gRPC', async () => {
  const clients = connectGoldenClients(server.address.port);
  try {
    const message = create(WriteToOnlineStoreRequestSchema, {
      featureViewName: 'totals',
      typedFeatures: {
        item_id: valueMessage('int64Val', 3n),
        prices__cents: valueMessage('int64Val', 5n),
        prices__label: valueMessage('stringVal', 'coat'),
        count: valueMessage('int64Val', 2n),
      },
    });
    await clients.grpcBytes(
      '/GrpcFeatureServer/WriteToOnlineStore',
      toBinary(WriteToOnlineStoreRequestSchema, message),
    );
  } finally {
    clients.close();
  }
  expect(await read(3)).toEqual([[[10, true]], [['COAT', true]]]);
});

test('is stored as it is sent, where it is not to be computed', async () => {
  const df = { item_id: [4], total: [1], shout: ['as is'] };
  expect((await write(df, { transform_on_write: false })).status).toBe(200);
  expect(await read(4)).toEqual([[[1, true]], [['as is', true]]]);
});

test('writes nothing where a function throws, or a column is missing or does not fit', async () => {
  const df = { item_id: [5, 6], cents: [1, 2], label: ['a', 'b'], count: [1, -1] };
  const thrown = await write(df);
  expect(thrown.status).toBe(500);
  expect(thrown.text).toMatch(/totals: its function threw RangeError at .*first in row 1/);
  const missing = await write({ item_id: [5], cents: [1] });
  expect(missing).toMatchObject({
    status: 400,
    text: expect.stringContaining('the columns label, count, which it is computed from') as string,
  });
  const unfit = await write({ ...df, cents: ['many', 2] });
  expect(unfit.text).toContain('prices__cents is no INT64');
  expect(await read(5, 6)).toEqual([
    [
      [null, false],
      [null, false],
    ],
    [
      [null, false],
      [null, false],
    ],
  ]);
});

test('says which function is not run here', async () => {
  const refused = await post('/write-to-online-store', {
    feature_view_name: 'python',
    df: { item_id: [1], count: [1] },
  });
  expect(refused).toMatchObject({
    status: 501,
    text: expect.stringContaining('a function of mode pandas') as string,
  });
});
