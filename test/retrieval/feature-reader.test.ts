import { beforeEach, describe, expect, test } from 'vitest';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { decodeRequest } from '../../src/retrieval/decode-request.ts';
import { requestFromColumns } from '../../src/retrieval/request-from-columns.ts';
import {
  FIELD_STATUS,
  statusAt,
  timestampAt,
  valueAt,
} from '../../src/retrieval/retrieved-features.ts';
import {
  ask,
  codeOf,
  columnOf,
  encoded,
  encodeQuestion,
  errorOf,
  fixtureOf,
  LIMITS,
  namesOf,
  NOW_SECONDS,
  OPTIONS,
  put,
  type Fixture,
} from './ask.ts';
import { snapshotOf } from './registry-fixture.ts';

const { INT64, INT32, STRING, DOUBLE } = ValueType;
const { PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE } = FIELD_STATUS;

const SNAPSHOT = snapshotOf({
  entities: {
    driver: ['driver_id', INT64],
    customer: ['customer_id', STRING],
    place: ['place_id', STRING],
    ratio: ['ratio', DOUBLE],
  },
  views: [
    {
      name: 'stats',
      entities: ['driver'],
      features: { trips: INT64, name: STRING },
      ttlSeconds: 60,
    },
    { name: 'profile', entities: ['driver'], features: { name: STRING, age: INT32 } },
    { name: 'pair', entities: ['driver', 'customer'], features: { cnt: INT64 } },
    { name: 'place_stats', entities: ['place'], features: { warmth: DOUBLE } },
    { name: 'world', entities: [], features: { size: INT64 } },
    { name: 'by_ratio', entities: ['ratio'], features: { x: INT64 } },
  ],
  services: [
    {
      name: 'route',
      projections: [
        {
          viewName: 'place_stats',
          alias: 'from',
          featureNames: ['warmth'],
          joinKeyMap: new Map([['place_id', 'from_id']]),
        },
        {
          viewName: 'place_stats',
          alias: 'to',
          featureNames: ['warmth'],
          joinKeyMap: new Map([['place_id', 'to_id']]),
        },
        { viewName: 'stats', featureNames: ['name', 'trips'] },
      ],
    },
    {
      name: 'twice',
      projections: [
        { viewName: 'stats', alias: 'a', featureNames: ['trips'] },
        { viewName: 'stats', alias: 'b', featureNames: ['name', 'trips'] },
      ],
    },
  ],
});

const driver = (id: bigint) => ({ driver_id: { type: INT64, value: id } });
const place = (id: string) => ({ place_id: { type: STRING, value: id } });
const at = (seconds: number) => encodeTimestamp(BigInt(seconds) * 1_000_000_000n);
const FRESH = NOW_SECONDS - 60;
const OLD = NOW_SECONDS - 61;

let fixture: Fixture;

function fill({ store }: Fixture): void {
  put(store, driver(1n), 'stats', at(FRESH), {
    trips: encoded(['int64Val', 10n]),
    name: encoded(undefined),
  });
  put(store, driver(1n), 'profile', at(100), { name: encoded(['stringVal', 'Ana']) });
  put(store, driver(2n), 'stats', at(OLD), {
    trips: encoded(['nullVal', 0]),
    name: encoded(['stringVal', 'Bo']),
  });
  put(store, { ...driver(1n), customer_id: { type: STRING, value: 'c' } }, 'pair', at(5), {
    cnt: encoded(['int64Val', 3n]),
  });
  put(store, { __dummy_id: { type: STRING, value: '' } }, 'world', at(7), {
    size: encoded(['int64Val', 9n]),
  });
  put(store, place('ber'), 'place_stats', at(8), { warmth: encoded(['doubleVal', 21.5]) });
  put(store, place('par'), 'place_stats', at(9), { warmth: encoded(['doubleVal', -4]) });
}

beforeEach(() => {
  fixture = fixtureOf(SNAPSHOT);
  fill(fixture);
});

