import { fromBinary } from '@bufbuild/protobuf';
import { FeatureViewSchema } from '../../gen/feast/core/FeatureView_pb.ts';
import type { FeatureViewVersionRecord } from '../../gen/feast/core/FeatureViewVersion_pb.ts';
import { LabelViewSchema } from '../../gen/feast/core/LabelView_pb.ts';
import { OnDemandFeatureViewSchema } from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import { StreamFeatureViewSchema } from '../../gen/feast/core/StreamFeatureView_pb.ts';
import type { EntityDefinition, ViewDefinition, ViewKind } from './registry-model.ts';
import { defineView } from './view-definition.ts';
import type { ViewMessage } from './view-definition.ts';

/** Decodes one view of the given kind. @throws Error for bytes that are no such message */
export function decodeView(kind: ViewKind, bytes: Uint8Array): ViewMessage {
  switch (kind) {
    case 'feature_view':
      return { kind, view: fromBinary(FeatureViewSchema, bytes) };
    case 'stream_feature_view':
      return { kind, view: fromBinary(StreamFeatureViewSchema, bytes) };
    case 'on_demand_feature_view':
      return { kind, view: fromBinary(OnDemandFeatureViewSchema, bytes) };
    case 'label_view':
      return { kind, view: fromBinary(LabelViewSchema, bytes) };
  }
}

/**
 * The view that a record of the version history keeps, under the name and number of the record. `undefined` where the
 * record is of an unknown kind or damaged: that version is then not found, and nothing else suffers.
 *
 * @param before as for `defineView`
 */
export function defineEarlierView(
  record: FeatureViewVersionRecord,
  entities: ReadonlyMap<string, EntityDefinition>,
  before?: ViewDefinition,
): ViewDefinition | undefined {
  const kind = KINDS[record.featureViewType];
  if (kind === undefined) return undefined;
  try {
    const message = decodeView(kind, record.featureViewProto);
    const { versionNumber } = record;
    const view = defineView(message, entities, { versionNumber, before });
    return view.name === record.featureViewName ? view : undefined;
  } catch {
    return undefined;
  }
}

/** Registries before `feature_view_type` was written hold feature views only. */
const KINDS: Readonly<Record<string, ViewKind>> = {
  '': 'feature_view',
  feature_view: 'feature_view',
  stream_feature_view: 'stream_feature_view',
  on_demand_feature_view: 'on_demand_feature_view',
  label_view: 'label_view',
};
