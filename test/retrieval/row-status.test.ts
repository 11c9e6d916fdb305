import { beforeEach, describe, expect, test } from 'vitest';
import { FIELD_STATUS } from '../../src/retrieval/retrieved-features.ts';
import { ask, columnOf, encoded, fixtureOf, put, type Fixture } from './ask.ts';
import { driver, openShop, SHOP } from './shop.ts';

const { PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE } = FIELD_STATUS;

let fixture: Fixture;

beforeEach(() => {
  fixture = openShop();
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
      const other = fixtureOf(SHOP, { semantics: { onlineTtl }, store: fixture.store });
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
    const other = fixtureOf(SHOP, {
      semantics: { nullStatus: 'null_value' },
      store: fixture.store,
    });
    expect(await statuses(other, false)).toEqual([
      [PRESENT, NULL_VALUE, NOT_FOUND],
      [NULL_VALUE, PRESENT, NOT_FOUND],
    ]);
  });

  test('missing_entity present hides what is absent', async () => {
    const other = fixtureOf(SHOP, {
      semantics: { missingEntity: 'present' },
      store: fixture.store,
    });
    expect((await statuses(other, false))[0]).toEqual([PRESENT, PRESENT, PRESENT]);
  });
});
