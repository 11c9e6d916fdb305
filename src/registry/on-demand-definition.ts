import type { FeatureViewProjection } from '../../gen/feast/core/FeatureViewProjection_pb.ts';
import type { OnDemandFeatureViewSpec } from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import type {
  FieldDefinition,
  OnDemandDefinition,
  ProjectionDefinition,
} from './registry-model.ts';

/** Sources of this prefix are marks that Feast leaves in `sources`; they stand for no source. */
const SENTINEL_PREFIX = '__input_schema__';

/** The tag of views whose function `apply` found in TypeScript; its value tells one state of it from another. */
export const FUNCTION_TAG = 'sideboard.function';

/** What an on-demand view is computed from, frozen. */
export function describeOnDemand(spec: OnDemandFeatureViewSpec): OnDemandDefinition {
  const sources: ProjectionDefinition[] = [];
  const requestFields: FieldDefinition[] = [];
  for (const [sourceName, { source }] of Object.entries(spec.sources)) {
    if (sourceName.startsWith(SENTINEL_PREFIX)) continue;
    if (source.case === 'featureViewProjection') {
      sources.push(describeProjection(source.value));
    } else if (source.case === 'featureView') {
      sources.push(
        Object.freeze({
          viewName: source.value.spec?.name ?? sourceName,
          alias: '',
          featureNames: Object.freeze((source.value.spec?.features ?? []).map(({ name }) => name)),
          joinKeyMap: new Map(),
          versionTag: undefined,
        }),
      );
    } else if (source.case === 'requestDataSource') {
      const { options } = source.value;
      if (options.case !== 'requestDataOptions') continue;
      const { schema, deprecatedSchema } = options.value;
      const fields =
        schema.length > 0
          ? schema
          : Object.entries(deprecatedSchema).map(([name, valueType]) => ({ name, valueType }));
      requestFields.push(
        ...fields.map(({ name, valueType }) => Object.freeze({ name, valueType })),
      );
    }
  }
  return Object.freeze({
    // Registries from before the mode was written hold pandas functions.
    mode: spec.mode === '' ? 'pandas' : spec.mode,
    functionHash: spec.tags[FUNCTION_TAG],
    writeToOnlineStore: spec.writeToOnlineStore,
    sources: Object.freeze(sources),
    requestFields: Object.freeze(requestFields),
  });
}

/** A view as a feature service or an on-demand view uses it, frozen. */
export function describeProjection(projection: FeatureViewProjection): ProjectionDefinition {
  return Object.freeze({
    viewName: projection.featureViewName,
    alias: projection.featureViewNameAlias,
    featureNames: Object.freeze(projection.featureColumns.map(({ name }) => name)),
    joinKeyMap: new Map(Object.entries(projection.joinKeyMap)),
    versionTag: projection.versionTag,
  });
}
