import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import { definePermission } from './permission-definition.ts';
import type { RegistrySnapshot } from './registry-model.ts';
import { runAtOnce } from './run-in-slices.ts';
import {
  assembleSnapshot,
  defineEntities,
  defineService,
  isInScope,
  scopeOf,
} from './snapshot-builder.ts';
import type { ProjectScope, ViewEntry } from './snapshot-builder.ts';
import { defineEarlierView } from './version-record.ts';
import { defineView, pushSourceOf } from './view-definition.ts';
import type { ViewMessage } from './view-definition.ts';

/** Whose snapshot to build, and how. */
export interface SnapshotOptions {
  readonly project: string;
  /** `registry.enable_online_feature_view_versioning`; without it the version history is not looked at. */
  readonly versioningEnabled: boolean;
}

/**
 * The frozen, indexed snapshot of one project of a registry. Objects of other projects are left out; a project that the
 * registry does not hold gives an empty snapshot.
 */
export function buildRegistrySnapshot(
  registry: Registry,
  { project, versioningEnabled }: SnapshotOptions,
): RegistrySnapshot {
  const scope = scopeOf(project, projectsNamedBy(registry));
  const entities = defineEntities(registry.entities, scope);
  const messages: readonly ViewMessage[] = [
    ...registry.featureViews.map((view) => ({ kind: 'feature_view', view }) as const),
    ...registry.streamFeatureViews.map((view) => ({ kind: 'stream_feature_view', view }) as const),
    ...registry.onDemandFeatureViews.map(
      (view) => ({ kind: 'on_demand_feature_view', view }) as const,
    ),
    ...registry.labelViews.map((view) => ({ kind: 'label_view', view }) as const),
  ];
  const records = versioningEnabled ? (registry.featureViewVersionHistory?.records ?? []) : [];
  const assembling = assembleSnapshot({
    project,
    versionId: registry.versionId,
    lastUpdatedMs: Math.trunc(
      Number(registry.lastUpdated?.seconds ?? 0n) * 1000 + (registry.lastUpdated?.nanos ?? 0) / 1e6,
    ),
    entities,
    views: messages.filter(hasProject(scope)).map((message): ViewEntry => ({
      view: defineView(message, entities),
      pushSource: pushSourceOf(message),
    })),
    history: records
      .filter((record) => isInScope(record.projectId, scope))
      .flatMap((record) => defineEarlierView(record, entities) ?? []),
    services: registry.featureServices
      .filter(({ spec }) => spec !== undefined && isInScope(spec.project, scope))
      .map(defineService),
    permissions: registry.permissions
      .filter(({ spec }) => isInScope(spec?.project ?? '', scope))
      .map(definePermission),
    versioningEnabled,
  });
  return runAtOnce(assembling).snapshot;
}

/** Every project that a registry mentions; each has an entity at least (`__dummy`). */
export function projectsNamedBy(
  registry: Pick<Registry, 'projects' | 'projectMetadata' | 'entities'>,
): readonly string[] {
  const named = [
    ...registry.projects.map(({ spec }) => spec?.name ?? ''),
    ...registry.projectMetadata.map(({ project }) => project),
    ...registry.entities.map(({ spec }) => spec?.project ?? ''),
  ];
  return [...new Set(named)].filter((name) => name !== '');
}

function hasProject(scope: ProjectScope): (message: ViewMessage) => boolean {
  return ({ view: { spec } }) => spec !== undefined && isInScope(spec.project, scope);
}
