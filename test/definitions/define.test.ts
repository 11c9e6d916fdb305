import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineFileSource,
  defineOnDemandFeatureView,
  definePushSource,
  defineRequestSource,
  type Definition,
  field,
  Float32,
  Float64,
  Int64,
  listOf,
  setOf,
  String as Text,
} from 'sideboard';
import { describe, expect, it } from 'vitest';
import { collectDefinitions } from '../../src/definitions/collect-definitions.ts';
import { isSideboardError } from '../../src/errors.ts';

const source = defineFileSource({ name: 'trips', path: 'trips.parquet', timestampField: 'at' });
const driver = defineEntity({ name: 'driver', joinKey: 'driver_id', valueType: Int64 });
const view = defineFeatureView({
  name: 'trips',
  entities: [driver],
  source,
  schema: { count: Int64, distance: Float64 },
});

function collect(...definitions: readonly Definition[]) {
  return collectDefinitions(
    definitions.map((definition, index) => ({ definition, place: `file-${index}.ts` })),
  );
}

/** What a call says when it refuses its arguments. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isSideboardError(error) && error.code === 'INVALID_DEFINITION') return error.message;
    throw error;
  }
  throw new Error('the call was accepted');
}

/** Plain JavaScript has no compiler that stops these. */
function untyped(value: unknown): never {
  return value as never;
}

describe('what is refused, and how it is said', () => {
  const cases: readonly (readonly [string, () => unknown, readonly string[]])[] = [
    [
      'a name that Feast keeps for itself',
      () => defineEntity({ name: '__dummy', valueType: Text }),
      ['entity "__dummy"', '"__"', 'rename it'],
    ],
    [
      'no name',
      () => defineFeatureService({ name: ' ', features: [view] }),
      ['feature service without a name'],
    ],
    [
      'a view name that no reference can hold',
      () => defineFeatureView({ name: 'a:b', source, schema: { x: Int64 } }),
      ['feature view "a:b"', '":"'],
    ],
    [
      'an entity key of a type that keys cannot have',
      () => defineEntity({ name: 'ratio', valueType: untyped(Float64) }),
      ['entity "ratio"', 'Int64'],
    ],
    [
      'a reserved feature name',
      () => defineFeatureView({ name: 'v', source, schema: { event_timestamp: Int64 } }),
      ['feature view "v"', 'feature "event_timestamp"', 'rename it'],
    ],
    [
      'a feature that starts with two underscores',
      () => defineFeatureView({ name: 'v', source, schema: { __x: Int64 } }),
      ['feature view "v"', 'feature "__x"'],
    ],
    [
      'a feature that is the join key',
      () =>
        defineFeatureView({ name: 'v', entities: [driver], source, schema: { driver_id: Int64 } }),
      ['feature view "v"', '"driver_id"', 'entity "driver"', 'leave it out'],
    ],
    [
      'a feature that is the timestamp column',
      () => defineFeatureView({ name: 'v', source, schema: { at: Int64 } }),
      ['feature view "v"', 'feature "at"', 'source "trips"'],
    ],
    [
      'an empty schema',
      () => defineFeatureView({ name: 'v', source, schema: {} }),
      ['feature view "v"', 'schema is empty'],
    ],
    [
      'a feature without a type',
      () => defineFeatureView({ name: 'v', source, schema: untyped({ x: 'INT64' }) }),
      ['feature view "v"', 'feature "x" has no type', 'Int64'],
    ],
    [
      'something that is no entity',
      () =>
        defineFeatureView({
          name: 'v',
          entities: untyped([undefined]),
          source,
          schema: { x: Int64 },
        }),
      ['feature view "v"', 'entities[0]', 'defineEntity()'],
    ],
    [
      'two entities with one join key',
      () =>
        defineFeatureView({
          name: 'v',
          entities: [
            driver,
            defineEntity({ name: 'other', joinKey: 'driver_id', valueType: Text }),
          ],
          source,
          schema: { x: Int64 },
        }),
      ['feature view "v"', '"driver_id"'],
    ],
    [
      'a negative ttl',
      () => defineFeatureView({ name: 'v', source, schema: { x: Int64 }, ttl: { days: -1 } }),
      ['feature view "v"', 'ttl'],
    ],
    [
      'no source',
      () => defineFeatureView({ name: 'v', source: untyped(undefined), schema: { x: Int64 } }),
      ['feature view "v"', 'source', 'defineFileSource()'],
    ],
    [
      'a source without a timestamp',
      () => defineFileSource({ name: 's', path: 'x.csv', timestampField: '' }),
      ['file source "s"', 'timestampField'],
    ],
    [
      'two columns mapped to one name',
      () =>
        defineFileSource({
          name: 's',
          path: 'x.csv',
          timestampField: 'at',
          fieldMapping: { a: 'x', b: 'x' },
        }),
      ['file source "s"', '"x"'],
    ],
    [
      'a push source without a batch source',
      () => definePushSource({ name: 'p', batchSource: untyped(undefined) }),
      ['push source "p"', 'defineFileSource()'],
    ],
    [
      'a tag that is a number',
      () => defineEntity({ name: 'e', valueType: Text, tags: untyped({ tier: 1 }) }),
      ['entity "e"', 'tag "tier"', 'quotes'],
    ],
    [
      'a selected feature that does not exist',
      () => view.select(untyped('typo')),
      ['feature view "trips"', '"typo"', 'count, distance'],
    ],
    [
      'a feature selected twice',
      () => view.select('count', 'count'),
      ['feature view "trips"', '"count" twice'],
    ],
    [
      'a join key that the view does not have',
      () => view.withJoinKeyMap(untyped({ rider_id: 'x' })),
      ['feature view "trips"', '"rider_id"', 'driver_id'],
    ],
    [
      'a service that lists a feature twice',
      () => defineFeatureService({ name: 's', features: [view, view.select('count')] }),
      ['feature service "s"', 'trips:count'],
    ],
    [
      'an on-demand view of an on-demand view',
      () =>
        defineOnDemandFeatureView({
          name: 'o',
          sources: untyped([
            defineOnDemandFeatureView({ name: 'p', sources: [view], schema: { x: Int64 } }),
          ]),
          schema: { y: Int64 },
        }),
      ['on demand feature view "o"', 'sources[0]'],
    ],
    [
      'two sources of one name',
      () =>
        defineOnDemandFeatureView({
          name: 'o',
          sources: [view.select('count'), view.select('distance')],
          schema: { y: Int64 },
        }),
      ['on demand feature view "o"', '"trips"', 'withName()'],
    ],
    [
      'a function that is none',
      () =>
        defineOnDemandFeatureView({
          name: 'o',
          sources: [view],
          schema: { y: Int64 },
          pythonSource: 'lambda x: x',
        }),
      ['on demand feature view "o"', 'pythonSource'],
    ],
  ];
  it.each(cases)('%s', (_what, call, words) => {
    const message = refusal(call);
    for (const word of words) expect(message).toContain(word);
  });
});

