import { describe, expect, test } from 'vitest';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { LOST } from '../../src/online-store/online-store.ts';
import { FIELD_STATUS } from '../../src/retrieval/retrieved-features.ts';
import { createMemoryOnlineStore, type MemoryOnlineStore } from '../support/memory-online-store.ts';
import { ask, columnOf, encoded, fixtureOf, put, type Fixture } from './ask.ts';
import { snapshotOf } from './registry-fixture.ts';
import { at } from './shop.ts';

const { PRESENT, NOT_FOUND, INVALID } = FIELD_STATUS;

const WORLD = snapshotOf({
  entities: { driver: ['driver_id', ValueType.INT64] },
  views: [
    { name: 'world', entities: [], features: { size: ValueType.INT64 } },
    { name: 'weather', entities: [], features: { wind: ValueType.INT64 } },
    { name: 'stats', entities: ['driver'], features: { trips: ValueType.INT64 } },
  ],
});

const DUMMY = { __dummy_id: { type: ValueType.STRING, value: '' } };

/** `world` is stored under the dummy key, `weather` where Feast pushes it: under a key without join keys. */
function storeOf(version: 2 | 3): MemoryOnlineStore {
  const store = createMemoryOnlineStore();
  put(store, DUMMY, 'world', at(7), { size: encoded(['int64Val', 9n]) }, version);
  put(store, {}, 'world', at(8), { size: encoded(['int64Val', 10n]) }, version);
  put(store, {}, 'weather', at(5), { wind: encoded(['int64Val', 3n]) }, version);
  return store;
}

function open(entityKeyVersion: 2 | 3, readEntitylessPushes: boolean): Fixture {
  return fixtureOf(WORLD, {
    entityKeyVersion,
    semantics: { readEntitylessPushes },
    store: storeOf(entityKeyVersion),
  });
}

const QUESTION = {
  features: ['world:size', 'stats:trips', 'weather:wind'],
  entities: { driver_id: [['int64Val', 1n], undefined] },
} as const;

/** The cells of both rows. */
const twice = (...cell: readonly unknown[]) => [cell, [...cell]];

describe.each([2, 3] as const)('version %i', (version) => {
  test('a view without a row of its own is read from where Feast pushes it, where that is wanted', async () => {
    const response = await ask(open(version, true), QUESTION);
    expect(columnOf(response, 'size')).toEqual(twice(9n, PRESENT, 7n));
    expect(columnOf(response, 'wind')).toEqual(twice(3n, PRESENT, 5n));
    expect(columnOf(response, 'trips')).toEqual(twice(undefined, NOT_FOUND, 0n));
  });

  test('and else it is not, as in Feast', async () => {
    const response = await ask(open(version, false), QUESTION);
    expect(columnOf(response, 'size')).toEqual(twice(9n, PRESENT, 7n));
    expect(columnOf(response, 'wind')).toEqual(twice(undefined, NOT_FOUND, 0n));
  });
});

test('nothing anywhere is NOT_FOUND, no rows are none', async () => {
  const fixture = fixtureOf(WORLD, { semantics: { readEntitylessPushes: true } });
  const entities = { driver_id: [['int64Val', 1n]] } as const;
  const response = await ask(fixture, { features: ['weather:wind'], entities });
  expect(columnOf(response, 'wind')).toEqual([[undefined, NOT_FOUND, 0n]]);
  const empty = await ask(fixture, { features: ['weather:wind'], entities: { driver_id: [] } });
  expect(columnOf(empty, 'wind')).toEqual([]);
});

test('a row that could not be read is not one that is missing', async () => {
  const store = storeOf(3);
  const losing: MemoryOnlineStore = {
    ...store,
    async read(reads, options) {
      const results = await store.read(reads, options);
      // The shard of the dummy key, the first of each group, does not answer.
      return results.map((cells, group) => ({
        ...cells,
        starts: cells.starts.map((at, cell) => (cell < reads[group]!.prepared.width ? LOST : at)),
      }));
    },
  };
  const fixture = fixtureOf(WORLD, { semantics: { readEntitylessPushes: true }, store: losing });
  const question = { ...QUESTION, features: ['world:size'] } as const;
  const response = await ask(fixture, question, { partialResults: true });
  expect(columnOf(response, 'size')).toEqual(twice(undefined, INVALID, 0n));
});
