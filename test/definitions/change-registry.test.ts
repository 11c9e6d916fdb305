import { clone, create, equals, fromBinary, toBinary } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineFileSource,
  defineOnDemandFeatureView,
  type Definition,
  field,
  Float64,
  Int32,
  Int64,
  type Schema,
  String as Text,
  type TimeSpan,
} from 'sideboard';
import { describe, expect, it } from 'vitest';
import { EntitySchema } from '../../gen/feast/core/Entity_pb.ts';
import { FeatureViewState, FeatureViewSchema } from '../../gen/feast/core/FeatureView_pb.ts';
import { LabelViewSchema } from '../../gen/feast/core/LabelView_pb.ts';
import { type Registry, RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { StreamFeatureViewSchema } from '../../gen/feast/core/StreamFeatureView_pb.ts';
import { changeRegistry, type RegistryChanges } from '../../src/definitions/change-registry.ts';
import { collectDefinitions } from '../../src/definitions/collect-definitions.ts';
import { registryObjects } from '../../src/definitions/registry-objects.ts';

/** What varies between the repositories of the tests below. */
interface Repository {
  readonly schema?: Schema;
  readonly ttl?: TimeSpan;
  readonly path?: string;
  readonly description?: string;
  readonly withService?: boolean;
  readonly pythonSource?: string;
}

function repository(options: Repository = {}): readonly Definition[] {
  const driver = defineEntity({ name: 'driver', joinKey: 'driver_id', valueType: Int64 });
  const trips = defineFeatureView({
    name: 'trips',
    entities: [driver],
    ttl: options.ttl ?? { days: 1 },
    source: defineFileSource({
      name: 'trips_file',
      path: options.path ?? 'trips.parquet',
      timestampField: 'at',
    }),
    description: options.description ?? '',
    schema: options.schema ?? { count: Int64, distance: Float64 },
  });
  const speed = defineOnDemandFeatureView({
    name: 'speed',
    sources: [trips],
    schema: { kmh: Float64 },
    ...(options.pythonSource === undefined ? {} : { pythonSource: options.pythonSource }),
  });
  const service = defineFeatureService({ name: 'ranking', features: [trips, speed] });
  return options.withService === false ? [trips, speed] : [trips, speed, service];
}

let ids = 0;

function apply(
  registry: Registry,
  definitions: readonly Definition[],
  options: { readonly project?: string; readonly nowMs?: number } = {},
): RegistryChanges {
  const project = options.project ?? 'rides';
  const found = definitions.map((definition) => ({ definition, place: 'features.ts' }));
  return changeRegistry(registry, registryObjects(collectDefinitions(found), project), {
    project,
    nowMs: options.nowMs ?? 1_000,
    newId: () => `id-${++ids}`,
  });
}

function applied(definitions = repository(), nowMs = 1_000): Registry {
  const registry = create(RegistrySchema);
  apply(registry, definitions, { nowMs });
  return registry;
}

function lines({ changes }: RegistryChanges): readonly string[] {
  return changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`);
}

function viewNamed(registry: Registry, name: string, project = 'rides') {
  const view = registry.featureViews.find(
    ({ spec }) => spec?.name === name && spec.project === project,
  );
  if (view?.spec === undefined || view.meta === undefined) throw new Error(`no view ${name}`);
  return { spec: view.spec, meta: view.meta, message: view };
}

describe('applying to an empty registry', () => {
  it('creates the project, the dummy entity and everything that was defined', () => {
    const registry = create(RegistrySchema);
    expect(lines(apply(registry, repository()))).toEqual([
      'create project rides',
      'create entity driver',
      'create entity __dummy',
      'create data_source trips_file',
      'create feature_view trips',
      'create on_demand_feature_view speed',
      'create feature_service ranking',
    ]);
    const { spec, meta } = viewNamed(registry, 'trips');
    expect(timestampMs(meta.createdTimestamp ?? timestampFromMs(0))).toBe(1_000);
    expect(spec.batchSource?.meta).toEqual(registry.dataSources[0]?.meta);
    expect(spec.batchSource?.meta?.lastUpdatedTimestamp).toEqual(timestampFromMs(1_000));
  });

  it('writes both views into the version history as version 0', () => {
    const records = applied().featureViewVersionHistory?.records ?? [];
    expect(records.map((record) => [record.featureViewName, record.versionNumber])).toEqual([
      ['trips', 0],
      ['speed', 0],
    ]);
    const kept = fromBinary(FeatureViewSchema, records[0]?.featureViewProto ?? new Uint8Array());
    expect(kept.spec?.features.map(({ name }) => name)).toEqual(['count', 'distance']);
  });

  it('gives a schema-only on-demand view a function that says that there is none', () => {
    const transformation =
      applied().onDemandFeatureViews[0]?.spec?.featureTransformation?.transformation;
    if (transformation?.case !== 'userDefinedFunction') throw new Error('no function');
    expect(transformation.value.name).toBe('speed');
    expect(transformation.value.bodyText).toMatch(/^def speed\(inputs\):\n {4}raise/);
  });
});

describe('the name of a project', () => {
  it.each(['my-rides', '_rides', '', 'a b'])('is refused for %j', (project) => {
    const registry = create(RegistrySchema);
    expect(() => apply(registry, repository(), { project })).toThrow(/feature_store\.yaml/);
  });

  it('is left alone where the registry has it already', () => {
    const registry = create(RegistrySchema, { projects: [{ spec: { name: 'my-rides' } }] });
    expect(lines(apply(registry, repository(), { project: 'my-rides' }))).not.toContain(
      'create project my-rides',
    );
  });
});

describe('applying again', () => {
  it('changes nothing, not a byte', () => {
    const registry = applied();
    const before = toBinary(RegistrySchema, registry);
    expect(apply(registry, repository(), { nowMs: 9_000 }).changes).toEqual([]);
    expect(Buffer.from(toBinary(RegistrySchema, registry))).toEqual(Buffer.from(before));
  });

  it('changes nothing for what means the same in files of older Feast versions', () => {
    const registry = applied();
    const { spec } = viewNamed(registry, 'trips');
    spec.version = '';
    if (spec.batchSource) spec.batchSource.dataSourceClassType = '';
    for (const projection of registry.featureServices[0]?.spec?.features ?? []) {
      projection.viewType = '';
    }
    expect(apply(registry, repository()).changes).toEqual([]);
  });
});

describe('updating', () => {
  it('names the fields that differ, keeps when the object was created and stamps it alone', () => {
    const registry = applied();
    const result = apply(registry, repository({ ttl: { days: 2 } }), { nowMs: 5_000 });
    expect(result.changes).toEqual([
      {
        action: 'update',
        kind: 'feature_view',
        name: 'trips',
        fields: [{ field: 'ttl', before: '86400s', after: '172800s' }],
      },
    ]);
    const { meta } = viewNamed(registry, 'trips');
    expect(meta.createdTimestamp).toEqual(timestampFromMs(1_000));
    expect(meta.lastUpdatedTimestamp).toEqual(timestampFromMs(5_000));
    expect(registry.entities[0]?.meta?.lastUpdatedTimestamp).toEqual(timestampFromMs(1_000));
    expect(registry.featureServices[0]?.meta?.lastUpdatedTimestamp).toEqual(timestampFromMs(1_000));
  });

  it('keeps materialization intervals, state and fields that it does not know', () => {
    const registry = applied();
    const { meta, spec, message } = viewNamed(registry, 'trips');
    const interval = { startTime: timestampFromMs(1), endTime: timestampFromMs(2) };
    Object.assign(meta, {
      state: FeatureViewState.AVAILABLE_ONLINE,
      materializationIntervals: [{ $typeName: 'feast.core.MaterializationInterval', ...interval }],
    });
    const unknown = {
      no: 900,
      wireType: WireType.LengthDelimited,
      data: new Uint8Array([3, 97, 98, 99]),
    };
    meta.$unknown = [unknown];
    spec.$unknown = [unknown];
    message.$unknown = [unknown];
    const count = spec.features.find(({ name }) => name === 'count');
    if (count) count.$unknown = [unknown];

    apply(registry, repository({ description: 'new', schema: { extra: Text, count: Int64 } }));
    // Through bytes: what is not written is not kept.
    const read = fromBinary(RegistrySchema, toBinary(RegistrySchema, registry));
    const after = viewNamed(read, 'trips');
    expect(after.spec.description).toBe('new');
    expect(after.meta.state).toBe(FeatureViewState.AVAILABLE_ONLINE);
    expect(after.meta.materializationIntervals).toHaveLength(1);
    const kept = [after.meta, after.spec, after.message, after.spec.features[1]];
    for (const part of kept) expect(part?.$unknown).toEqual([unknown]);
    expect(after.spec.features[0]?.$unknown).toBeUndefined();
  });

  it('tells added, dropped, changed and reordered features apart', () => {
    const registry = applied();
    const schema = { price: field(Int64, { tags: { unit: 'ct' } }), count: Int32 };
    const [update] = apply(registry, repository({ schema, withService: true })).changes;
    expect(update?.fields).toEqual([
      { field: 'features.count.value_type', before: 'INT64', after: 'INT32' },
      { field: 'features.distance', before: 'DOUBLE', after: undefined },
      { field: 'features.price', before: undefined, after: expect.stringContaining('INT64') },
    ]);
    const swapped = { count: Int32, price: field(Int64, { tags: { unit: 'ct' } }) };
    const [reorder] = apply(registry, repository({ schema: swapped })).changes;
    expect(reorder?.fields).toEqual([
      { field: 'features', before: 'price, count', after: 'count, price' },
    ]);
  });

  it('follows a source into everything that repeats it', () => {
    const registry = applied();
    const result = apply(registry, repository({ path: 'other.parquet' }), { nowMs: 5_000 });
    expect(lines(result)).toEqual([
      'update data_source trips_file',
      'update feature_view trips',
      'update on_demand_feature_view speed',
      'update feature_service ranking',
    ]);
    const { spec } = viewNamed(registry, 'trips');
    expect(spec.batchSource?.meta?.lastUpdatedTimestamp).toEqual(timestampFromMs(5_000));
    expect(spec.batchSource?.meta?.createdTimestamp).toEqual(timestampFromMs(1_000));
  });
});

describe('versions', () => {
  const numbersOf = (registry: Registry, view: string) =>
    (registry.featureViewVersionHistory?.records ?? [])
      .filter((record) => record.featureViewName === view)
      .map((record) => record.versionNumber);

  it('counts changes of the schema, and those alone', () => {
    const registry = applied();
    apply(registry, repository({ ttl: { days: 3 }, description: 'x' }));
    apply(registry, repository({ schema: { distance: Float64, count: Int64 } }));
    expect(numbersOf(registry, 'trips')).toEqual([0]);
    apply(registry, repository({ schema: { count: Int64 } }));
    expect(numbersOf(registry, 'trips')).toEqual([0, 1]);
    expect(viewNamed(registry, 'trips').meta.currentVersionNumber).toBe(1);
    apply(registry, repository());
    expect(numbersOf(registry, 'trips')).toEqual([0, 1, 2]);
  });

  it('puts the old form of a view without history down as version 0', () => {
    const registry = applied();
    Object.assign(registry, { featureViewVersionHistory: undefined });
    apply(registry, repository({ schema: { count: Int64 } }));
    expect(numbersOf(registry, 'trips')).toEqual([0, 1]);
    const [first] = registry.featureViewVersionHistory?.records ?? [];
    const old = fromBinary(FeatureViewSchema, first?.featureViewProto ?? new Uint8Array());
    expect(old.spec?.features).toHaveLength(2);
    expect(old.meta?.currentVersionNumber).toBe(0);
  });

  it('counts a new function of an on-demand view', () => {
    const registry = applied();
    apply(registry, repository({ pythonSource: 'def speed(inputs):\n    return inputs\n' }));
    expect(numbersOf(registry, 'speed')).toEqual([0, 1]);
  });

  it('are forgotten with their view', () => {
    const registry = applied();
    const driver = defineEntity({ name: 'driver', joinKey: 'driver_id', valueType: Int64 });
    apply(registry, [driver]);
    expect(registry.featureViewVersionHistory?.records).toEqual([]);
  });
});

describe('functions of on-demand views', () => {
  it('stay when the definition says nothing of them', () => {
    const registry = applied(repository({ pythonSource: 'def f(x):\n    return x\n' }));
    const transformation =
      registry.onDemandFeatureViews[0]?.spec?.featureTransformation?.transformation;
    if (transformation?.case !== 'userDefinedFunction') throw new Error('no function');
    transformation.value.body = new Uint8Array([1, 2, 3]);
    expect(apply(registry, repository()).changes).toEqual([]);
    expect(
      apply(registry, repository({ pythonSource: 'def f(x):\n    return x\n' })).changes,
    ).toEqual([]);
    apply(registry, repository({ path: 'other.parquet' }));
    const after = registry.onDemandFeatureViews[0]?.spec?.featureTransformation?.transformation;
    expect(after?.case === 'userDefinedFunction' && after.value.body).toEqual(
      new Uint8Array([1, 2, 3]),
    );
  });
});

describe('what an apply leaves alone', () => {
  it('other projects, even where names are the same', () => {
    const registry = applied();
    apply(registry, repository({ ttl: { days: 7 } }), { project: 'other', nowMs: 2_000 });
    const before = clone(RegistrySchema, registry);
    const unknown = { no: 900, wireType: WireType.Varint, data: new Uint8Array([5]) };
    viewNamed(registry, 'trips', 'other').spec.$unknown = [unknown];
    const driver = defineEntity({ name: 'rider', valueType: Text });
    const result = apply(registry, [driver], { nowMs: 3_000 });
    expect(lines(result)).toContain('delete feature_view trips');
    expect(registry.featureViews).toHaveLength(1);
    const other = viewNamed(registry, 'trips', 'other');
    expect(other.spec.$unknown).toEqual([unknown]);
    delete other.spec.$unknown;
    const was = viewNamed(before, 'trips', 'other').message;
    expect(equals(FeatureViewSchema, other.message, was)).toBe(true);
    const records = registry.featureViewVersionHistory?.records ?? [];
    expect(new Set(records.map(({ projectId }) => projectId))).toEqual(new Set(['other']));
    expect(registry.projects.map(({ spec }) => spec?.name)).toEqual(['rides', 'other']);
  });

  it('views that only Python can define, and what these need', () => {
    const registry = applied();
    registry.streamFeatureViews.push(
      create(StreamFeatureViewSchema, {
        spec: {
          name: 'live',
          project: 'rides',
          entities: ['driver'],
          streamSource: { name: 'live_push', batchSource: { name: 'trips_file' } },
        },
      }),
    );
    registry.labelViews.push(
      create(LabelViewSchema, { spec: { name: 'labels', project: 'rides', entities: ['judge'] } }),
    );
    registry.entities.push(create(EntitySchema, { spec: { name: 'judge', project: 'rides' } }));
    const result = apply(registry, [defineEntity({ name: 'rider', valueType: Text })]);
    expect(result.kept.map(({ kind, name }) => `${kind} ${name}`).toSorted()).toEqual([
      'data_source live_push',
      'data_source trips_file',
      'entity driver',
      'entity judge',
      'label_view labels',
      'stream_feature_view live',
    ]);
    expect(registry.entities.map(({ spec }) => String(spec?.name)).toSorted()).toEqual([
      '__dummy',
      'driver',
      'judge',
      'rider',
    ]);
    expect(registry.dataSources.map(({ name }) => name)).toEqual(['trips_file']);
    expect(registry.featureViews).toEqual([]);
  });

  it('and refuses a view that takes the name of one of those', () => {
    const registry = applied();
    registry.labelViews.push(
      create(LabelViewSchema, { spec: { name: 'Trips', project: 'rides' } }),
    );
    expect(() => apply(registry, repository())).toThrow(/"trips".*label view.*rename/);
  });
});

it('turns a view into an on-demand view of the same name, and back', () => {
  const registry = applied();
  const base = defineFeatureView({
    name: 'base',
    source: defineFileSource({ name: 'trips_file', path: 'trips.parquet', timestampField: 'at' }),
    schema: { count: Int64 },
  });
  const trips = defineOnDemandFeatureView({
    name: 'trips',
    sources: [base],
    schema: { y: Int64 },
  });
  const result = lines(apply(registry, [base, trips]));
  expect(result).toContain('delete feature_view trips');
  expect(result).toContain('create on_demand_feature_view trips');
  const records = registry.featureViewVersionHistory?.records ?? [];
  expect(records.map((r) => `${r.featureViewType} ${r.featureViewName}`).toSorted()).toEqual([
    'feature_view base',
    'on_demand_feature_view trips',
  ]);
  expect(lines(apply(registry, repository()))).toContain('create feature_view trips');
  expect(viewNamed(registry, 'trips').meta.currentVersionNumber).toBe(0);
  const kinds = registry.featureViewVersionHistory?.records.map((r) => r.featureViewType);
  expect(kinds?.toSorted()).toEqual(['feature_view', 'on_demand_feature_view']);
});