describe('definitions as a set', () => {
  it('takes in what the exported ones refer to, each once', () => {
    const push = definePushSource({ name: 'live', batchSource: source });
    const request = defineRequestSource({ name: 'now', schema: { minute: Int64 } });
    const pushed = defineFeatureView({
      name: 'pushed',
      entities: [driver],
      source: push,
      schema: { speed: Float32 },
    });
    const onDemand = defineOnDemandFeatureView({
      name: 'computed',
      sources: [pushed, request],
      schema: { y: Int64 },
    });
    const service = defineFeatureService({
      name: 'service',
      features: [view.select('count'), onDemand, view.withName('again').select('count')],
    });
    const set = collect(service, view, view, driver);
    expect(set.entities.map(({ name }) => name)).toEqual(['driver']);
    expect(set.featureViews.map(({ name }) => name).toSorted()).toEqual(['pushed', 'trips']);
    expect(set.onDemandFeatureViews.map(({ name }) => name)).toEqual(['computed']);
    expect(set.sources.map(({ name }) => name).toSorted()).toEqual(['live', 'now', 'trips']);
    expect(set.featureServices).toEqual([service]);
  });

  it('refuses two objects of one name and says where they are', () => {
    const other = defineEntity({ name: 'driver', valueType: Text });
    const message = refusal(() => collect(driver, other));
    expect(message).toContain('entity "driver"');
    expect(message).toContain('file-0.ts and file-1.ts');
  });

  it('refuses views of any kind whose names differ in case alone', () => {
    const onDemand = defineOnDemandFeatureView({
      name: 'TRIPS',
      sources: [view],
      schema: { y: Int64 },
    });
    const message = refusal(() => collect(view, onDemand));
    expect(message).toContain('on demand feature view "TRIPS"');
    expect(message).toContain('feature view "trips"');
  });

  it('lets an entity and a view have the same name', () => {
    const same = defineEntity({ name: 'trips', valueType: Text });
    expect(collect(view, same).entities).toHaveLength(2);
  });
});

describe('types of values', () => {
  it('nest, and refuse what Feast does not have', () => {
    expect(listOf(Int64)).toMatchObject({ name: 'Array(Int64)', valueType: 14 });
    expect(setOf(listOf(Text))).toMatchObject({ name: 'Set(Array(String))', valueType: 43 });
    const json = { name: 'Json', spelling: 'JSON', valueType: 32 } as const;
    expect(() => setOf(json)).toThrow(/Set\(Json\)/);
  });

  it('carry descriptions, tags and vector options into the schema', () => {
    const embedded = defineFeatureView({
      name: 'embedded',
      source,
      schema: {
        vector: field(listOf(Float32), {
          description: 'of the title',
          tags: { model: 'small' },
          vector: { length: 3, searchMetric: 'cosine' },
        }),
      },
    });
    expect(embedded.features[0]).toEqual({
      name: 'vector',
      type: listOf(Float32),
      description: 'of the title',
      tags: { model: 'small' },
      vector: { length: 3, searchMetric: 'cosine' },
    });
  });
});
