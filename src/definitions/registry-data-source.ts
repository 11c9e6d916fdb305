import { create } from '@bufbuild/protobuf';
import {
  type DataSource as DataSourceProto,
  DataSourceSchema,
  DataSource_SourceType as SourceType,
} from '../../gen/feast/core/DataSource_pb.ts';
import { DEFINITION, type FileSource, type PushSource, type RequestSource } from './definition.ts';
import { featureSpec } from './feature-spec.ts';

/** The Python class that loads each kind of source. */
const CLASS_TYPES = {
  file_source: 'feast.infra.offline_stores.file_source.FileSource',
  push_source: 'feast.data_source.PushSource',
  request_source: 'feast.data_source.RequestSource',
} as const;

/** A source as an object of its own: with its project and the class that loads it. */
export function dataSourceRecord(
  source: FileSource | PushSource | RequestSource,
  project: string,
): DataSourceProto {
  const record = embeddedSource(source, { withClass: true });
  record.project = project;
  return record;
}

/**
 * A source inside another object, where it has no project. Feast names the loading class in views and leaves it out in
 * projections, on-demand views and push sources.
 */
export function embeddedSource(
  source: FileSource | PushSource | RequestSource,
  { withClass }: { readonly withClass: boolean },
): DataSourceProto {
  const common = {
    name: source.name,
    description: source.description,
    tags: { ...source.tags },
    owner: source.owner,
    dataSourceClassType: withClass ? CLASS_TYPES[source[DEFINITION]] : '',
  };
  switch (source[DEFINITION]) {
    case 'file_source':
      return create(DataSourceSchema, {
        ...common,
        ...columnsOf(source),
        type: SourceType.BATCH_FILE,
        options: {
          case: 'fileOptions',
          value: { uri: source.path, s3EndpointOverride: source.s3EndpointOverride },
        },
      });
    case 'push_source':
      return create(DataSourceSchema, {
        ...common,
        ...columnsOf(source.batchSource),
        type: SourceType.PUSH_SOURCE,
        batchSource: embeddedSource(source.batchSource, { withClass: false }),
      });
    case 'request_source':
      return create(DataSourceSchema, {
        ...common,
        type: SourceType.REQUEST_SOURCE,
        options: { case: 'requestDataOptions', value: { schema: source.schema.map(featureSpec) } },
      });
  }
}

function columnsOf(source: FileSource): {
  timestampField: string;
  createdTimestampColumn: string;
  fieldMapping: Record<string, string>;
} {
  return {
    timestampField: source.timestampField,
    createdTimestampColumn: source.createdTimestampColumn,
    fieldMapping: { ...source.fieldMapping },
  };
}
