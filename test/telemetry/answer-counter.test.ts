import { expect, test } from 'vitest';
import { createAnswerCounter } from '../../src/telemetry/answer-counter.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { ask, encoded, fixtureOf, NOW_SECONDS, put } from '../retrieval/ask.ts';
import { at, driver, openShop, SHOP } from '../retrieval/shop.ts';

test('counts answers, rows, and statuses by feature view', async () => {
  const { store } = openShop();
  put(store, driver(21n), 'stats', at(NOW_SECONDS), { trips: encoded(['int64Val', 4n]) });
  put(store, driver(22n), 'stats', at(NOW_SECONDS - 61), {
    trips: encoded(undefined),
    name: encoded(undefined),
  });
  put(store, driver(23n), 'stats', at(NOW_SECONDS), { trips: encoded(undefined) });
  const metrics = createMetrics();
  const fixture = fixtureOf(SHOP, {
    store,
    semantics: { nullStatus: 'null_value' },
    onRetrieved: createAnswerCounter(metrics),
  });
  const question = {
    features: ['stats:trips', 'profile:age', 'stats:name'],
    entities: {
      driver_id: [
        ['int64Val', 21n],
        ['int64Val', 22n],
        ['int64Val', 23n],
        ['int64Val', 22n],
        undefined,
      ],
    },
  } as const;
  await ask(fixture, question, { enforceTtl: true });
  await ask(fixture, question, { enforceTtl: true });

  const text = await metrics.registry.metrics();
  const lines = text
    .split('\n')
    .filter((line) => /^feast_online_features_(?!entity_count_b)/.test(line));
  // Of each answer: trips present, too old, null, too old, nobody; name absent but where it is too old.
  expect(lines.filter((line) => !line.endsWith(' 0')).toSorted()).toEqual([
    'feast_online_features_entity_count_count 2',
    'feast_online_features_entity_count_sum 10',
    'feast_online_features_request_total 2',
    'feast_online_features_status_total{feature_view="profile",status="not_found"} 10',
    'feast_online_features_status_total{feature_view="stats",status="not_found"} 8',
    'feast_online_features_status_total{feature_view="stats",status="null_value"} 2',
    'feast_online_features_status_total{feature_view="stats",status="outside_max_age"} 8',
    'feast_online_features_status_total{feature_view="stats",status="present"} 2',
  ]);
});
