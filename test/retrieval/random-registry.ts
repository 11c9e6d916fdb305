/** Random feature views, their earlier versions, and a feature service of them. */
import * as fc from 'fast-check';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { RegistrySpec, ServiceSpec, ViewSpec } from './registry-fixture.ts';

const { BYTES, STRING, INT32, INT64, UNIX_TIMESTAMP } = ValueType;

export const ENTITIES: RegistrySpec['entities'] = {
  driver: ['driver_id', INT64],
  code: ['code', INT32],
  place: ['Zürich_key', STRING],
  blob: ['blob_id', BYTES],
  slot: ['slot_ts', UNIX_TIMESTAMP],
};
export const ENTITY_NAMES = Object.keys(ENTITIES);

const FEATURES = ['a', 'b', 'c', 'größe'];

export const anyView = (name: string): fc.Arbitrary<ViewSpec> =>
  fc.record({
    name: fc.constant(name),
    entities: fc.subarray(ENTITY_NAMES, { maxLength: 2 }),
    features: fc
      .subarray(FEATURES, { minLength: 1 })
      .map((names) => Object.fromEntries(names.map((feature) => [feature, INT64]))),
    ttlSeconds: fc.constantFrom(0, 60, 3600),
    versionNumber: fc.constantFrom(0, 0, 1, 2),
    disabled: fc.integer({ max: 40, min: 0 }).map((n) => n === 0),
    state: fc.oneof(
      {
        weight: 40,
        arbitrary: fc.constantFrom(
          ...(['available_online', 'unspecified', 'materializing'] as const),
        ),
      },
      { weight: 1, arbitrary: fc.constant('generated' as const) },
    ),
  });

/** The feature views of a world. */
export interface Views {
  readonly views: readonly ViewSpec[];
  readonly olderViews: readonly ViewSpec[];
  readonly versioningEnabled: boolean;
}

/** Earlier versions of views, each with features of its own. */
export const anyOlderViews = (views: readonly ViewSpec[]): fc.Arbitrary<readonly ViewSpec[]> =>
  fc.tuple(
    ...views.flatMap((view) =>
      Array.from({ length: view.versionNumber ?? 0 }, (_, versionNumber) =>
        fc.subarray(FEATURES, { minLength: 1 }).map((names): ViewSpec => ({
          ...view,
          versionNumber,
          features: Object.fromEntries(names.map((feature) => [feature, INT64])),
        })),
      ),
    ),
  );

export function anyService({
  views,
  olderViews,
  versioningEnabled,
}: Views): fc.Arbitrary<ServiceSpec> {
  const usable = versioningEnabled ? [...views, ...views, ...olderViews] : views;
  const projection = fc.constantFrom(...usable).chain((view) =>
    fc.record({
      viewName: fc.constant(view.name),
      versionTag: fc.constantFrom(
        olderViews.includes(view) ? view.versionNumber : undefined,
        versioningEnabled ? view.versionNumber : undefined,
      ),
      featureNames: fc.subarray(Object.keys(view.features), { minLength: 1 }),
      alias: fc.constantFrom('', '', 'p', 'q'),
      joinKeyMap: fc
        .subarray(view.entities.map((entity) => ENTITIES[entity]![0]))
        .map((keys) => new Map(keys.map((key) => [key, `${key}_alias`]))),
    }),
  );
  return fc
    .array(projection, { minLength: 1, maxLength: 3 })
    .map((projections) => ({ name: 'service', projections }));
}
