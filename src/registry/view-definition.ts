import type { Duration } from '@bufbuild/protobuf/wkt';
import type { FeatureSpecV2 } from '../../gen/feast/core/Feature_pb.ts';
import { FeatureViewState } from '../../gen/feast/core/FeatureView_pb.ts';
import type { FeatureView } from '../../gen/feast/core/FeatureView_pb.ts';
import type { LabelView } from '../../gen/feast/core/LabelView_pb.ts';
import type { OnDemandFeatureView } from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import type { StreamFeatureView } from '../../gen/feast/core/StreamFeatureView_pb.ts';
import { describeBatchSource, describeMaterialization } from './batch-source.ts';
import { keepSame } from './is-same.ts';
import { describeOnDemand } from './on-demand-definition.ts';
import type {
  EntityDefinition,
  FieldDefinition,
  ViewDefinition,
  ViewKind,
  ViewState,
} from './registry-model.ts';

/** The message of each kind of view. */
export type ViewMessage =
  | { readonly kind: 'feature_view'; readonly view: FeatureView }
  | { readonly kind: 'stream_feature_view'; readonly view: StreamFeatureView }
  | { readonly kind: 'on_demand_feature_view'; readonly view: OnDemandFeatureView }
  | { readonly kind: 'label_view'; readonly view: LabelView };

/** Feast's stand-in for the entity of views without one, and its join key, which is always the text ''. */
export const DUMMY_ENTITY = '__dummy';
const DUMMY_JOIN_KEY = '__dummy_id';
const STRING = 2;

const STATES: Readonly<Record<number, ViewState>> = {
  [FeatureViewState.STATE_UNSPECIFIED]: 'unspecified',
  [FeatureViewState.CREATED]: 'created',
  [FeatureViewState.GENERATED]: 'generated',
  [FeatureViewState.MATERIALIZING]: 'materializing',
  [FeatureViewState.AVAILABLE_ONLINE]: 'available_online',
};

/** What the message of a view has to say beyond what is alike in all kinds. */
interface ViewTraits {
  readonly ttl: Duration | undefined;
  readonly online: boolean;
  readonly disabled: boolean;
  readonly state: FeatureViewState;
  readonly versionNumber: number;
}

/**
 * A view as the server needs it, frozen: another object than before only if it says something else. Of one that does, the
 * parts that did not change are those of before: what a reload makes and keeps is what a full collection has to find later.
 *
 * @param entities of the same project, by name. An entity that is not there contributes the join key that
 *   `entity_columns` still holds, else one of its own name and no type.
 * @param versionNumber of an earlier definition; `undefined` = the one that the message itself says is current.
 * @param before what was served under the name and version until now.
 */
export function defineView(
  message: ViewMessage,
  entities: ReadonlyMap<string, EntityDefinition>,
  {
    versionNumber,
    before,
  }: {
    readonly versionNumber?: number;
    readonly before?: ViewDefinition | undefined;
  } = {},
): ViewDefinition {
  const { spec } = message.view;
  const traits = traitsOf(message);
  const features = fieldsOf(spec?.features ?? [], before?.features);
  const entityNames =
    spec === undefined || spec.entities.length === 0 ? [DUMMY_ENTITY] : spec.entities;
  const materialization = keepSame(materializationOf(message), before?.materialization);
  const view = Object.freeze({
    kind: message.kind,
    name: keepSame(spec?.name ?? '', before?.name),
    entityNames: keepSame(Object.freeze([...entityNames]), before?.entityNames),
    joinKeys: fieldsOf(
      joinKeysOf(entityNames, spec?.entityColumns ?? [], entities),
      before?.joinKeys,
    ),
    features,
    featuresByName:
      features === before?.features
        ? before.featuresByName
        : new Map(features.map((feature) => [feature.name, feature])),
    ttlSeconds: Math.max(0, Number(traits.ttl?.seconds ?? 0n)),
    disabled: traits.disabled,
    online: traits.online,
    state: STATES[traits.state] ?? 'other',
    versionNumber: versionNumber ?? traits.versionNumber,
    tags: keepSame(Object.freeze({ ...spec?.tags }), before?.tags),
    owner: spec?.owner ?? '',
    description: spec?.description ?? '',
    ...(isBatchView(message) ? { isBatchView: true } : {}),
    ...(materialization === undefined ? {} : { materialization }),
    ...(message.kind === 'on_demand_feature_view' && message.view.spec !== undefined
      ? { onDemand: describeOnDemand(message.view.spec) }
      : {}),
  });
  return keepSame(view, before);
}

