import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { DataSource } from '../../gen/feast/core/DataSource_pb.ts';
import type { FeatureViewMeta, FeatureViewSpec } from '../../gen/feast/core/FeatureView_pb.ts';
import type { StreamFeatureViewSpec } from '../../gen/feast/core/StreamFeatureView_pb.ts';
import type { BatchSourceDefinition, MaterializationDefinition } from './registry-model.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/** Ends of the names of the `DataSource` options; what is before them names the kind of source. */
const OPTIONS_SUFFIX = 'Options';

/** Reads what materialization needs from a feature view or stream feature view of the registry. */
export function describeMaterialization(
  spec: FeatureViewSpec | StreamFeatureViewSpec,
  meta: FeatureViewMeta | undefined,
): MaterializationDefinition {
  const batchSource = describeBatchSource(spec.batchSource);
  const computedBy = describeComputation(spec);
  let materializedUntilNs: bigint | undefined;
  for (const interval of meta?.materializationIntervals ?? []) {
    const endNs = timestampNs(interval.endTime);
    if (materializedUntilNs === undefined || endNs > materializedUntilNs) {
      materializedUntilNs = endNs;
    }
  }
  return {
    ...(batchSource === undefined ? {} : { batchSource }),
    ...(computedBy === undefined ? {} : { computedBy }),
    ...(materializedUntilNs === undefined ? {} : { materializedUntilNs }),
  };
}

/** The batch source of a view; `undefined` where there is none. A push source stands for the batch source it names. */
export function describeBatchSource(
  source: DataSource | undefined,
): BatchSourceDefinition | undefined {
  if (source === undefined) {
    return undefined;
  }
  const options = source.options;
  if (options.case === undefined && source.batchSource === undefined) {
    return source.dataSourceClassType === '' ? undefined : describe(source, 'custom');
  }
  if (options.case === undefined || options.case === 'pushOptions') {
    return describeBatchSource(source.batchSource);
  }
  if (options.case === 'fileOptions') {
    return describe(source, 'file', options.value);
  }
  return describe(source, options.case.slice(0, -OPTIONS_SUFFIX.length));
}

function describe(
  source: DataSource,
  kind: string,
  { uri, s3EndpointOverride } = { uri: '', s3EndpointOverride: '' },
): BatchSourceDefinition {
  return {
    name: source.name,
    kind,
    uri,
    s3EndpointOverride,
    timestampField: source.timestampField,
    createdTimestampField: source.createdTimestampColumn,
    fieldMapping: new Map(Object.entries(source.fieldMapping)),
  };
}

/** What stands between the source and the rows of the view, if anything does. */
function describeComputation(spec: FeatureViewSpec | StreamFeatureViewSpec): string | undefined {
  const mode = spec.mode === '' ? 'Python' : spec.mode;
  if (spec.featureTransformation !== undefined) {
    return `${mode} transformation`;
  }
  if ('aggregations' in spec) {
    if (spec.aggregations.length > 0) {
      return 'aggregations';
    }
    if (spec.userDefinedFunction !== undefined) {
      return `${mode} transformation`;
    }
  }
  return 'sourceViews' in spec && spec.sourceViews.length > 0 ? 'other feature views' : undefined;
}

function timestampNs(timestamp: Timestamp | undefined): bigint {
  return timestamp === undefined
    ? 0n
    : timestamp.seconds * NANOS_PER_SECOND + BigInt(timestamp.nanos);
}
