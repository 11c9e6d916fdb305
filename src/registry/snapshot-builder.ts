import type { Entity } from '../../gen/feast/core/Entity_pb.ts';
import type { FeatureService } from '../../gen/feast/core/FeatureService_pb.ts';
import { describeProjection } from './on-demand-definition.ts';
import type {
  EntityDefinition,
  FeatureServiceDefinition,
  PermissionDefinition,
  RegistrySnapshot,
  ViewDefinition,
} from './registry-model.ts';
import type { Work } from './run-in-slices.ts';

/** Which objects of a registry belong to a project. */
export interface ProjectScope {
  readonly project: string;
  /**
   * Whether objects that name no project belong to it too: where the registry knows no other project (a registry that was
   * exported from a database keeps the project outside of the objects).
   */
  readonly takesUnnamed: boolean;
}

/** Whether an object of that project is in scope. */
export function isInScope(project: string, scope: ProjectScope): boolean {
  return project === scope.project || (project === '' && scope.takesUnnamed);
}

/** @param named every project name that the registry mentions. */
export function scopeOf(project: string, named: Iterable<string>): ProjectScope {
  const others = new Set(named);
  others.delete(project);
  others.delete('');
  return { project, takesUnnamed: others.size === 0 };
}

/** A view of the project, and the push source that feeds it. */
export interface ViewEntry {
  readonly view: ViewDefinition;
  readonly pushSource: string | undefined;
}

/** Everything of one project, in registry order; views in the order in which Feast looks names up. */
export interface SnapshotParts {
  readonly project: string;
  readonly versionId: string;
  readonly lastUpdatedMs: number;
  readonly entities: ReadonlyMap<string, EntityDefinition>;
  readonly views: Iterable<ViewEntry>;
  /** Earlier definitions of views, with their version numbers. */
  readonly history: Iterable<ViewDefinition>;
  readonly services: Iterable<FeatureServiceDefinition>;
  readonly permissions: readonly PermissionDefinition[];
  readonly versioningEnabled: boolean;
  /** What was served until now; maps of versions that did not change are taken over. */
  readonly was?: RegistrySnapshot | undefined;
}

/** A snapshot, and the names that several objects of the project have, as sentences. */
export interface AssembledSnapshot {
  readonly snapshot: RegistrySnapshot;
  readonly duplicates: readonly string[];
}

/** Indexes the parts of a project. Of several objects with one name the first counts, as in Feast. Yields after each. */
export function* assembleSnapshot(parts: SnapshotParts): Work<AssembledSnapshot> {
  const views = new Map<string, ViewDefinition>();
  const viewVersions = new Map<string, Map<number, ViewDefinition>>();
  const pushSources = new Map<string, string[]>();
  const duplicates = new Set<string>();
  for (const { view, pushSource } of parts.views) {
    yield;
    if (views.has(view.name)) {
      duplicates.add(severalAreCalled('feature views', view.name));
      continue;
    }
    views.set(view.name, view);
    viewVersions.set(view.name, new Map([[view.versionNumber, view]]));
    if (pushSource === undefined) continue;
    const fed = pushSources.get(pushSource);
    if (fed === undefined) pushSources.set(pushSource, [view.name]);
    else fed.push(view.name);
  }
  for (const earlier of parts.history) {
    yield;
    // A name that is no longer in the registry is not served at any version.
    const versions = viewVersions.get(earlier.name);
    if (versions !== undefined && !versions.has(earlier.versionNumber)) {
      versions.set(earlier.versionNumber, earlier);
    }
  }
  const sharedVersions = new Map<string, ReadonlyMap<number, ViewDefinition>>();
  for (const [name, versions] of viewVersions) {
    yield;
    const before = parts.was?.viewVersions.get(name);
    sharedVersions.set(
      name,
      before !== undefined && holdSame(versions, before) ? before : versions,
    );
  }
  const featureServices = new Map<string, FeatureServiceDefinition>();
  for (const service of parts.services) {
    yield;
    if (featureServices.has(service.name)) {
      duplicates.add(severalAreCalled('feature services', service.name));
    } else {
      featureServices.set(service.name, service);
    }
  }
  for (const fed of pushSources.values()) Object.freeze(fed);
  const snapshot = Object.freeze({
    project: parts.project,
    versionId: parts.versionId,
    lastUpdatedMs: parts.lastUpdatedMs,
    entities: parts.entities,
    views,
    viewVersions: sharedVersions,
    featureServices,
    pushSources,
    permissions: Object.freeze(parts.permissions),
    versioningEnabled: parts.versioningEnabled,
  });
  return { snapshot, duplicates: [...duplicates] };
}

function holdSame<K, V>(left: ReadonlyMap<K, V>, right: ReadonlyMap<K, V>): boolean {
  if (left.size !== right.size) return false;
  for (const [key, value] of left) if (right.get(key) !== value) return false;
  return true;
}

function severalAreCalled(what: string, name: string): string {
  return `several ${what} are called ${name}; the first of them is served`;
}

/** Entities of the scope by name; of several with one name the first. */
export function defineEntities(
  entities: Iterable<Entity>,
  scope: ProjectScope,
): ReadonlyMap<string, EntityDefinition> {
  const byName = new Map<string, EntityDefinition>();
  for (const { spec } of entities) {
    if (spec === undefined || !isInScope(spec.project, scope) || byName.has(spec.name)) continue;
    byName.set(
      spec.name,
      Object.freeze({
        name: spec.name,
        joinKey: spec.joinKey === '' ? spec.name : spec.joinKey,
        valueType: spec.valueType,
      }),
    );
  }
  return byName;
}

/** A feature service, frozen. */
export function defineService({ spec }: FeatureService): FeatureServiceDefinition {
  return Object.freeze({
    name: spec?.name ?? '',
    projections: Object.freeze((spec?.features ?? []).map(describeProjection)),
    precomputeOnline: spec?.precomputeOnline ?? false,
    tags: Object.freeze({ ...spec?.tags }),
    owner: spec?.owner ?? '',
    description: spec?.description ?? '',
  });
}
