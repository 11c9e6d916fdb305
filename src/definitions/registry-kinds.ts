import { type DescMessage, type MessageShape, clone, create } from '@bufbuild/protobuf';
import { type Timestamp, DurationSchema } from '@bufbuild/protobuf/wkt';
import {
  type DataSource,
  DataSourceSchema,
  DataSource_SourceMetaSchema,
} from '../../gen/feast/core/DataSource_pb.ts';
import { EntityMetaSchema, EntitySchema } from '../../gen/feast/core/Entity_pb.ts';
import {
  FeatureServiceMetaSchema,
  FeatureServiceSchema,
} from '../../gen/feast/core/FeatureService_pb.ts';
import { FeatureViewMetaSchema, FeatureViewSchema } from '../../gen/feast/core/FeatureView_pb.ts';
import type { FeatureViewProjection } from '../../gen/feast/core/FeatureViewProjection_pb.ts';
import {
  OnDemandFeatureViewMetaSchema,
  OnDemandFeatureViewSchema,
} from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';

/** The kinds of objects that definitions make, in the words of Feast's protos. */
export type ObjectKind =
  | 'project'
  | 'entity'
  | 'data_source'
  | 'feature_view'
  | 'on_demand_feature_view'
  | 'feature_service';

/** When an object came to be and last changed; each kind keeps it in its own `meta` message. */
export interface ObjectTimes {
  createdTimestamp?: Timestamp | undefined;
  lastUpdatedTimestamp?: Timestamp | undefined;
}

/** What the merge has to know of a kind of objects. */
export interface RegistryKind<D extends DescMessage> {
  readonly kind: ObjectKind;
  readonly schema: D;
  /** The list of the registry that holds the objects of this kind, of all projects. */
  list(registry: Registry): MessageShape<D>[];
  identity(object: MessageShape<D>): { readonly name: string; readonly project: string };
  /** A copy without what two equal definitions may differ in: times, states, embedded times, left-out defaults. */
  comparable(object: MessageShape<D>): MessageShape<D>;
  /** Gives `next` the `meta` of `before`, or an empty one; returns the times in it, to be set. */
  adoptMeta(before: MessageShape<D> | undefined, next: MessageShape<D>): ObjectTimes;
}

export const entityKind: RegistryKind<typeof EntitySchema> = {
  kind: 'entity',
  schema: EntitySchema,
  list: (registry) => registry.entities,
  identity: specIdentity,
  comparable: (entity) => {
    const copy = clone(EntitySchema, entity);
    delete copy.meta;
    return copy;
  },
  adoptMeta: (before, next) => (next.meta = adopt(EntityMetaSchema, before?.meta)),
};

export const dataSourceKind: RegistryKind<typeof DataSourceSchema> = {
  kind: 'data_source',
  schema: DataSourceSchema,
  list: (registry) => registry.dataSources,
  identity: (source) => source,
  comparable: (source) => {
    const copy = clone(DataSourceSchema, source);
    stripSource(copy);
    return copy;
  },
  adoptMeta: (before, next) => (next.meta = adopt(DataSource_SourceMetaSchema, before?.meta)),
};

export const featureViewKind: RegistryKind<typeof FeatureViewSchema> = {
  kind: 'feature_view',
  schema: FeatureViewSchema,
  list: (registry) => registry.featureViews,
  identity: specIdentity,
  comparable: (view) => {
    const copy = clone(FeatureViewSchema, view);
    delete copy.meta;
    if (copy.spec === undefined) return copy;
    stripSource(copy.spec.batchSource);
    stripSource(copy.spec.streamSource);
    copy.spec.version ||= 'latest';
    // Unset and zero both mean that values never grow too old.
    copy.spec.ttl ??= create(DurationSchema);
    return copy;
  },
  adoptMeta: (before, next) => (next.meta = adopt(FeatureViewMetaSchema, before?.meta)),
};

export const onDemandKind: RegistryKind<typeof OnDemandFeatureViewSchema> = {
  kind: 'on_demand_feature_view',
  schema: OnDemandFeatureViewSchema,
  list: (registry) => registry.onDemandFeatureViews,
  identity: specIdentity,
  comparable: (view) => {
    const copy = clone(OnDemandFeatureViewSchema, view);
    delete copy.meta;
    if (copy.spec === undefined) return copy;
    copy.spec.version ||= 'latest';
    for (const { source } of Object.values(copy.spec.sources)) {
      if (source.case === 'requestDataSource') stripSource(source.value);
      if (source.case === 'featureViewProjection') stripProjection(source.value);
    }
    const transformation = copy.spec.featureTransformation?.transformation;
    // The pickled function differs from one Python to the next; its source does not.
    if (transformation?.case === 'userDefinedFunction')
      transformation.value.body = new Uint8Array();
    delete copy.spec.userDefinedFunction;
    return copy;
  },
  adoptMeta: (before, next) => (next.meta = adopt(OnDemandFeatureViewMetaSchema, before?.meta)),
};

export const featureServiceKind: RegistryKind<typeof FeatureServiceSchema> = {
  kind: 'feature_service',
  schema: FeatureServiceSchema,
  list: (registry) => registry.featureServices,
  identity: specIdentity,
  comparable: (service) => {
    const copy = clone(FeatureServiceSchema, service);
    delete copy.meta;
    for (const projection of copy.spec?.features ?? []) stripProjection(projection);
    return copy;
  },
  adoptMeta: (before, next) => (next.meta = adopt(FeatureServiceMetaSchema, before?.meta)),
};

function adopt<D extends DescMessage>(
  schema: D,
  meta: MessageShape<D> | undefined,
): MessageShape<D> {
  return meta === undefined ? create(schema) : clone(schema, meta);
}

function specIdentity(object: {
  spec?: { readonly name: string; readonly project: string } | undefined;
}): { readonly name: string; readonly project: string } {
  return object.spec ?? { name: '', project: '' };
}

function stripSource(source: DataSource | undefined): void {
  if (source === undefined) return;
  delete source.meta;
  // Feast leaves it out of views that it writes back; which loader a source has follows from its type.
  source.dataSourceClassType = '';
  stripSource(source.batchSource);
}

function stripProjection(projection: FeatureViewProjection): void {
  stripSource(projection.batchSource);
  projection.viewType ||= 'featureView';
}
