import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { type Entity as EntityProto, EntitySchema } from '../../gen/feast/core/Entity_pb.ts';
import {
  type FeatureService as FeatureServiceProto,
  FeatureServiceSchema,
} from '../../gen/feast/core/FeatureService_pb.ts';
import {
  type FeatureView as FeatureViewProto,
  FeatureViewSchema,
} from '../../gen/feast/core/FeatureView_pb.ts';
import {
  type FeatureViewProjection as ProjectionProto,
  FeatureViewProjectionSchema,
} from '../../gen/feast/core/FeatureViewProjection_pb.ts';
import { type FeatureSpecV2, FeatureSpecV2Schema } from '../../gen/feast/core/Feature_pb.ts';
import type { DataSource as DataSourceProto } from '../../gen/feast/core/DataSource_pb.ts';
import {
  type OnDemandFeatureView as OnDemandFeatureViewProto,
  OnDemandFeatureViewSchema,
  OnDemandSourceSchema,
} from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import { ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';
import type { DefinitionSet } from './collect-definitions.ts';
import {
  DEFINITION,
  type Entity,
  type FeatureService,
  type FeatureViewData,
  type FeatureViewProjectionData,
  type FileSource,
  type OnDemandFeatureViewData,
  type PushSource,
} from './definition.ts';
import { onDemandSourceName } from './define-on-demand-feature-view.ts';
import { FUNCTION_TAG } from '../registry/on-demand-definition.ts';
import { featureSpec } from './feature-spec.ts';
import { dataSourceRecord, embeddedSource } from './registry-data-source.ts';

/** The name of the entity that every project has, and that entityless views belong to. */
export const DUMMY_ENTITY = '__dummy';
const DUMMY_JOIN_KEY = '__dummy_id';

/** The objects of one project as a registry keeps them, without `meta`: times and states are the registry's own. */
export interface RegistryObjects {
  readonly entities: readonly EntityProto[];
  readonly dataSources: readonly DataSourceProto[];
  readonly featureViews: readonly FeatureViewProto[];
  readonly onDemandFeatureViews: readonly OnDemandFeatureViewProto[];
  readonly featureServices: readonly FeatureServiceProto[];
}

/** Writes definitions the way Feast's SDK writes the same ones: same fields set, same left out. */
export function registryObjects(set: DefinitionSet, project: string): RegistryObjects {
  return {
    entities: [
      ...set.entities.map((entity) => entityRecord(entity, project)),
      dummyEntity(project),
    ],
    dataSources: set.sources.map((source) => dataSourceRecord(source, project)),
    featureViews: set.featureViews.map((view) => featureViewRecord(view, project)),
    onDemandFeatureViews: set.onDemandFeatureViews.map((view) =>
      onDemandRecord(view, project, set.functionHashes.get(view.name)),
    ),
    featureServices: set.featureServices.map((service) => serviceRecord(service, project)),
  };
}

function entityRecord(entity: Entity, project: string): EntityProto {
  return create(EntitySchema, {
    spec: {
      name: entity.name,
      valueType: entity.valueType.valueType,
      description: entity.description,
      joinKey: entity.joinKey,
      tags: { ...entity.tags },
      project,
      owner: entity.owner,
    },
  });
}

function dummyEntity(project: string): EntityProto {
  return create(EntitySchema, {
    spec: { name: DUMMY_ENTITY, joinKey: DUMMY_JOIN_KEY, project },
  });
}

function entityNames(entities: readonly Entity[]): string[] {
  return entities.length === 0 ? [DUMMY_ENTITY] : entities.map(({ name }) => name);
}

function entityColumns(entities: readonly Entity[]): FeatureSpecV2[] {
  if (entities.length === 0) {
    const valueType = ValueType_Enum.STRING;
    return [create(FeatureSpecV2Schema, { name: DUMMY_JOIN_KEY, valueType })];
  }
  return entities.map((entity) =>
    create(FeatureSpecV2Schema, {
      name: entity.joinKey,
      valueType: entity.valueType.valueType,
    }),
  );
}

function fileOf(source: FileSource | PushSource): FileSource {
  return source[DEFINITION] === 'push_source' ? source.batchSource : source;
}

function featureViewRecord(view: FeatureViewData, project: string): FeatureViewProto {
  const pushed = view.source[DEFINITION] === 'push_source' ? view.source : undefined;
  return create(FeatureViewSchema, {
    spec: {
      name: view.name,
      project,
      entities: entityNames(view.entities),
      features: view.features.map(featureSpec),
      tags: { ...view.tags },
      ttl: create(DurationSchema, { seconds: BigInt(view.ttlSeconds) }),
      batchSource: embeddedSource(fileOf(view.source), { withClass: true }),
      ...(pushed && { streamSource: embeddedSource(pushed, { withClass: true }) }),
      online: view.online,
      description: view.description,
      owner: view.owner,
      entityColumns: entityColumns(view.entities),
      version: 'latest',
      disabled: !view.enabled,
    },
  });
}

function projectionRecord(projection: FeatureViewProjectionData): ProjectionProto {
  const { view } = projection;
  const file = view[DEFINITION] === 'feature_view' ? fileOf(view.source) : undefined;
  return create(FeatureViewProjectionSchema, {
    featureViewName: view.name,
    featureViewNameAlias: projection.alias,
    featureColumns: projection.features.map(featureSpec),
    joinKeyMap: { ...projection.joinKeyMap },
    viewType: 'featureView',
    ...(file && {
      // Feast writes the created-timestamp column into both; its readers expect what it wrote.
      timestampField: file.createdTimestampColumn,
      createdTimestampColumn: file.createdTimestampColumn,
      batchSource: embeddedSource(file, { withClass: false }),
    }),
  });
}

function serviceRecord(service: FeatureService, project: string): FeatureServiceProto {
  return create(FeatureServiceSchema, {
    spec: {
      name: service.name,
      project,
      features: service.projections.map(projectionRecord),
      tags: { ...service.tags },
      description: service.description,
      owner: service.owner,
      precomputeOnline: service.precomputeOnline,
    },
  });
}

function onDemandRecord(
  view: OnDemandFeatureViewData,
  project: string,
  functionHash: string | undefined,
): OnDemandFeatureViewProto {
  const sources = view.sources.map((source) => {
    const inner =
      source[DEFINITION] === 'request_source'
        ? {
            case: 'requestDataSource' as const,
            value: embeddedSource(source, { withClass: false }),
          }
        : { case: 'featureViewProjection' as const, value: projectionRecord(source) };
    return [onDemandSourceName(source), create(OnDemandSourceSchema, { source: inner })] as const;
  });
  return create(OnDemandFeatureViewSchema, {
    spec: {
      name: view.name,
      project,
      features: view.features.map(featureSpec),
      sources: Object.fromEntries(sources),
      ...(view.pythonSource !== undefined && {
        featureTransformation: {
          transformation: {
            case: 'userDefinedFunction',
            value: {
              name: /^def\s+(\w+)/m.exec(view.pythonSource)?.[1] ?? '',
              bodyText: view.pythonSource,
              mode: view.mode,
            },
          },
        },
      }),
      description: view.description,
      // Feast keeps tags, and gives them no meaning.
      tags: { ...view.tags, ...(functionHash !== undefined && { [FUNCTION_TAG]: functionHash }) },
      owner: view.owner,
      mode: view.mode,
      writeToOnlineStore: view.writeToOnlineStore,
      entities: entityNames(view.entities),
      entityColumns: entityColumns(view.entities),
      version: 'latest',
    },
  });
}
