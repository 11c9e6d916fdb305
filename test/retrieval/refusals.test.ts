import { beforeEach, describe, expect, test } from 'vitest';
import { FIELD_STATUS } from '../../src/retrieval/retrieved-features.ts';
import { ask, codeOf, columnOf, encoded, errorOf, fixtureOf, put, type Fixture } from './ask.ts';
import { at, driver, openShop, SHOP } from './shop.ts';

const { PRESENT } = FIELD_STATUS;

let fixture: Fixture;

beforeEach(() => {
  fixture = openShop();
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

  test.each([
    [{ featureService: 'rout' }, 'Feature service rout does not exist in project shop', 'route'],
    [{ features: ['stat:trips'] }, 'Feature view stat does not exist in project shop', 'stats'],
    [
      { features: ['stats:tripps'] },
      'Feature tripps does not exist in feature view stats',
      'trips',
    ],
  ] as const)('a name that is near one that there is: %j', async (selection, sentence, meant) => {
    const question = { ...selection, entities: id };
    const { message } = await errorOf(() => ask(fixture, question));
    expect(message).toBe(`${sentence}; did you mean ${meant}?`);
    // Where there are permissions, names of views and services are not given away.
    const guarded = fixtureOf(SHOP, { authorize: () => undefined });
    const hidden = await errorOf(() => ask(guarded, question));
    expect(hidden.message).toBe(meant === 'trips' ? message : sentence);
  });

  test('a join key that is misspelt', async () => {
    const { message } = await errorOf(() =>
      ask(fixture, { features: ['stats:trips'], entities: { diver_id: id.driver_id } }),
    );
    expect(message).toBe(
      'Missing join key values for driver_id: the request has only diver_id; is diver_id meant to be driver_id?',
    );
  });

  test('what cannot be converted: what the setting would change is said where it would', async () => {
    const question = {
      features: ['stats:trips'],
      entities: { driver_id: [['doubleVal', 1.5]] },
    } as const;
    const strict = await errorOf(() => ask(fixture, question));
    expect(strict.message).toContain('setting lossy_entity_coercion');
    const word = { ...question, entities: { driver_id: [['stringVal', 'x']] } } as const;
    const lossy = fixtureOf(SHOP, {
      semantics: { lossyEntityCoercion: true },
      store: fixture.store,
    });
    for (const each of [fixture, lossy]) {
      const { message } = await errorOf(() => ask(each, word));
      expect(message).toBe('Entity column driver_id, row 0: this STRING is no INT64');
    }
  });

  test.each([
    ['INT64', 'driver_id', ['stringVal', '18446744073709551616']],
    ['INT64', 'driver_id', ['stringVal', `-${'9'.repeat(60)}`]],
    ['INT64', 'driver_id', ['doubleVal', 1e30]],
    ['INT64', 'driver_id', ['doubleVal', 2 ** 63]],
  ] as const)('a number beyond %s is said to be one: %#', async (type, name, entity) => {
    const { code, message } = await errorOf(() =>
      ask(fixture, { features: ['stats:trips'], entities: { [name]: [entity] } }),
    );
    expect([code, message]).toEqual([
      'INVALID_ENTITY_VALUE',
      `Entity column ${name}, row 0: the number is out of the range of ${type}, which its join key is declared as`,
    ]);
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
    const small = fixtureOf(SHOP, { limits, store: fixture.store });
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