describe('what is answered', () => {
  test('entity columns sorted by name, then features in requested order', async () => {
    const response = await ask(fixture, {
      features: ['pair:cnt', 'stats:trips', 'profile:age', 'stats:name'],
      entities: { driver_id: [['int64Val', 1n]], customer_id: [['stringVal', 'c']] },
    });
    expect(namesOf(response)).toEqual(['customer_id', 'driver_id', 'cnt', 'trips', 'age', 'name']);
    expect(columnOf(response, 'customer_id')).toEqual([['c', PRESENT, 0n]]);
    expect(columnOf(response, 'cnt')).toEqual([[3n, PRESENT, 5n]]);
    expect(columnOf(response, 'trips')).toEqual([[10n, PRESENT, BigInt(FRESH)]]);
    expect(columnOf(response, 'name')).toEqual([[undefined, PRESENT, BigInt(FRESH)]]);
    expect(columnOf(response, 'age')).toEqual([[undefined, NOT_FOUND, 100n]]);
  });

  test('duplicate, missing and null entities', async () => {
    const response = await ask(fixture, {
      features: ['stats:trips', 'stats:name'],
      entities: {
        driver_id: [
          ['int64Val', 2n],
          ['int64Val', 1n],
          ['int64Val', 9n],
          undefined,
          ['nullVal', 0],
          ['int64Val', 2n],
        ],
      },
    });
    const old = BigInt(OLD);
    expect(columnOf(response, 'trips')).toEqual([
      [0, PRESENT, old],
      [10n, PRESENT, BigInt(FRESH)],
      [undefined, NOT_FOUND, 0n],
      [undefined, NOT_FOUND, 0n],
      [undefined, NOT_FOUND, 0n],
      [0, PRESENT, old],
    ]);
    expect(columnOf(response, 'driver_id').map(([value]) => value)).toEqual([
      2n,
      1n,
      9n,
      undefined,
      0,
      2n,
    ]);
    expect(columnOf(response, 'driver_id').map(([, status]) => status)).toEqual(
      Array(6).fill(PRESENT),
    );
  });

  test('each distinct entity is read once, all views of an entity together', async () => {
    const reads: string[] = [];
    const { store } = fixture;
    const spy = fixtureOf(SNAPSHOT, {
      store: {
        ...store,
        read(groups, options) {
          reads.push(groups.map(({ prepared, keys }) => `${keys.length}x${prepared.width}`).join());
          return store.read(groups, options);
        },
      },
    });
    await ask(spy, {
      features: ['stats:trips', 'place_stats:warmth', 'profile:age', 'world:size'],
      entities: {
        driver_id: [
          ['int64Val', 1n],
          ['int64Val', 1n],
          ['int64Val', 2n],
        ],
        place_id: [
          ['stringVal', 'ber'],
          ['stringVal', 'ber'],
          ['stringVal', 'ber'],
        ],
      },
    });
    // stats:trips, its timestamp, profile:age, its timestamp; warmth and timestamp; size and timestamp.
    expect(reads).toEqual(['2x4,1x2,1x2']);
  });

  test('an entityless view needs a column for the number of rows, of any name', async () => {
    for (const name of ['__dummy_id', '__dummy', 'nonsense', 'driver_id']) {
      const response = await ask(fixture, {
        features: ['world:size'],
        entities: { [name]: [['stringVal', 'x'], undefined] },
      });
      expect(namesOf(response)).toEqual(name === 'driver_id' ? ['driver_id', 'size'] : ['size']);
      expect(columnOf(response, 'size')).toEqual([
        [9n, PRESENT, 7n],
        [9n, PRESENT, 7n],
      ]);
    }
    expect(await codeOf(() => ask(fixture, { features: ['world:size'] }))).toBe('INVALID_REQUEST');
  });

  test('a feature service: order, aliases, join key maps', async () => {
    const response = await ask(fixture, {
      featureService: 'route',
      fullFeatureNames: true,
      entities: {
        to_id: [
          ['stringVal', 'par'],
          ['stringVal', 'x'],
        ],
        driver_id: [
          ['int64Val', 1n],
          ['int64Val', 2n],
        ],
        from_id: [
          ['stringVal', 'ber'],
          ['stringVal', 'par'],
        ],
      },
    });
    expect(namesOf(response)).toEqual([
      'driver_id',
      'from_id',
      'to_id',
      'from__warmth',
      'to__warmth',
      'stats__name',
      'stats__trips',
    ]);
    expect(columnOf(response, 'from__warmth').map(([value]) => value)).toEqual([21.5, -4]);
    expect(columnOf(response, 'to__warmth').map(([value]) => value)).toEqual([-4, undefined]);
  });

  test('a join key map also takes the original join key, but not both', async () => {
    const entities = { driver_id: [['int64Val', 1n]], place_id: [['stringVal', 'ber']] } as const;
    const response = await ask(fixture, {
      featureService: 'route',
      fullFeatureNames: true,
      entities,
    });
    expect(columnOf(response, 'from__warmth')[0]![0]).toBe(21.5);
    expect(columnOf(response, 'to__warmth')[0]![0]).toBe(21.5);
    const both = { ...entities, from_id: [['stringVal', 'par']] } as const;
    const error = await errorOf(() =>
      ask(fixture, { featureService: 'route', fullFeatureNames: true, entities: both }),
    );
    expect(error.code).toBe('AMBIGUOUS_JOIN_KEY');
    expect(error.message).toContain('from_id');
  });

  test('two projections of one view share what is read', async () => {
    const response = await ask(fixture, {
      featureService: 'twice',
      fullFeatureNames: true,
      entities: { driver_id: [['int64Val', 1n]] },
    });
    expect(namesOf(response)).toEqual(['driver_id', 'a__trips', 'b__name', 'b__trips']);
    expect(columnOf(response, 'b__trips')).toEqual(columnOf(response, 'a__trips'));
    expect(
      await codeOf(() => ask(fixture, { featureService: 'twice', entities: { driver_id: [] } })),
    ).toBe('FEATURE_NAME_COLLISION');
  });

  test('entity names stand for join keys and are answered as such; the last of both counts', async () => {
    const response = await ask(fixture, {
      features: ['stats:trips'],
      entities: { driver: [['int64Val', 1n]] },
    });
    expect(namesOf(response)).toEqual(['driver_id', 'trips']);
    const retrieved = await fixture.reader.read(
      requestFromColumns(
        {
          featureService: undefined,
          features: ['stats:trips'],
          fullFeatureNames: false,
          includeVersionMetadata: false,
        },
        [
          { name: 'driver', values: [encoded(['int64Val', 1n])] },
          { name: 'driver_id', values: [encoded(['int64Val', 2n])] },
        ],
      ),
      OPTIONS,
    );
    expect(retrieved.plan.outputNames).toEqual(['driver_id', 'trips']);
    expect(valueAt(retrieved, 0, 0)).toEqual(encoded(['int64Val', 2n]));
  });

  test('zero rows', async () => {
    const response = await ask(fixture, { features: ['stats:trips'], entities: { driver_id: [] } });
    expect(namesOf(response)).toEqual(['driver_id', 'trips']);
    expect(response.results.map(({ values }) => values)).toEqual([[], []]);
  });

  test('versions of the views, when asked for', async () => {
    const question = {
      featureService: 'twice',
      fullFeatureNames: true,
      entities: { driver_id: [] },
    };
    expect((await ask(fixture, question)).metadata?.featureViewMetadata).toEqual([]);
    const response = await ask(fixture, { ...question, includeVersions: true });
    expect(response.metadata?.featureViewMetadata).toMatchObject([{ name: 'stats', version: 0 }]);
  });

  test('random access agrees with the message', async () => {
    const question = {
      features: ['stats:trips', 'stats:name'],
      entities: { driver_id: [['int64Val', 1n], undefined, ['int64Val', 2n]] },
    } as const;
    const response = await ask(fixture, question);
    const retrieved = await fixture.reader.read(
      decodeRequest(encodeQuestion(question), LIMITS),
      OPTIONS,
    );
    for (const [column, { statuses, eventTimestamps }] of response.results.entries()) {
      for (let row = 0; row < 3; row++) {
        expect(statusAt(retrieved, column, row)).toBe(statuses[row]);
        expect(Buffer.from(timestampAt(retrieved, column, row))).toEqual(
          Buffer.from(at(Number(eventTimestamps[row]!.seconds))),
        );
      }
    }
    expect(Buffer.from(valueAt(retrieved, 1, 0))).toEqual(Buffer.from(encoded(['int64Val', 10n])));
    expect(valueAt(retrieved, 0, 1)).toHaveLength(0);
  });
});

