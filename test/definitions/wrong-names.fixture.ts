import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineFileSource,
  defineOnDemandFeatureView,
  defineRequestSource,
  Float64,
  Int64,
  String as Text,
} from 'sideboard';

/** Mistakes that the compiler has to find. `typed-names.test.ts` compiles this file with and without the excuses. */
const source = defineFileSource({ name: 'trips', path: 'trips.parquet', timestampField: 'at' });
const driver = defineEntity({ name: 'driver', joinKey: 'driver_id', valueType: Int64 });
const zone = defineEntity({ name: 'zone', valueType: Text });
const trips = defineFeatureView({
  name: 'trips',
  entities: [driver, zone],
  source,
  schema: { count: Int64, distance: Float64 },
});
const request = defineRequestSource({ name: 'now', schema: { at: Int64 } });
const speed = defineOnDemandFeatureView({
  name: 'speed',
  sources: [trips, request],
  schema: { kilometres: Float64 },
});

// What is right compiles.
export const right = defineFeatureService({
  name: 'right',
  features: [
    trips.select('count').withName('first').withJoinKeyMap({ driver_id: 'first_driver' }),
    trips.withJoinKeyMap({ zone: 'pickup', driver_id: 'second_driver' }).select('distance'),
    speed.select('kilometres'),
  ],
});
export const fieldNames: readonly 'at'[] = request.fieldNames;

export const computed = defineOnDemandFeatureView({
  name: 'computed',
  sources: [trips.select('count'), request],
  schema: { twice: Int64, late: Float64 },
  compute: ({ count, at }, rowCount) => ({
    twice: count.map((each) => (each === null ? null : each * 2n)),
    late: Float64Array.from({ length: rowCount }, (_, row) => Number(at[row])),
  }),
});

export const mistakes = [
  () =>
    defineOnDemandFeatureView({
      name: 'x',
      sources: [trips.select('count')],
      schema: { a: Int64 },
      // @ts-expect-error a feature that none of the sources has
      compute: ({ distance }) => ({ a: distance }),
    }),
  () =>
    defineOnDemandFeatureView({
      name: 'x',
      sources: [trips],
      schema: { a: Int64, b: Float64 },
      // @ts-expect-error a feature of the view that is not given
      compute: ({ count }) => ({ a: count }),
    }),
  () =>
    defineOnDemandFeatureView({
      name: 'x',
      sources: [trips],
      schema: { a: Int64 },
      // @ts-expect-error values of another type
      compute: ({ count }) => ({ a: count.map(String) }),
    }),
  // @ts-expect-error a feature that the view does not have
  () => trips.select('typo'),
  // @ts-expect-error right and wrong together
  () => trips.select('count', 'distanse'),
  // @ts-expect-error nothing selected
  () => trips.select(),
  // @ts-expect-error a feature that an earlier select dropped
  () => trips.select('count').select('distance'),
  // @ts-expect-error an on-demand feature that is not computed
  () => speed.select('miles'),
  // @ts-expect-error a join key of another view
  () => trips.withJoinKeyMap({ rider_id: 'x' }),
  // @ts-expect-error the name of the entity instead of its join key
  () => trips.withJoinKeyMap({ driver: 'x' }),
  // @ts-expect-error a number as a type
  () => defineFeatureView({ name: 'x', source, schema: { a: 4 } }),
  // @ts-expect-error a view without a source
  () => defineFeatureView({ name: 'x', schema: { a: Int64 } }),
  // @ts-expect-error an entity key cannot be a floating-point number
  () => defineEntity({ name: 'x', valueType: Float64 }),
  // @ts-expect-error a service that serves nothing
  () => defineFeatureService({ name: 'x', features: [] }),
  // @ts-expect-error an entity where a view belongs
  () => defineFeatureService({ name: 'x', features: [driver] }),
  // @ts-expect-error a mode that does not exist
  () => defineOnDemandFeatureView({ name: 'x', sources: [trips], schema: { a: Int64 }, mode: 'r' }),
] as const;
