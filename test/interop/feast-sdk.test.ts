import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import {
  callByStubs,
  fillByFeast,
  makeFeastRepo,
  readBySdk,
  readViewBySdk,
  startFeastServer,
  type FeastRepo,
  type FeastServer,
  type FeatureAnswer,
  type FeatureRequest,
} from './feast-repo.ts';

/** An entity that nobody stored. */
const MISSING = 999;
const PRESENT = 1;
const NOT_FOUND = 3;
const OUTSIDE_MAX_AGE = 4;

const SCALARS = ['int32', 'int64', 'float', 'double', 'bool', 'string', 'bytes', 'time'].map(
  (type) => `scalars:f_${type}`,
);
const LISTS = ['int32', 'int64', 'float', 'double', 'bool', 'string'].map(
  (type) => `lists:l_${type}`,
);

const REQUESTS: readonly FeatureRequest[] = [
  { features: SCALARS, entities: { customer_id: [1, 2, 3, 5, MISSING, 8, 13] } },
  { features: LISTS, entities: { customer_id: [1, MISSING, 13, 1, 1] } },
  { feature_service: 'all_scalars', entities: { customer_id: [13, 2] } },
  { feature_service: 'all_scalars', entities: { customer_id: [3] }, full_feature_names: true },
  {
    feature_service: 'some',
    entities: { customer_id: [1, 2, MISSING], shop_name: ['Köln', '7', '7'] },
  },
  {
    feature_service: 'two_customers',
    entities: { buyer_id: [1, 5], seller_id: [2, 8] },
    full_feature_names: true,
  },
  {
    features: ['pairs:visits', 'scalars:f_string', 'everywhere:rate'],
    entities: { shop_name: ['7', 'Köln'], customer_id: [8, 8] },
  },
];

const ONE = { customer_id: [1] };
/** Mistakes, with the status that both services answer. */
const MISTAKES: readonly (readonly [request: FeatureRequest, code: string])[] = [
  [{ features: ['nowhere:f'], entities: ONE }, 'NOT_FOUND'],
  [{ features: ['scalars:nothing'], entities: ONE }, 'NOT_FOUND'],
  [{ feature_service: 'nobody', entities: ONE }, 'NOT_FOUND'],
  [{ features: ['no_colon'], entities: ONE }, 'INVALID_ARGUMENT'],
  [{ features: ['scalars:f_bool'], entities: { shop_name: ['7'] } }, 'INVALID_ARGUMENT'],
  [{ features: ['scalars:f_bool', 'scalars:f_bool'], entities: ONE }, 'INVALID_ARGUMENT'],
];

/** Names without order, as the SDK has none for feature services; of statuses the decided ones. */
function comparable(answer: FeatureAnswer, request: FeatureRequest): unknown {
  if ('error' in answer) return answer;
  const isMissing = (row: number): boolean =>
    Object.values(request.entities).some((column) => column[row] === MISSING);
  return Object.fromEntries(
    Object.entries(answer.columns).map(([name, { values, statuses, seconds }]) => {
      // Decision 5: what Redis does not hold is NOT_FOUND here; Feast's Python says PRESENT, without a value.
      const isEntity = name in request.entities;
      const decided = statuses.map((status, row) =>
        !isEntity && values[row] === '' && isMissing(row) && status === PRESENT
          ? NOT_FOUND
          : status,
      );
      return [name, { values, statuses: decided, seconds }];
    }),
  );
}

function withoutSeconds(answer: unknown): unknown {
  return JSON.parse(
    JSON.stringify(answer, (key, item: unknown) => (key === 'seconds' ? undefined : item)),
  );
}