describe('statuses', () => {
  const question = {
    features: ['stats:trips', 'stats:name'],
    entities: {
      driver_id: [
        ['int64Val', 1n],
        ['int64Val', 2n],
        ['int64Val', 9n],
      ],
    },
  } as const;
  const statuses = async (of: Fixture, enforceTtl: boolean) =>
    (await ask(of, question, { enforceTtl })).results.slice(1).map((vector) => vector.statuses);

  test('TTL: strictly more whole seconds than allowed, before null', async () => {
    expect(await statuses(fixture, true)).toEqual([
      [PRESENT, OUTSIDE_MAX_AGE, NOT_FOUND],
      [PRESENT, OUTSIDE_MAX_AGE, NOT_FOUND],
    ]);
  });

  test.each([
    ['enforce', false, OUTSIDE_MAX_AGE],
    ['ignore', true, PRESENT],
    ['protocol', true, OUTSIDE_MAX_AGE],
    ['protocol', false, PRESENT],
  ] as const)(
    'online_ttl %s where the protocol says %s',
    async (onlineTtl, enforceTtl, expected) => {
      const other = fixtureOf(SNAPSHOT, { semantics: { onlineTtl }, store: fixture.store });
      expect((await statuses(other, enforceTtl))[1]![1]).toBe(expected);
    },
  );

  test('a row without timestamp does not age, one of 1970 does', async () => {
    put(fixture.store, driver(3n), 'stats', null, { trips: encoded(['int64Val', 1n]) });
    put(fixture.store, driver(4n), 'stats', new Uint8Array(0), {
      trips: encoded(['int64Val', 1n]),
    });
    const response = await ask(
      fixture,
      {
        features: ['stats:trips'],
        entities: {
          driver_id: [
            ['int64Val', 3n],
            ['int64Val', 4n],
          ],
        },
      },
      { enforceTtl: true },
    );
    expect(columnOf(response, 'trips')).toEqual([
      [1n, PRESENT, 0n],
      [1n, OUTSIDE_MAX_AGE, 0n],
    ]);
  });

  test('null_status null_value marks stored nulls, of both kinds', async () => {
    const other = fixtureOf(SNAPSHOT, {
      semantics: { nullStatus: 'null_value' },
      store: fixture.store,
    });
    expect(await statuses(other, false)).toEqual([
      [PRESENT, NULL_VALUE, NOT_FOUND],
      [NULL_VALUE, PRESENT, NOT_FOUND],
    ]);
  });

  test('missing_entity present hides what is absent', async () => {
    const other = fixtureOf(SNAPSHOT, {
      semantics: { missingEntity: 'present' },
      store: fixture.store,
    });
    expect((await statuses(other, false))[0]).toEqual([PRESENT, PRESENT, PRESENT]);
  });
});