/** Feast tells its classes of feature views apart by the transformation (feast/feature_view.py). */
function isBatchView({ kind, view }: ViewMessage): boolean {
  return kind === 'feature_view' && view.spec?.featureTransformation !== undefined;
}

/** The fields of before if they are these, else these, frozen, in their order. */
function fieldsOf(
  fields: readonly FieldDefinition[],
  before: readonly FieldDefinition[] | undefined,
): readonly FieldDefinition[] {
  if (before?.length !== fields.length) return freezeFields(fields);
  const isSameField = ({ name, valueType }: FieldDefinition, index: number): boolean =>
    before[index]?.name === name && before[index].valueType === valueType;
  return fields.every(isSameField) ? before : freezeFields(fields);
}

/** Field definitions of features, frozen, in their order. */
export function freezeFields(features: readonly FieldDefinition[]): readonly FieldDefinition[] {
  return Object.freeze(features.map(({ name, valueType }) => Object.freeze({ name, valueType })));
}

/** The push source that feeds a view, or `undefined`. */
export function pushSourceOf(message: ViewMessage): string | undefined {
  const source = sourceOf(message);
  const isPush = source?.options.case === 'pushOptions' || source?.type === PUSH_SOURCE;
  return isPush && source.name !== '' ? source.name : undefined;
}

/** `DataSource.SourceType.PUSH_SOURCE`. */
const PUSH_SOURCE = 9;

function sourceOf({ kind, view }: ViewMessage) {
  switch (kind) {
    case 'feature_view':
    case 'stream_feature_view':
      return view.spec?.streamSource;
    case 'label_view':
      return view.spec?.source;
    case 'on_demand_feature_view':
      return undefined;
  }
}

function traitsOf({ kind, view }: ViewMessage): ViewTraits {
  switch (kind) {
    case 'feature_view':
    case 'stream_feature_view':
      return {
        ttl: view.spec?.ttl,
        online: view.spec?.online ?? false,
        disabled: view.spec?.disabled ?? false,
        state: view.meta?.state ?? FeatureViewState.STATE_UNSPECIFIED,
        versionNumber: view.meta?.currentVersionNumber ?? 0,
      };
    case 'on_demand_feature_view':
      return {
        ttl: undefined,
        online: view.spec?.writeToOnlineStore ?? false,
        disabled: view.spec?.disabled ?? false,
        state: view.meta?.state ?? FeatureViewState.STATE_UNSPECIFIED,
        versionNumber: view.meta?.currentVersionNumber ?? 0,
      };
    case 'label_view':
      return {
        ttl: view.spec?.ttl,
        online: view.spec?.online ?? false,
        disabled: false,
        state: FeatureViewState.STATE_UNSPECIFIED,
        versionNumber: 0,
      };
  }
}

function materializationOf({ kind, view }: ViewMessage): ViewDefinition['materialization'] {
  switch (kind) {
    case 'feature_view':
    case 'stream_feature_view':
      return view.spec === undefined ? undefined : describeMaterialization(view.spec, view.meta);
    case 'label_view': {
      const batchSource = describeBatchSource(view.spec?.source);
      return batchSource === undefined ? undefined : { batchSource };
    }
    case 'on_demand_feature_view':
      return undefined;
  }
}

/** One per entity. What `entity_columns` says of a join key's type wins over its entity. */
function joinKeysOf(
  entityNames: readonly string[],
  entityColumns: readonly FeatureSpecV2[],
  entities: ReadonlyMap<string, EntityDefinition>,
): readonly FieldDefinition[] {
  const types = new Map(entityColumns.map((column) => [column.name, column.valueType]));
  const known = new Set(entityNames.map((name) => entities.get(name)?.joinKey));
  const unclaimed = entityColumns.map(({ name }) => name).filter((name) => !known.has(name));
  return entityNames.map((entityName) => {
    if (entityName === DUMMY_ENTITY) return { name: DUMMY_JOIN_KEY, valueType: STRING };
    const entity = entities.get(entityName);
    const name = entity?.joinKey ?? unclaimed.shift() ?? entityName;
    return { name, valueType: types.get(name) || (entity?.valueType ?? 0) };
  });
}

/** Kinds in the order in which Feast looks a name up. */
export const VIEW_KINDS: readonly ViewKind[] = [
  'feature_view',
  'stream_feature_view',
  'on_demand_feature_view',
  'label_view',
];
