import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type {
  EntityDefinition,
  FeatureServiceDefinition,
  FieldDefinition,
  OnDemandDefinition,
  ProjectionDefinition,
  RegistrySnapshot,
  RegistrySource,
  ViewDefinition,
  ViewKind,
  ViewState,
} from '../../src/registry/registry-model.ts';

/** A feature view in few words. */
export interface ViewSpec {
  readonly name: string;
  /** Names of entities; empty = entityless. */
  readonly entities: readonly string[];
  /** Feature → `ValueType` number. */
  readonly features: Readonly<Record<string, number>>;
  readonly ttlSeconds?: number;
  readonly kind?: ViewKind;
  readonly disabled?: boolean;
  readonly state?: ViewState;
  readonly versionNumber?: number;
  readonly onDemand?: OnDemandDefinition;
}

export interface ServiceSpec {
  readonly name: string;
  readonly projections: readonly (Partial<ProjectionDefinition> &
    Pick<ProjectionDefinition, 'viewName' | 'featureNames'>)[];
  readonly precomputeOnline?: boolean;
}

export interface RegistrySpec {
  /** Entity → its join key and type. */
  readonly entities: Readonly<Record<string, readonly [joinKey: string, valueType: number]>>;
  readonly views: readonly ViewSpec[];
  /** Earlier versions of views. */
  readonly olderViews?: readonly ViewSpec[];
  readonly services?: readonly ServiceSpec[];
  readonly versioningEnabled?: boolean;
}

const DUMMY = { name: '__dummy', joinKey: '__dummy_id', valueType: 0 };

/** Builds a snapshot of project `shop`. */
export function snapshotOf(spec: RegistrySpec): RegistrySnapshot {
  const entities = new Map<string, EntityDefinition>([['__dummy', DUMMY]]);
  for (const [name, [joinKey, valueType]] of Object.entries(spec.entities)) {
    entities.set(name, { name, joinKey, valueType });
  }
  const views = spec.views.map((view) => viewOf(view, entities));
  const older = (spec.olderViews ?? []).map((view) => viewOf(view, entities));
  return {
    project: 'shop',
    versionId: 'v',
    lastUpdatedMs: 0,
    entities,
    views: new Map(views.map((view) => [view.name, view])),
    viewVersions: new Map(
      views.map(({ name }) => [
        name,
        new Map(
          [...older, ...views]
            .filter((view) => view.name === name)
            .map((view) => [view.versionNumber, view]),
        ),
      ]),
    ),
    featureServices: new Map(
      (spec.services ?? []).map((service) => [service.name, serviceOf(service)]),
    ),
    pushSources: new Map(),
    permissions: [],
    versioningEnabled: spec.versioningEnabled ?? false,
  };
}

/** A registry that always has this snapshot. */
export function registryOf(snapshot: RegistrySnapshot): RegistrySource {
  return {
    current: () => snapshot,
    ageMs: () => 0,
    onChange: () => () => undefined,
    refresh: async () => false,
    close: async () => undefined,
  };
}

function viewOf(spec: ViewSpec, entities: ReadonlyMap<string, EntityDefinition>): ViewDefinition {
  const entityNames = spec.entities.length === 0 ? ['__dummy'] : spec.entities;
  const joinKeys = entityNames.map((name): FieldDefinition => {
    const { joinKey, valueType } = entities.get(name)!;
    return { name: joinKey, valueType: name === '__dummy' ? ValueType.STRING : valueType };
  });
  const features = Object.entries(spec.features).map(([name, valueType]) => ({ name, valueType }));
  return {
    kind: spec.kind ?? 'feature_view',
    name: spec.name,
    entityNames,
    joinKeys,
    features,
    featuresByName: new Map(features.map((feature) => [feature.name, feature])),
    ttlSeconds: spec.ttlSeconds ?? 0,
    disabled: spec.disabled ?? false,
    online: true,
    state: spec.state ?? 'available_online',
    versionNumber: spec.versionNumber ?? 0,
    tags: {},
    owner: '',
    description: '',
    ...(spec.onDemand === undefined ? {} : { onDemand: spec.onDemand }),
  };
}

function serviceOf({
  name,
  projections,
  precomputeOnline = false,
}: ServiceSpec): FeatureServiceDefinition {
  return {
    name,
    projections: projections.map((projection) => ({
      alias: '',
      joinKeyMap: new Map(),
      versionTag: undefined,
      ...projection,
    })),
    precomputeOnline,
    tags: {},
    owner: '',
    description: '',
  };
}
