import { create, toBinary } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  FeatureViewTimestampSchema,
  PrecomputedFeatureVectorSchema,
} from '../../gen/feast/core/PrecomputedFeatureVector_pb.ts';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { EntityRead, OnlineStore } from '../../src/online-store/online-store.ts';
import { FIELD_STATUS } from '../../src/retrieval/retrieved-features.ts';
import { VECTOR_RESULTS } from '../../src/retrieval/vector-result.ts';
import { createMemoryOnlineStore, type MemoryOnlineStore } from '../support/memory-online-store.ts';
import {
  ask,
  columnOf,
  encoded,
  fixtureOf,
  put,
  value,
  type Fixture,
  type ValueInit,
} from './ask.ts';
import { snapshotOf } from './registry-fixture.ts';
import { driver } from './shop.ts';

const { INT64, STRING } = ValueType;
const { PRESENT, NOT_FOUND } = FIELD_STATUS;

const projections = [
  { viewName: 'stats', featureNames: ['trips', 'name'] },
  { viewName: 'profile', alias: 'about', featureNames: ['age'] },
];
const WORLD = snapshotOf({
  entities: { driver: ['driver_id', INT64] },
  views: [
    { name: 'stats', entities: ['driver'], features: { trips: INT64, name: STRING } },
    { name: 'profile', entities: ['driver'], features: { age: INT64 } },
  ],
  services: [
    { name: 'quick', projections, precomputeOnline: true },
    { name: 'plain', projections },
  ],
});

/** Seconds of the event timestamps of rows, by view. */
const AT = { stats: 1000n, profile: 2000n };
const ROW = { trips: 1n, name: 'row', age: 30n };
/** Not what rows say, so that it shows where a value is from. */
const VECTOR = { trips: 2n, name: 'vector', age: 60n };

interface VectorInit {
  readonly names?: readonly string[];
  readonly values?: readonly (ValueInit | undefined)[];
  readonly at?: Readonly<Record<string, bigint>>;
}

function vector({ names, values, at = AT }: VectorInit = {}): Uint8Array {
  const message = create(PrecomputedFeatureVectorSchema, {
    featureNames: [...(names ?? ['stats__trips', 'stats__name', 'about__age'])],
    values: (
      values ?? [
        ['int64Val', VECTOR.trips],
        ['stringVal', VECTOR.name],
        ['int64Val', VECTOR.age],
      ]
    ).map(value),
    fvTimestamps: Object.entries(at).map(([featureViewName, seconds]) =>
      create(FeatureViewTimestampSchema, { featureViewName, eventTimestamp: { seconds } }),
    ),
    precomputedAt: { seconds: 5000n },
  });
  return encoded(['bytesVal', toBinary(PrecomputedFeatureVectorSchema, message)]);
}

const timestamp = (seconds: bigint): Uint8Array => encodeTimestamp(seconds * 1_000_000_000n);

let store: MemoryOnlineStore;
/** Keys of each read, by the width of what is read of them. */
let reads: (readonly [width: number, keyCount: number])[];
let world: Fixture;
/** What became of vectors, by result. */
let results: Record<string, number>;

beforeEach(() => {
  store = createMemoryOnlineStore();
  reads = [];
  results = {};
  const watched: OnlineStore = {
    ...store,
    read(asked: readonly EntityRead[], options) {
      reads.push([asked[0]!.prepared.width, asked[0]!.keys.length]);
      return store.read(asked, options);
    },
  };
  world = fixtureOf(WORLD, {
    store: watched as MemoryOnlineStore,
    onVectors: (serviceName, counts) => {
      expect(serviceName).toBe('quick');
      for (const [index, count] of counts.entries()) {
        if (count > 0)
          results[VECTOR_RESULTS[index]!] = (results[VECTOR_RESULTS[index]!] ?? 0) + count;
      }
    },
  });
});

function putRow(id: bigint): void {
  const { trips, name, age } = ROW;
  put(store, driver(id), 'stats', timestamp(AT.stats), {
    trips: encoded(['int64Val', trips]),
    name: encoded(['stringVal', name]),
  });
  put(store, driver(id), 'profile', timestamp(AT.profile), { age: encoded(['int64Val', age]) });
}

function putVector(id: bigint, bytes: Uint8Array, of = 'quick'): void {
  put(store, driver(id), `__precomputed__${of}`, timestamp(5000n), { vector: bytes });
}

async function read(...ids: readonly bigint[]): Promise<Record<string, unknown>> {
  const answer = await ask(world, {
    featureService: 'quick',
    entities: { driver_id: ids.map((id) => ['int64Val', id] as const) },
  });
  return Object.fromEntries(['trips', 'name', 'age'].map((name) => [name, columnOf(answer, name)]));
}

const all = (source: typeof ROW): Record<string, unknown> => ({
  trips: [[source.trips, PRESENT, AT.stats]],
  name: [[source.name, PRESENT, AT.stats]],
  age: [[source.age, PRESENT, AT.profile]],
});

/** Vector, its timestamp, two timestamps of views; and three features with two timestamps. */
const VECTOR_WIDTH = 4;
const ROW_WIDTH = 5;

test('a vector that agrees with the rows is read instead of them', async () => {
  putRow(1n);
  putVector(1n, vector());
  expect(await read(1n)).toEqual(all(VECTOR));
  expect(reads).toEqual([[VECTOR_WIDTH, 1]]);
  expect(results).toEqual({ used: 1 });
});

