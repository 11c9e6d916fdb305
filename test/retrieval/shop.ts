import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { encoded, fixtureOf, NOW_SECONDS, put, type Fixture } from './ask.ts';
import { snapshotOf } from './registry-fixture.ts';

const { INT64, INT32, STRING, DOUBLE } = ValueType;

/** A small shop: drivers, customers, places, and a world without entities. */
export const SHOP = snapshotOf({
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

/** Entity keys of the shop. */
export const driver = (id: bigint) => ({ driver_id: { type: INT64, value: id } });
export const place = (id: string) => ({ place_id: { type: STRING, value: id } });
/** An encoded timestamp. */
export const at = (seconds: number) => encodeTimestamp(BigInt(seconds) * 1_000_000_000n);
/** As old as `stats` allows, and a second older. */
export const FRESH = NOW_SECONDS - 60;
export const OLD = NOW_SECONDS - 61;

/** A reader over the shop's rows. */
export function openShop(): Fixture {
  const fixture = fixtureOf(SHOP);
  const { store } = fixture;
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
  return fixture;
}
