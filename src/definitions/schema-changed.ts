import { type DescMessage, equals, type MessageShape } from '@bufbuild/protobuf';
import { type FeatureSpecV2, FeatureSpecV2Schema } from '../../gen/feast/core/Feature_pb.ts';
import type { FeatureView } from '../../gen/feast/core/FeatureView_pb.ts';
import {
  type OnDemandFeatureView,
  OnDemandSourceSchema,
} from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import { FeatureTransformationV2Schema } from '../../gen/feast/core/Transformation_pb.ts';

/**
 * Whether a view changed in a way that Feast counts as a new version: its features, entities or (on demand) sources and
 * function. Descriptions, tags, TTL, sources of stored views and the order of features are not. Both views are in the
 * comparable form of their kind.
 */
export function schemaChanged(
  before: FeatureView | OnDemandFeatureView,
  next: FeatureView | OnDemandFeatureView,
): boolean {
  const [a, b] = [before.spec, next.spec];
  if (a === undefined || b === undefined) return true;
  if (!sameFields(a.features, b.features) || !sameFields(a.entityColumns, b.entityColumns)) {
    return true;
  }
  if (a.$typeName === 'feast.core.FeatureViewSpec') {
    return a.entities.toSorted().join('\n') !== b.entities.toSorted().join('\n');
  }
  if (b.$typeName === 'feast.core.FeatureViewSpec') return true;
  if (a.mode !== b.mode) return true;
  if (
    !sameMessage(FeatureTransformationV2Schema, a.featureTransformation, b.featureTransformation)
  ) {
    return true;
  }
  const names = new Set([...Object.keys(a.sources), ...Object.keys(b.sources)]);
  return [...names].some(
    (name) => !sameMessage(OnDemandSourceSchema, a.sources[name], b.sources[name]),
  );
}

function sameFields(a: readonly FeatureSpecV2[], b: readonly FeatureSpecV2[]): boolean {
  if (a.length !== b.length) return false;
  const byName = new Map(b.map((field) => [field.name, field]));
  return a.every((field) => sameMessage(FeatureSpecV2Schema, field, byName.get(field.name)));
}

function sameMessage<D extends DescMessage>(
  schema: D,
  a: MessageShape<D> | undefined,
  b: MessageShape<D> | undefined,
): boolean {
  if (a === undefined || b === undefined) return a === b;
  return equals(schema, a, b);
}
