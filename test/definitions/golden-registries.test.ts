import { readFileSync } from 'node:fs';
import { clone, fromBinary, type JsonObject, toJson } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { DataSourceSchema } from '../../gen/feast/core/DataSource_pb.ts';
import { EntitySchema } from '../../gen/feast/core/Entity_pb.ts';
import { FeatureServiceSchema } from '../../gen/feast/core/FeatureService_pb.ts';
import { FeatureViewSchema } from '../../gen/feast/core/FeatureView_pb.ts';
import { OnDemandFeatureViewSchema } from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import { type Registry, RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { changeRegistry } from '../../src/definitions/change-registry.ts';
import { collectDefinitions } from '../../src/definitions/collect-definitions.ts';
import { fieldsOfSchema } from '../../src/definitions/field.ts';
import { featureSpec } from '../../src/definitions/feature-spec.ts';
import { type RegistryObjects, registryObjects } from '../../src/definitions/registry-objects.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';
import { type GoldenRepository, goldenRepositories, SCALAR_FIELDS } from './golden-repositories.ts';

function goldenRegistry(scenario: string): Registry {
  return fromBinary(
    RegistrySchema,
    readFileSync(sharedPath('golden', 'scenarios', scenario, 'registry.redis.db')),
  );
}

function objectsOf({ definitions, project }: GoldenRepository): RegistryObjects {
  const found = definitions.map((definition) => ({ definition, place: 'features.ts' }));
  return registryObjects(collectDefinitions(found), project);
}

/** Times, and the pickled functions, are what the recording says is volatile. */
function withoutTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTimes);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'meta' && name !== 'body')
      .map(([name, item]) => [name, withoutTimes(item)]),
  );
}

function named(objects: readonly JsonObject[]): Record<string, unknown> {
  return Object.fromEntries(
    objects.map((object) => {
      const spec = (object['spec'] ?? object) as { name: string };
      return [spec.name, withoutTimes(object)];
    }),
  );
}

function asJson(objects: RegistryObjects): Record<string, Record<string, unknown>> {
  const json = <T>(list: readonly T[], convert: (item: T) => unknown) =>
    named(list.map((item) => convert(item) as JsonObject));
  return {
    entities: json(objects.entities, (item) => toJson(EntitySchema, item)),
    dataSources: json(objects.dataSources, (item) => toJson(DataSourceSchema, item)),
    featureViews: json(objects.featureViews, (item) => toJson(FeatureViewSchema, item)),
    onDemand: json(objects.onDemandFeatureViews, (item) => toJson(OnDemandFeatureViewSchema, item)),
    services: json(objects.featureServices, (item) => toJson(FeatureServiceSchema, item)),
  };
}

/** Gives schema-only on-demand views the functions that Feast recorded, which TypeScript cannot express. */
function borrowFunctions(golden: Registry, objects: RegistryObjects): void {
  for (const { spec } of objects.onDemandFeatureViews) {
    const twin = golden.onDemandFeatureViews.find((view) => view.spec?.name === spec?.name)?.spec;
    if (spec && twin) spec.featureTransformation = twin.featureTransformation;
  }
}

describeWithShared('definitions against the registries that Feast wrote', () => {
  for (const repository of goldenRepositories()) {
    it(`${repository.scenario}: every object has the fields that Feast gave it`, () => {
      const golden = goldenRegistry(repository.scenario);
      const objects = objectsOf(repository);
      if (repository.withFunctions) borrowFunctions(golden, objects);
      const ours = asJson(objects);
      const theirs = asJson(golden);
      for (const [kind, list] of Object.entries(ours)) {
        for (const [name, object] of Object.entries(list)) {
          expect(object, `${kind} ${name}`).toEqual(theirs[kind]?.[name]);
        }
      }
    });
  }

  it('names every scalar type by the number that Feast uses', () => {
    const view = goldenRegistry('types').featureViews.find(({ spec }) => spec?.name === 'scalars');
    const ours = fieldsOfSchema('feature view "scalars"', 'feature', SCALAR_FIELDS).map(
      featureSpec,
    );
    expect(ours).toEqual(view?.spec?.features.slice(0, ours.length));
  });

  it('finds nothing to change in a registry that Feast wrote from the same definitions', () => {
    for (const scenario of ['services', 'types', 'keys', 'writes', 'edges', 'ondemand']) {
      const repository = goldenRepositories().find((one) => one.scenario === scenario);
      if (repository === undefined) throw new Error(`no repository ${scenario}`);
      const registry = goldenRegistry(scenario);
      const before = clone(RegistrySchema, registry);
      const { changes } = changeRegistry(registry, objectsOf(repository), {
        project: repository.project,
        nowMs: 0,
        newId: () => 'id',
      });
      // The repositories define a part of what was recorded: the rest is deleted, nothing that they define changes.
      expect(changes.filter(({ action }) => action !== 'delete')).toEqual([]);
      const kept = new Set(registry.featureViews.map(({ spec }) => spec?.name));
      expect(registry.featureViews).toEqual(
        before.featureViews.filter(({ spec }) => kept.has(spec?.name)),
      );
    }
  });
});
