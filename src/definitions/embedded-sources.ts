import {
  DataSource_SourceMetaSchema,
  type DataSource,
} from '../../gen/feast/core/DataSource_pb.ts';
import { clone } from '@bufbuild/protobuf';
import type { FeatureViewProjection } from '../../gen/feast/core/FeatureViewProjection_pb.ts';
import type { RegistryObjects } from './registry-objects.ts';

/**
 * Gives the copies of sources inside other objects the times of the sources themselves, as Feast does.
 *
 * @param recorded the project's data sources as they are going to be in the registry
 * @param objects are edited in place
 */
export function stampEmbeddedSources(
  recorded: readonly DataSource[],
  objects: RegistryObjects,
): void {
  const byName = new Map(recorded.map((source) => [source.name, source]));
  for (const source of recorded) stamp(byName, source.batchSource);
  for (const { spec } of objects.featureViews) {
    stamp(byName, spec?.batchSource);
    stamp(byName, spec?.streamSource);
  }
  for (const { spec } of objects.onDemandFeatureViews) {
    for (const { source } of Object.values(spec?.sources ?? {})) {
      if (source.case === 'requestDataSource') stamp(byName, source.value);
      if (source.case === 'featureViewProjection') stampProjection(byName, source.value);
    }
  }
  for (const { spec } of objects.featureServices) {
    for (const projection of spec?.features ?? []) stampProjection(byName, projection);
  }
}

function stampProjection(
  byName: ReadonlyMap<string, DataSource>,
  projection: FeatureViewProjection,
): void {
  stamp(byName, projection.batchSource);
}

function stamp(byName: ReadonlyMap<string, DataSource>, copy: DataSource | undefined): void {
  if (copy === undefined) return;
  const meta = byName.get(copy.name)?.meta;
  if (meta !== undefined) copy.meta = clone(DataSource_SourceMetaSchema, meta);
  stamp(byName, copy.batchSource);
}
