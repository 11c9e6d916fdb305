import { create } from '@bufbuild/protobuf';
import { type FeatureSpecV2, FeatureSpecV2Schema } from '../../gen/feast/core/Feature_pb.ts';
import type { FeatureField } from './definition.ts';

/** A field of a schema as the registry keeps it. */
export function featureSpec(field: FeatureField): FeatureSpecV2 {
  return create(FeatureSpecV2Schema, {
    name: field.name,
    valueType: field.type.valueType,
    description: field.description,
    tags: { ...field.tags },
    vectorIndex: field.vector !== undefined,
    vectorLength: field.vector?.length ?? 0,
    vectorSearchMetric: field.vector?.searchMetric ?? '',
  });
}
