import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { DataSourceSchema } from '../../gen/feast/core/DataSource_pb.ts';
import {
  FeatureServiceMetaSchema,
  type FeatureService,
} from '../../gen/feast/core/FeatureService_pb.ts';
import {
  FeatureViewMetaSchema,
  FeatureViewSchema,
  FeatureViewState,
  type FeatureView,
} from '../../gen/feast/core/FeatureView_pb.ts';
import { PermissionMetaSchema } from '../../gen/feast/core/Permission_pb.ts';
import { RegistrySchema, type Registry } from '../../gen/feast/core/Registry_pb.ts';
import { ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';
import { loadRegistry, type LoadedRegistry } from '../../src/registry/load-registry.ts';
import { runAtOnce } from '../../src/registry/run-in-slices.ts';
import { registryBytes } from './registry-fixture.ts';

const VIEWS = { rides: ['near', 'far'] };
const TIMESTAMP = { seconds: 1n, nanos: 0 };

function load(registry: Registry, previous?: LoadedRegistry): LoadedRegistry {
  const bytes = toBinary(RegistrySchema, registry);
  const options = { project: 'rides', versioningEnabled: true };
  return runAtOnce(loadRegistry(bytes, options, previous));
}

/** Two views of one entity, an earlier version of `far`, a service of `near`, a permission. */
function makeRegistry(): Registry {
  const plain = fromBinary(RegistrySchema, registryBytes({ version: '1', views: VIEWS }));
  const records = [
    {
      featureViewName: 'far',
      projectId: 'rides',
      versionNumber: 3,
      featureViewType: 'feature_view',
      featureViewProto: toBinary(FeatureViewSchema, viewOf(plain, 'far')),
    },
  ];
  const features = [{ featureViewName: 'near', featureColumns: [{ name: 'a' }] }];
  const more = {
    featureServices: [{ spec: { name: 'model', project: 'rides', features } }],
    permissions: [{ spec: { name: 'all', project: 'rides' } }],
    featureViewVersionHistory: { records },
  };
  return fromBinary(RegistrySchema, registryBytes({ version: '1', views: VIEWS, more }));
}

function viewOf(registry: Registry, name: string): FeatureView {
  return registry.featureViews.find(({ spec }) => spec?.name === name)!;
}

function serviceOf({ featureServices }: Registry): FeatureService {
  return featureServices[0]!;
}

/** Loads the registry as it is, then as `change` leaves it. */
function reload(change: (registry: Registry) => void) {
  const registry = makeRegistry();
  const first = load(registry);
  change(registry);
  registry.versionId = '2';
  const second = load(registry, first);
  expect(second.snapshot.versionId).toBe('2');
  // However much is taken over, it is what a server sees that starts now.
  expect(second.snapshot).toEqual(load(registry).snapshot);
  return { before: first.snapshot, after: second.snapshot };
}

test('definitions that say what they said are those of before, whatever their bytes', () => {
  const { before, after } = reload((registry) => {
    for (const view of registry.featureViews) {
      view.meta = create(FeatureViewMetaSchema, { lastUpdatedTimestamp: TIMESTAMP });
    }
    const meta = { lastUpdatedTimestamp: TIMESTAMP };
    serviceOf(registry).meta = create(FeatureServiceMetaSchema, meta);
    registry.permissions[0]!.meta = create(PermissionMetaSchema, meta);
    registry.entities[0]!.spec!.description = 'who drives';
    registry.featureViewVersionHistory!.records[0]!.description = 'the third';
  });
  expect(after.views.get('near')).toBe(before.views.get('near'));
  expect(after.views.get('far')).toBe(before.views.get('far'));
  expect(after.viewVersions.get('far')!.get(3)).toBe(before.viewVersions.get('far')!.get(3));
  expect(after.viewVersions.get('far')).toBe(before.viewVersions.get('far'));
  expect(after.featureServices.get('model')).toBe(before.featureServices.get('model'));
  expect(after.entities).toBe(before.entities);
  expect(after.permissions).toBe(before.permissions);
});

test('objects keep their definitions where they move in the file', () => {
  const { before, after } = reload(({ featureViews }) => featureViews.reverse());
  expect(after.views.get('near')).toBe(before.views.get('near'));
  expect([...after.views.keys()]).toEqual(['far', 'near']);
});

test.each<[string, (view: FeatureView) => void]>([
  ['tag', ({ spec }) => (spec!.tags = { team: 'pricing' })],
  [
    'ttl',
    ({ spec }) => (spec!.ttl = { $typeName: 'google.protobuf.Duration', seconds: 60n, nanos: 0 }),
  ],
  ['switch', ({ spec }) => (spec!.online = false)],
  [
    'state',
    (view) =>
      (view.meta = create(FeatureViewMetaSchema, { state: FeatureViewState.MATERIALIZING })),
  ],
  [
    'materialization',
    (view) =>
      (view.meta = create(FeatureViewMetaSchema, {
        materializationIntervals: [{ startTime: TIMESTAMP, endTime: TIMESTAMP }],
      })),
  ],
  [
    'source',
    ({ spec }) =>
      (spec!.batchSource = create(DataSourceSchema, {
        name: 's',
        options: { case: 'fileOptions', value: { uri: 'f' } },
      })),
  ],
])('a view with another %s is another definition with the features of before', (_, change) => {
  const { before, after } = reload((registry) => change(viewOf(registry, 'near')));
  const [was, is] = [before.views.get('near')!, after.views.get('near')!];
  expect(is).not.toBe(was);
  expect(is.features).toBe(was.features);
  expect(is.featuresByName).toBe(was.featuresByName);
  expect(is.joinKeys).toBe(was.joinKeys);
  expect(after.views.get('far')).toBe(before.views.get('far'));
});

test('of a view that says something else all that it says as before is shared', () => {
  const { before, after } = reload((registry) => (viewOf(registry, 'near').spec!.online = false));
  const [was, is] = [before.views.get('near')!, after.views.get('near')!];
  expect(is).not.toBe(was);
  expect(is.materialization).toBeDefined();
  expect(is.materialization).toBe(was.materialization);
  expect(is.entityNames).toBe(was.entityNames);
  expect(is.tags).toBe(was.tags);
});

test.each<[string, (view: FeatureView) => void]>([
  ['another type', ({ spec }) => (spec!.features[1]!.valueType = ValueType_Enum.STRING)],
  ['another name', ({ spec }) => (spec!.features[1]!.name = 'c')],
  ['another order', ({ spec }) => spec!.features.reverse()],
  ['one less', ({ spec }) => spec!.features.pop()],
])('features with %s are told apart', (_, change) => {
  const { before, after } = reload((registry) => change(viewOf(registry, 'near')));
  const [was, is] = [before.views.get('near')!, after.views.get('near')!];
  expect(is.features).not.toBe(was.features);
  expect([...is.featuresByName.values()]).toEqual(is.features);
});

test('an entity with another join key changes the views that it is of', () => {
  const { before, after } = reload(({ entities, featureViews }) => {
    entities[0]!.spec!.joinKey = 'driver';
    // What the view itself says of its columns would win.
    for (const { spec } of featureViews) spec!.entityColumns = [];
  });
  expect(after.entities).not.toBe(before.entities);
  expect(after.views.get('near')!.joinKeys).toEqual([
    { name: 'driver', valueType: ValueType_Enum.INT64 },
  ]);
});

test('an entity alone changes views whose bytes stay', () => {
  const { before, after } = reload(({ entities }) => {
    entities[0]!.spec!.joinKey = 'other_id';
  });
  expect(after.views.get('near')!.joinKeys).toEqual([
    { name: 'other_id', valueType: ValueType_Enum.INT64 },
  ]);
  expect(after.views.get('near')).not.toBe(before.views.get('near'));
});

test('a service with another feature is another definition, its view is not', () => {
  const { before, after } = reload((registry) => {
    serviceOf(registry).spec!.features[0]!.featureColumns[0]!.name = 'b';
  });
  expect(after.featureServices.get('model')).not.toBe(before.featureServices.get('model'));
  expect(after.views.get('near')).toBe(before.views.get('near'));
});

test('what is deleted is gone, with its versions', () => {
  const { after } = reload((registry) => {
    registry.featureViews.pop();
    registry.featureServices.pop();
    registry.permissions.pop();
  });
  expect([...after.views.keys()]).toEqual(['near']);
  expect([...after.viewVersions.keys()]).toEqual(['near']);
  expect(after.featureServices.size).toBe(0);
  expect(after.permissions).toEqual([]);
});

test('a view that is renamed is there under its new name alone', () => {
  const { after } = reload((registry) => (viewOf(registry, 'near').spec!.name = 'close'));
  expect([...after.views.keys()]).toEqual(['close', 'far']);
  expect(after.views.get('close')!.name).toBe('close');
});

test('a view that takes the name of another one takes nothing else of it', () => {
  const { before, after } = reload((registry) => {
    const [near, far] = registry.featureViews;
    near!.spec!.name = 'far';
    far!.spec!.name = 'near';
    far!.spec!.features.pop();
  });
  expect(after.views.get('far')).toBe(before.views.get('far'));
  expect(after.views.get('near')!.features.map(({ name }) => name)).toEqual(['a']);
});

test('the version history changes alone', () => {
  const { before, after } = reload(({ featureViewVersionHistory }) => {
    featureViewVersionHistory!.records[0]!.versionNumber = 4;
  });
  expect(after.views.get('far')).toBe(before.views.get('far'));
  expect([...after.viewVersions.get('far')!.keys()]).toEqual([0, 4]);
});