describe.each(['sqlite', 'redis'] as const)('the real Feast SDK on %s', (kind) => {
  let redis: RedisServer | undefined;
  let repo: FeastRepo;
  let server: SideboardProcess;
  let address: string;

  beforeAll(async () => {
    if (kind === 'redis') redis = await startRedis();
    const block =
      redis === undefined
        ? '  type: sqlite\n  path: online.db'
        : `  type: redis\n  connection_string: 127.0.0.1:${redis.port}`;
    repo = await makeFeastRepo(block);
    await fillByFeast(repo);
    server = await startSideboard({ repoPath: repo.path });
    address = `127.0.0.1:${server.port}`;
  });

  afterAll(async () => {
    await server?.stop();
    await repo?.remove();
    await redis?.stop();
  });

  test('reads with its own stores what our server answers to its own gRPC stubs', async () => {
    const bySdk = await readBySdk(repo, REQUESTS);
    expect(bySdk.filter((answer) => 'error' in answer)).toEqual([]);
    for (const service of ['GrpcFeatureServer', 'ServingService'] as const) {
      const byServer = await callByStubs(
        address,
        REQUESTS.map((request) => ({ ...request, service })),
      );
      for (const [index, request] of REQUESTS.entries()) {
        const name = `${service}, request ${index}`;
        expect(comparable(byServer[index]!, request), name).toEqual(
          comparable(bySdk[index]!, request),
        );
      }
    }
  });

  test('gets columns in the order that was asked for', async () => {
    const features = [...SCALARS].reverse();
    const [answer] = await callByStubs(address, [
      { features, entities: ONE, service: 'GrpcFeatureServer' },
    ]);
    expect(answer).toHaveProperty('names', [
      'customer_id',
      ...features.map((reference) => reference.slice('scalars:'.length)),
    ]);
  });

  test('sees the TTL where the protocol’s own server has it', async () => {
    const request = { features: ['aged:score'], entities: { customer_id: [1, 2, 3, MISSING] } };
    const [serving, python] = await callByStubs(address, [
      { ...request, service: 'ServingService' },
      { ...request, service: 'GrpcFeatureServer' },
    ]);
    expect(serving).toMatchObject({
      columns: {
        score: {
          values: ['2001', '2002', '2003', ''],
          statuses: [OUTSIDE_MAX_AGE, PRESENT, OUTSIDE_MAX_AGE, NOT_FOUND],
        },
      },
    });
    expect(python).toMatchObject({
      columns: { score: { statuses: [PRESENT, PRESENT, PRESENT, NOT_FOUND] } },
    });
  });

  test('gets gRPC statuses that name the mistake', async () => {
    for (const service of ['ServingService', 'GrpcFeatureServer'] as const) {
      const answers = await callByStubs(
        address,
        MISTAKES.map(([request]) => ({ ...request, service })),
      );
      expect(answers.map((answer) => ('error' in answer ? answer.error : 'OK'))).toEqual(
        MISTAKES.map(([, code]) => code),
      );
    }
  });

  describe('with online_store: {type: remote}', () => {
    let feast: FeastServer;
    let ours: FeastRepo;
    let theirs: FeastRepo;

    beforeAll(async () => {
      feast = await startFeastServer(repo);
      const registry = join(repo.path, 'registry.db');
      ours = await makeFeastRepo(`  type: remote\n  path: http://${address}`, registry);
      theirs = await makeFeastRepo(`  type: remote\n  path: ${feast.url}`, registry);
    });

    afterAll(async () => {
      await feast?.stop();
      await ours?.remove();
      await theirs?.remove();
    });

    test('reads through our server what it reads through Feast’s', async () => {
      const [byOurs, byTheirs] = [
        await readBySdk(ours, REQUESTS),
        await readBySdk(theirs, REQUESTS),
      ];
      expect(byTheirs.filter((answer) => 'error' in answer)).toEqual([]);
      for (const [index, request] of REQUESTS.entries()) {
        expect(withoutSeconds(comparable(byOurs[index]!, request)), `request ${index}`).toEqual(
          withoutSeconds(comparable(byTheirs[index]!, request)),
        );
      }
    });

    test('reads one view by entity keys as it does through Feast’s', async () => {
      const request = {
        view: 'scalars',
        ids: [1, 2, 5, 13],
        features: ['f_int32', 'f_int64', 'f_float', 'f_double', 'f_bool', 'f_string'],
      };
      const byOurs = await readViewBySdk(ours, request);
      expect(byOurs).toHaveLength(4);
      expect(Object.keys(byOurs[0] ?? {}).sort()).toEqual([...request.features].sort());
      expect(byOurs).toEqual(await readViewBySdk(theirs, request));
    });

    test('raises Feast’s own exceptions', async () => {
      const answers = await readBySdk(ours, [
        { features: ['nowhere:f'], entities: ONE },
        { features: ['scalars:nothing'], entities: ONE },
        { features: ['scalars:f_bool', 'scalars:f_bool'], entities: ONE },
        { features: ['scalars:f_bool'], entities: { shop_name: ['7'] } },
      ]);
      expect(answers.map((answer) => ('error' in answer ? answer.error : 'OK'))).toEqual([
        'FeatureViewNotFoundException',
        'FeastObjectNotFoundException',
        'FeatureNameCollisionError',
        'RuntimeError',
      ]);
      expect(answers[3]).toMatchObject({ message: expect.stringContaining('customer_id') });
    });
  });
});