test('names may come in any order, differ between vectors, and be of other services', async () => {
  const names = ['about__age', 'gone__x', 'stats__name', 'stats__trips'];
  const values: ValueInit[] = [
    ['int64Val', VECTOR.age],
    ['doubleVal', 1],
    ['stringVal', VECTOR.name],
    ['int64Val', VECTOR.trips],
  ];
  putRow(1n);
  putRow(2n);
  putVector(1n, vector({ names, values, at: { profile: AT.profile, gone: 1n, stats: AT.stats } }));
  putVector(2n, vector());
  expect(await read(1n, 2n, 1n)).toMatchObject({
    age: Array.from({ length: 3 }, () => [VECTOR.age, PRESENT, AT.profile]),
    trips: Array.from({ length: 3 }, () => [VECTOR.trips, PRESENT, AT.stats]),
  });
  expect(reads).toEqual([[VECTOR_WIDTH, 2]]);
});

const UNUSABLE: readonly (readonly [string, result: string, () => Uint8Array | undefined])[] = [
  ['is missing', 'missing', () => undefined],
  ['is null', 'missing', () => new Uint8Array(0)],
  ['is of an older row', 'stale', () => vector({ at: { ...AT, stats: AT.stats - 1n } })],
  ['is of a newer row', 'stale', () => vector({ at: { ...AT, profile: AT.profile + 1n } })],
  ['does not say of which row', 'unusable', () => vector({ at: { stats: AT.stats } })],
  [
    'lacks a feature',
    'unusable',
    () =>
      vector({
        names: ['stats__trips', 'about__age'],
        values: [
          ['int64Val', 5n],
          ['int64Val', 6n],
        ],
      }),
  ],
  [
    'lacks a value',
    'unusable',
    () => vector({ values: [['int64Val', 5n], undefined, ['int64Val', 6n]] }),
  ],
  [
    'has fewer values than names',
    'unusable',
    () =>
      vector({
        values: [
          ['int64Val', 5n],
          ['stringVal', 'x'],
        ],
      }),
  ],
  ['is cut off', 'unusable', () => encoded(['bytesVal', vector().subarray(2, -3)])],
  ['is of another type', 'unusable', () => encoded(['stringVal', 'vector'])],
];

describe('where a vector', () => {
  test.each(UNUSABLE)('%s, the rows are read, of that entity alone', async (_, result, bytes) => {
    for (const id of [1n, 2n, 3n]) putRow(id);
    const unusable = bytes();
    if (unusable !== undefined) putVector(2n, unusable);
    putVector(1n, vector());
    putVector(3n, vector());
    expect((await read(1n, 2n, 3n))['name']).toEqual([
      [VECTOR.name, PRESENT, AT.stats],
      [ROW.name, PRESENT, AT.stats],
      [VECTOR.name, PRESENT, AT.stats],
    ]);
    expect(reads).toEqual([
      [VECTOR_WIDTH, 3],
      [ROW_WIDTH, 1],
    ]);
    expect(results).toEqual({ used: 2, [result]: 1 });
  });
});

test('an entity without rows is not found, whatever its vector says', async () => {
  putVector(1n, vector());
  expect((await read(1n))['age']).toEqual([[undefined, NOT_FOUND, 0n]]);
  expect(results).toEqual({ stale: 1 });
});

test('vectors of other services, and services without any, are left alone', async () => {
  putRow(1n);
  putVector(1n, vector(), 'plain');
  const entities = { driver_id: [['int64Val', 1n] as const] };
  expect(columnOf(await ask(world, { featureService: 'plain', entities }), 'name')).toEqual([
    [ROW.name, PRESENT, AT.stats],
  ]);
  expect(reads).toEqual([[ROW_WIDTH, 1]]);
  expect(results).toEqual({});
});

test('where nothing is precomputed it looks ever less often, and notices what comes', async () => {
  putRow(1n);
  for (let turn = 0; turn < 100; turn++) expect(await read(1n)).toEqual(all(ROW));
  const looks = reads.filter(([width]) => width === VECTOR_WIDTH).length;
  expect([looks, reads.length]).toEqual([6, 106]);
  expect(results).toEqual({ missing: 6, skipped: 94 });
  putVector(1n, vector());
  for (let turn = 0; turn < 64; turn++) await read(1n);
  expect(await read(1n)).toEqual(all(VECTOR));
});

test('names are those of the vector, whatever stood in the same memory before', async () => {
  // As a store that receives one answer after the other into the same buffer.
  const memory = Buffer.alloc(4096);
  const received: OnlineStore = {
    ...store,
    async read(asked, options) {
      const groups = await store.read(asked, options);
      return groups.map((cells) => {
        memory.set(cells.buffers[0]!);
        return { ...cells, buffers: cells.buffers.map(() => memory) };
      });
    },
  };
  world = fixtureOf(WORLD, { store: received as MemoryOnlineStore });
  putRow(1n);
  putVector(1n, vector());
  expect(await read(1n)).toEqual(all(VECTOR));
  putVector(
    1n,
    vector({
      names: ['about__age', 'stats__name', 'stats__trips'],
      values: [
        ['int64Val', VECTOR.age],
        ['stringVal', VECTOR.name],
        ['int64Val', VECTOR.trips],
      ],
    }),
  );
  expect(await read(1n)).toEqual(all(VECTOR));
});