describe('what is refused', () => {
  const id = { driver_id: [['int64Val', 1n]] } as const;

  test.each([
    ['FEATURE_SERVICE_NOT_FOUND', { featureService: 'nope', entities: id }, 'nope'],
    ['NO_FEATURES_REQUESTED', { featureService: '', entities: id }, 'No features'],
    ['NO_FEATURES_REQUESTED', { features: [], entities: id }, 'No features'],
    ['NO_FEATURES_REQUESTED', { entities: id }, 'No features'],
    ['FEATURE_VIEW_NOT_FOUND', { features: ['nope:f'], entities: id }, 'nope'],
    ['FEATURE_VIEW_NOT_FOUND', { features: ['stats@x:trips'], entities: id }, 'stats@x'],
    ['FEATURE_NOT_FOUND', { features: ['stats:nope'], entities: id }, 'nope'],
    ['FEATURE_NOT_FOUND', { features: ['stats:trips:x'], entities: id }, 'trips:x'],
    ['INVALID_FEATURE_REFERENCE', { features: ['stats'], entities: id }, 'stats'],
    ['FEATURE_NAME_COLLISION', { features: ['stats:name', 'profile:name'], entities: id }, 'name'],
    [
      'FEATURE_NAME_COLLISION',
      { features: ['stats:name', 'stats:name'], entities: id, fullFeatureNames: true },
      'stats__name',
    ],
    ['VERSIONED_READ_UNSUPPORTED', { features: ['stats@v1:name'], entities: id }, 'v1'],
    ['MISSING_JOIN_KEY', { features: ['pair:cnt'], entities: id }, 'customer_id'],
    ['MISSING_JOIN_KEY', { features: ['stats:trips'] }, 'driver_id'],
    [
      'ENTITY_ROW_LENGTH_MISMATCH',
      { features: ['stats:trips'], entities: { ...id, extra: [] } },
      'extra: 0',
    ],
    [
      'ENTITY_ROW_LENGTH_MISMATCH',
      { features: ['stats:trips'], entities: id, requestContext: { x: [] } },
      'x: 0',
    ],
    [
      'UNSUPPORTED_JOIN_KEY_TYPE',
      { features: ['by_ratio:x'], entities: { ratio: [['doubleVal', 1]] } },
      'DOUBLE',
    ],
    [
      'INVALID_ENTITY_VALUE',
      {
        features: ['stats:trips'],
        entities: {
          driver_id: [
            ['int64Val', 1n],
            ['doubleVal', 1.5],
          ],
        },
      },
      'row 1',
    ],
  ] as const)('%s: %#', async (code, question, named) => {
    const error = await errorOf(() => ask(fixture, question));
    expect(error.code).toBe(code);
    expect(error.message).toContain(named);
    // The second time it comes from the cache.
    expect(await codeOf(() => ask(fixture, question))).toBe(code);
  });

  test('only the missing join keys are named', async () => {
    const { message } = await errorOf(() =>
      ask(fixture, { features: ['pair:cnt', 'stats:trips'], entities: id }),
    );
    expect(message).toMatch(/values for customer_id:/);
  });

  test.each([
    ['LIMIT_EXCEEDED', { maxRows: 1 }, '2', 'max_rows'],
    ['LIMIT_EXCEEDED', { maxFeatures: 1 }, '2', 'max_features'],
    ['LIMIT_EXCEEDED', { maxCells: 3 }, '4', 'max_cells'],
    ['MESSAGE_TOO_LARGE', { maxResponseBytes: 10 }, 'bytes', 'max_response_bytes'],
  ] as const)('%s: %#', async (code, limits, asked, setting) => {
    const small = fixtureOf(SNAPSHOT, { limits, store: fixture.store });
    const error = await errorOf(() =>
      ask(small, {
        features: ['stats:trips', 'stats:name'],
        entities: {
          driver_id: [
            ['int64Val', 1n],
            ['int64Val', 2n],
          ],
        },
      }),
    );
    expect(error.code).toBe(code);
    expect(error.message).toContain(asked);
    expect(error.message).toContain(setting);
  });

  test.each([
    ['trips', 'stats', { trips: Uint8Array.of(0x20) }, at(1)],
    ['name', 'stats', { name: Uint8Array.of(0x12, 1, 0xff) }, at(1)],
    ['event timestamp', 'stats', { trips: encoded(['int64Val', 1n]) }, Uint8Array.of(0x08)],
  ] as const)('CORRUPT_STORED_VALUE: damaged %s', async (what, view, features, timestamp) => {
    put(fixture.store, driver(5n), view, timestamp, features);
    const error = await errorOf(() =>
      ask(fixture, {
        features: ['stats:trips', 'stats:name'],
        entities: {
          driver_id: [
            ['int64Val', 1n],
            ['int64Val', 5n],
          ],
        },
      }),
    );
    expect(error.code).toBe('CORRUPT_STORED_VALUE');
    expect(error.message).toContain(what);
    expect(error.message).toMatch(/stats.*hash [0-9a-f]{8}/);
  });

  test('a damaged feature that nobody asked for harms nobody', async () => {
    put(fixture.store, driver(5n), 'stats', at(1), {
      name: Uint8Array.of(0x20),
      trips: encoded(['int64Val', 4n]),
    });
    const response = await ask(fixture, {
      features: ['stats:trips'],
      entities: { driver_id: [['int64Val', 5n]] },
    });
    expect(columnOf(response, 'trips')).toEqual([[4n, PRESENT, 1n]]);
  });

  test('a passed deadline and a caller who left, as the store says', async () => {
    const question = { features: ['stats:trips'], entities: id };
    expect(await codeOf(() => ask(fixture, question, { deadlineAtMs: 0 }))).toBe(
      'DEADLINE_EXCEEDED',
    );
    expect(await codeOf(() => ask(fixture, question, { signal: AbortSignal.abort() }))).toBe(
      'CANCELLED',
    );
  });
});

describe('versions of entity keys', () => {
  test('version 2 reads what was written with it', async () => {
    const keys: string[] = [];
    const { store } = fixture;
    const spy = fixtureOf(SNAPSHOT, {
      entityKeyVersion: 2,
      store: {
        ...store,
        read(groups, options) {
          keys.push(
            ...groups.flatMap((group) => group.keys.map((key) => Buffer.from(key).toString('hex'))),
          );
          return store.read(groups, options);
        },
      },
    });
    await ask(spy, { features: ['stats:trips'], entities: { driver_id: [['int64Val', 1001n]] } });
    const project = Buffer.from('shop').toString('hex');
    expect(keys).toEqual([`020000006472697665725f69640400000008000000e903000000000000${project}`]);
  });
});
