import type { DataSource } from '../../gen/feast/core/DataSource_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import { invalidDefinition } from './definition-error.ts';
import type { RegistryObjects } from './registry-objects.ts';

/** An object of the project that stays although no definition makes it. */
export interface KeptObject {
  /** A word of Feast's protos: `stream_feature_view`, `label_view`, or `entity` and `data_source` that these use. */
  readonly kind: string;
  readonly name: string;
}

/** Views that only Feast's Python can define, with what they refer to. */
interface ForeignView {
  readonly kind: 'stream_feature_view' | 'label_view';
  readonly name: string;
  readonly entities: readonly string[];
  readonly sources: readonly (DataSource | undefined)[];
}

/**
 * Lists what an apply leaves alone: stream feature views and label views, which are defined in Python, and the entities
 * and sources that they need and nobody here defines.
 */
export function keptObjects(
  registry: Registry,
  objects: RegistryObjects,
  project: string,
): readonly KeptObject[] {
  const views = foreignViews(registry, project);
  const defined = new Set([
    ...objects.entities.map(({ spec }) => `entity ${spec?.name}`),
    ...objects.dataSources.map(({ name }) => `data_source ${name}`),
  ]);
  const kept = new Map<string, KeptObject>();
  const keep = (kind: string, name: string): void => {
    const key = `${kind} ${name}`;
    if (!defined.has(key)) kept.set(key, { kind, name });
  };
  for (const view of views) {
    keep(view.kind, view.name);
    for (const entity of view.entities) keep('entity', entity);
    for (const source of view.sources.flatMap(withBatchSource)) keep('data_source', source.name);
  }
  return [...kept.values()];
}

/**
 * @throws SideboardError INVALID_DEFINITION when a defined view has the name of one that only Python can define
 */
export function refuseTakenNames(
  registry: Registry,
  objects: RegistryObjects,
  project: string,
): void {
  const taken = new Map(
    foreignViews(registry, project).map((view) => [view.name.toLowerCase(), view]),
  );
  const views = [...objects.featureViews, ...objects.onDemandFeatureViews];
  for (const { spec } of views) {
    const other = taken.get(spec?.name.toLowerCase() ?? '');
    if (other === undefined) continue;
    throw invalidDefinition(
      `feature view "${spec?.name}"`,
      `the registry already has a ${other.kind.replaceAll('_', ' ')} of that name in project ${project}`,
      'rename one; upper and lower case do not tell them apart',
    );
  }
}

function foreignViews(registry: Registry, project: string): readonly ForeignView[] {
  const streams = registry.streamFeatureViews.flatMap(({ spec }) =>
    spec?.project === project
      ? {
          kind: 'stream_feature_view' as const,
          name: spec.name,
          entities: spec.entities,
          sources: [spec.batchSource, spec.streamSource],
        }
      : [],
  );
  const labels = registry.labelViews.flatMap(({ spec }) =>
    spec?.project === project
      ? {
          kind: 'label_view' as const,
          name: spec.name,
          entities: spec.entities,
          sources: [spec.source],
        }
      : [],
  );
  return [...streams, ...labels];
}

function withBatchSource(source: DataSource | undefined): readonly DataSource[] {
  return source === undefined ? [] : [source, ...withBatchSource(source.batchSource)];
}
