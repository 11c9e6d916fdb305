import { beforeEach, describe, expect, test } from 'vitest';
import { decodeRequest } from '../../src/retrieval/decode-request.ts';
import { packColumn, requestFromColumns } from '../../src/retrieval/request-from-columns.ts';
import { FIELD_STATUS } from '../../src/retrieval/retrieved-features.ts';
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
  OPTIONS,
  type Fixture,
} from './ask.ts';
import { statusAt, timestampAt, valueAt } from './retrieved-cells.ts';
import { at, FRESH, OLD, openShop, SHOP } from './shop.ts';

const { PRESENT, NOT_FOUND } = FIELD_STATUS;

let fixture: Fixture;

beforeEach(() => {
  fixture = openShop();
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
    const spy = fixtureOf(SHOP, {
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
    await fixture.reader.read(
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
        ].map(packColumn),
      ),
      OPTIONS,
      (retrieved) => {
        expect(retrieved.plan.outputNames).toEqual(['driver_id', 'trips']);
        expect(valueAt(retrieved, 0, 0)).toEqual(encoded(['int64Val', 2n]));
      },
    );
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
    await fixture.reader.read(
      decodeRequest(encodeQuestion(question), LIMITS),
      OPTIONS,
      (retrieved) => {
        for (const [column, { statuses, eventTimestamps }] of response.results.entries()) {
          for (let row = 0; row < 3; row++) {
            expect(statusAt(retrieved, column, row)).toBe(statuses[row]);
            expect(Buffer.from(timestampAt(retrieved, column, row))).toEqual(
              Buffer.from(at(Number(eventTimestamps[row]!.seconds))),
            );
          }
        }
        expect(Buffer.from(valueAt(retrieved, 1, 0))).toEqual(
          Buffer.from(encoded(['int64Val', 10n])),
        );
        expect(valueAt(retrieved, 0, 1)).toHaveLength(0);
      },
    );
  });
});

describe('versions of entity keys', () => {
  test('version 2 reads what was written with it', async () => {
    const keys: string[] = [];
    const { store } = fixture;
    const spy = fixtureOf(SHOP, {
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
