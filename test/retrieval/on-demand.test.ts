import { expect, test } from 'vitest';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { LOST } from '../../src/online-store/online-store.ts';
import type { OnDemandDefinition } from '../../src/registry/registry-model.ts';
import type { OnDemandCall, TransformOnDemand } from '../../src/retrieval/on-demand-plan.ts';
import { FIELD_STATUS } from '../../src/retrieval/retrieved-features.ts';
import { createMemoryOnlineStore, type MemoryOnlineStore } from '../support/memory-online-store.ts';
import {
  ask,
  columnOf,
  encoded,
  errorOf,
  fixtureOf,
  namesOf,
  put,
  type Fixture,
  type Question,
} from './ask.ts';
import { snapshotOf } from './registry-fixture.ts';
import { at, driver } from './shop.ts';

const { INT64, DOUBLE, STRING } = ValueType;
const { PRESENT, INVALID, NOT_FOUND } = FIELD_STATUS;

const source = (viewName: string, ...featureNames: readonly string[]) => ({
  viewName,
  alias: '',
  featureNames,
  joinKeyMap: new Map<string, string>(),
  versionTag: undefined,
});

function computed(
  name: string,
  onDemand: Partial<OnDemandDefinition>,
): Parameters<typeof snapshotOf>[0]['views'][number] {
  return {
    name,
    kind: 'on_demand_feature_view',
    entities: [],
    features: { a: INT64, b: STRING },
    onDemand: {
      mode: 'pandas',
      writeToOnlineStore: false,
      sources: [source('stats', 'trips', 'rating')],
      requestFields: [],
      ...onDemand,
    },
  };
}

const PLAIN = { viewName: 'plain', featureNames: ['a'] };
/** Drivers of the column `reserve`. */
const RELIEF = {
  viewName: 'stats',
  featureNames: ['trips'],
  joinKeyMap: new Map([['driver_id', 'reserve']]),
};

const WORLD = snapshotOf({
  entities: { driver: ['driver_id', INT64] },
  views: [
    { name: 'stats', entities: ['driver'], features: { trips: INT64, rating: DOUBLE } },
    { name: 'profile', entities: ['driver'], features: { name: STRING } },
    computed('plain', {}),
    computed('asking', { requestFields: [{ name: 'amount', valueType: INT64 }] }),
    computed('python', { mode: 'python' }),
    computed('chained', { sources: [source('plain', 'a')] }),
    computed('orphan', { sources: [source('gone', 'x')] }),
  ],
  services: [
    {
      name: 'mixed',
      projections: [
        { viewName: 'plain', featureNames: ['b'], alias: 'p' },
        { viewName: 'profile', featureNames: ['name'] },
        { viewName: 'plain', featureNames: ['b', 'a'], alias: 'q' },
      ],
    },
    { name: 'relief', projections: [RELIEF, PLAIN] },
    { name: 'relief_last', projections: [PLAIN, RELIEF] },
    { name: 'relief_by_name', projections: [{ ...RELIEF, alias: 'reserves' }, PLAIN] },
    { name: 'halves', projections: [RELIEF, { viewName: 'stats', featureNames: ['rating'] }] },
  ],
});

/** Answers `a` = the number of the row, `b` = null; remembers what it was asked, with the bytes in hex. */
function recorder(): { readonly calls: unknown[]; readonly transform: TransformOnDemand } {
  const calls: unknown[] = [];
  const hex = ({ inputs, rowCount }: OnDemandCall) =>
    Object.fromEntries(
      inputs.map(({ name, valueType, valueAt }) => [
        name,
        [valueType, ...Array.from({ length: rowCount }, (_, row) => text(valueAt(row)))],
      ]),
    );
  return {
    calls,
    transform: async (call) => {
      calls.push([call.project, call.viewName, hex(call)]);
      return await Promise.resolve(
        call.outputs.map(({ name }) =>
          Array.from({ length: call.rowCount }, (_, row) =>
            name === 'a' ? encoded(['int64Val', BigInt(row)]) : new Uint8Array(0),
          ),
        ),
      );
    },
  };
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function open(
  overrides: Partial<Parameters<typeof fixtureOf>[1]> = {},
): Fixture & { readonly calls: unknown[] } {
  const { calls, transform } = recorder();
  const store = createMemoryOnlineStore();
  put(store, driver(1n), 'stats', at(7), {
    trips: encoded(['int64Val', 10n]),
    rating: encoded(['doubleVal', 4.5]),
  });
  put(store, driver(1n), 'profile', at(7), { name: encoded(['stringVal', 'Ann']) });
  return { ...fixtureOf(WORLD, { store, transform, ...overrides }), calls };
}

const two = [
  ['int64Val', 1n],
  ['int64Val', 2n],
] as const;

test('a function gets all features of its sources, the join keys and the request data', async () => {
  const fixture = open();
  const amount = [
    ['int64Val', 5n],
    ['int64Val', 6n],
  ] as const;
  for (const question of [
    { entities: { driver_id: two, amount } },
    { entities: { driver_id: two }, requestContext: { amount } },
  ] satisfies Question[]) {
    const response = await ask(fixture, { features: ['asking:a'], ...question });
    expect(namesOf(response)).toEqual(['driver_id', 'a']);
    expect(columnOf(response, 'a')).toEqual([
      [0n, PRESENT, 0n],
      [1n, PRESENT, 0n],
    ]);
  }
  const call = [
    'shop',
    'asking',
    {
      stats__trips: [INT64, text(encoded(['int64Val', 10n])), ''],
      stats__rating: [DOUBLE, text(encoded(['doubleVal', 4.5])), ''],
      amount: [INT64, text(encoded(amount[0])), text(encoded(amount[1]))],
      driver_id: [INT64, text(encoded(two[0])), text(encoded(two[1]))],
    },
  ];
  expect(fixture.calls).toEqual([call, call]);
});

test('outputs stand where they were asked for, beside what is stored; sources that nobody asked for do not', async () => {
  const fixture = open();
  const entities = { driver_id: two };
  const features = ['plain:b', 'stats:trips', 'plain:a', 'profile:name'];
  const response = await ask(fixture, { features, entities });
  expect(namesOf(response)).toEqual(['driver_id', 'b', 'trips', 'a', 'name']);
  expect(columnOf(response, 'trips')).toEqual([
    [10n, PRESENT, 7n],
    [undefined, NOT_FOUND, 0n],
  ]);
  expect(columnOf(response, 'b')[1]).toEqual([undefined, PRESENT, 0n]);
  expect(fixture.calls).toHaveLength(1);

  const service = await ask(fixture, {
    featureService: 'mixed',
    entities,
    fullFeatureNames: true,
  });
  expect(namesOf(service)).toEqual(['driver_id', 'p__b', 'profile__name', 'q__b', 'q__a']);
});

const ANN = [['int64Val', 1n]] as const;
const NOBODY = [['int64Val', 2n]] as const;

test.each([
  ['relief', { reserve: ANN }, 10n],
  ['relief', { driver_id: ANN }, 10n],
  // The column is nobody's where the first view of that name has no map.
  ['relief_last', { driver_id: ANN, reserve: NOBODY }, 10n],
  ['relief_last', { driver_id: NOBODY, reserve: ANN }, undefined],
] as const)('%s of %o: views of one name are read by one column', async (service, sent, trips) => {
  const fixture = open();
  const response = await ask(fixture, { featureService: service, entities: sent });
  const [column] = Object.keys(sent);
  expect(new Set(namesOf(response))).toEqual(new Set(['a', column, 'trips']));
  expect(columnOf(response, 'trips')[0]![0]).toBe(trips);
  const input = trips === undefined ? '' : text(encoded(['int64Val', trips]));
  expect(fixture.calls).toMatchObject([['shop', 'plain', { stats__trips: [INT64, input] }]]);
});

test('halves of one view are read by one column', async () => {
  const response = await ask(open(), { featureService: 'halves', entities: { reserve: ANN } });
  expect(namesOf(response)).toEqual(['reserve', 'trips', 'rating']);
  expect(columnOf(response, 'rating')).toEqual([[4.5, PRESENT, 7n]]);
});

test.each([
  ['relief', { driver_id: ANN, reserve: NOBODY }, 'AMBIGUOUS_JOIN_KEY'],
  ['relief_last', { reserve: ANN }, 'MISSING_JOIN_KEY'],
  ['relief_by_name', { reserve: ANN }, 'MISSING_JOIN_KEY'],
] as const)('%s of %o is refused', async (featureService, entities, code) => {
  const error = await errorOf(() => ask(open(), { featureService, entities }));
  expect(error.code).toBe(code);
});

test('no function runs where nothing computed is asked for, nor for no rows', async () => {
  const fixture = open();
  await ask(fixture, { features: ['stats:trips'], entities: { driver_id: two } });
  const response = await ask(fixture, { features: ['plain:a'], entities: { driver_id: [] } });
  expect(columnOf(response, 'a')).toEqual([]);
  expect(fixture.calls).toEqual([]);
});

test.each([
  ['python:a', true, /On-demand feature view python \(mode python\) cannot .* mode pandas/],
  ['python:a', false, /On-demand feature view python \(mode python\) cannot .* mode pandas/],
  ['plain:a', false, /plain \(mode pandas\) cannot .*start "feast serve_transformations"/],
  ['chained:a', true, /its source plain is computed as well/],
] as const)('%s is refused (server: %s)', async (feature, hasServer, says) => {
  const fixture = open(hasServer ? {} : { transform: undefined });
  const error = await errorOf(() =>
    ask(fixture, { features: [feature], entities: { driver_id: two } }),
  );
  expect(error.code).toBe('ON_DEMAND_FEATURE_VIEW_UNSUPPORTED');
  expect(error.message).toMatch(says);
  expect(fixture.calls).toEqual([]);
});

test('a source that the registry does not have is not found', async () => {
  const error = await errorOf(() =>
    ask(open(), { features: ['orphan:a'], entities: { driver_id: two } }),
  );
  expect(error).toMatchObject({
    code: 'FEATURE_VIEW_NOT_FOUND',
    message: expect.stringContaining('gone') as string,
  });
});

test('what a function is given counts as what is answered', async () => {
  // Per row one output, two features of the source and the join key.
  const question = { features: ['plain:a'], entities: { driver_id: two } };
  await ask(open({ limits: { maxCells: 8 } }), question);
  const error = await errorOf(() => ask(open({ limits: { maxCells: 7 } }), question));
  expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED' });
});

test('outputs of rows whose source could not be read are as lost as the source', async () => {
  const { store } = open();
  const losing: MemoryOnlineStore = {
    ...store,
    async read(reads, options) {
      const results = await store.read(reads, options);
      // The shard of the first entity does not answer.
      return results.map((cells, group) => ({
        ...cells,
        starts: cells.starts.map((start, cell) =>
          cell < reads[group]!.prepared.width ? LOST : start,
        ),
      }));
    },
  };
  const response = await ask(
    open({ store: losing }),
    { features: ['plain:a', 'plain:b'], entities: { driver_id: two } },
    { partialResults: true },
  );
  expect(columnOf(response, 'a')).toEqual([
    [undefined, INVALID, 0n],
    [1n, PRESENT, 0n],
  ]);
  expect(columnOf(response, 'b')[0]).toEqual([undefined, INVALID, 0n]);
});
