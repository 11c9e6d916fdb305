import { readFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import { FeatureViewState } from '../../gen/feast/core/FeatureView_pb.ts';
import type { OnDemandSource } from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import { RegistrySchema, type Registry } from '../../gen/feast/core/Registry_pb.ts';
import { scenarioFile } from '../support/golden-vectors.ts';
import type { Asked } from './golden-question.ts';

/** What the expected answers depend on, read from a recorded registry without the code under test. */
export interface GoldenRegistry {
  readonly project: string;
  /** Whether versions of views have rows of their own. */
  readonly keepsVersions: boolean;
  /** Views that are stored, by name: all but the on-demand views below. */
  readonly views: ReadonlyMap<string, GoldenView>;
  /** On-demand feature views whose outputs are computed when they are asked for, and what of. */
  readonly onDemandViews: ReadonlyMap<string, GoldenOnDemandView>;
  readonly joinKeyByEntityName: ReadonlyMap<string, string>;
  /** Names of the fields of request sources. */
  readonly requestFields: ReadonlySet<string>;
  readonly services: ReadonlyMap<string, GoldenService>;
}

/** What an on-demand view is computed of, and how. */
export interface GoldenOnDemandView {
  readonly mode: string;
  readonly sources: readonly ViewUse[];
}

/** What is stored for a view, and how it is found. */
export interface GoldenView {
  /** 0 = none. */
  readonly ttlSeconds: number;
  /** Join key → number of its value type, without the dummy of views that have no entity. */
  readonly joinKeys: ReadonlyMap<string, number>;
  readonly featureNames: ReadonlySet<string>;
  /** Neither disabled nor waiting for its first materialization. */
  readonly isServed: boolean;
  readonly currentVersion: number;
}

export interface GoldenService {
  readonly isPrecomputed: boolean;
  readonly projections: readonly GoldenProjection[];
}

/** A feature view as a feature service uses it. */
interface GoldenProjection {
  readonly viewName: string;
  /** Alias or name. */
  readonly nameToUse: string;
  readonly featureNames: readonly string[];
  readonly joinKeyMap: Readonly<Record<string, string>>;
  /** `undefined` = none is pinned. */
  readonly version: number | undefined;
}

/** A view whose rows a request needs. */
export interface ViewUse {
  readonly viewName: string;
  /** Join key → the column that stands for it. */
  readonly joinKeyMap: Readonly<Record<string, string>>;
}

/** A column of features that a request asks for. */
export interface RequestedOutput extends ViewUse {
  readonly name: string;
  readonly featureName: string;
  /** The version that is named; `undefined` = none, which means the latest. */
  readonly pinnedVersion: number | undefined;
}

/** The objects of one project, of any kind. */
type OfProject = <Spec extends { readonly project: string }>(
  objects: readonly { readonly spec?: Spec | undefined }[],
) => readonly Spec[];

const DUMMY_JOIN_KEY = '__dummy_id';

/** Reads the objects of the project that the variant serves. */
export function readGoldenRegistry(scenario: string, variant: string): GoldenRegistry {
  const yaml = readFileSync(scenarioFile(scenario, `feature_store.${variant}.yaml`), 'utf8');
  const project = /^project: (.+)$/m.exec(yaml)?.[1] ?? '';
  const bytes = readFileSync(scenarioFile(scenario, `registry.${variant}.db`));
  const registry = fromBinary(RegistrySchema, bytes);
  const ofProject: OfProject = (objects) =>
    objects.flatMap(({ spec }) => (spec?.project === project ? [spec] : []));
  const onDemand = ofProject(registry.onDemandFeatureViews);
  return {
    project,
    keepsVersions: /^\s*enable_online_feature_view_versioning: true$/m.test(yaml),
    views: readViews(registry, ofProject),
    onDemandViews: new Map(
      onDemand
        .filter(({ writeToOnlineStore }) => !writeToOnlineStore)
        .map(({ name, mode, sources }) => [
          name,
          { mode, sources: Object.values(sources).flatMap(viewUse) },
        ]),
    ),
    joinKeyByEntityName: new Map(
      ofProject(registry.entities).map(({ name, joinKey }) => [name, joinKey]),
    ),
    requestFields: new Set(
      onDemand
        .flatMap(({ sources }) => Object.values(sources))
        .flatMap(({ source }) =>
          source.case === 'requestDataSource' && source.value.options.case === 'requestDataOptions'
            ? source.value.options.value.schema.map(({ name }) => name)
            : [],
        ),
    ),
    services: readServices(registry, ofProject),
  };
}

function viewUse({ source }: OnDemandSource): readonly ViewUse[] {
  if (source.case !== 'featureViewProjection') return [];
  return [{ viewName: source.value.featureViewName, joinKeyMap: source.value.joinKeyMap }];
}

function readViews(registry: Registry, ofProject: OfProject): ReadonlyMap<string, GoldenView> {
  const metas = new Map(registry.featureViews.map(({ spec, meta }) => [spec?.name, meta]));
  const views = [
    ...ofProject(registry.featureViews),
    ...ofProject(registry.streamFeatureViews),
    ...ofProject(registry.labelViews),
  ];
  const written = ofProject(registry.onDemandFeatureViews).filter(
    (view) => view.writeToOnlineStore,
  );
  return new Map(
    [...views, ...written].map((view) => [
      view.name,
      {
        ttlSeconds: 'ttl' in view ? Number(view.ttl?.seconds ?? 0n) : 0,
        joinKeys: new Map(
          view.entityColumns
            .filter(({ name }) => name !== DUMMY_JOIN_KEY)
            .map(({ name, valueType }) => [name, valueType]),
        ),
        featureNames: new Set(view.features.map(({ name }) => name)),
        isServed:
          !('disabled' in view && view.disabled) &&
          metas.get(view.name)?.state !== FeatureViewState.GENERATED,
        currentVersion: metas.get(view.name)?.currentVersionNumber ?? 0,
      },
    ]),
  );
}

function readServices(
  registry: Registry,
  ofProject: OfProject,
): ReadonlyMap<string, GoldenService> {
  return new Map(
    ofProject(registry.featureServices).map(({ name, features, precomputeOnline }) => [
      name,
      {
        isPrecomputed: precomputeOnline,
        projections: features.map((projection) => ({
          viewName: projection.featureViewName,
          nameToUse: projection.featureViewNameAlias || projection.featureViewName,
          featureNames: projection.featureColumns.map((column) => column.name),
          joinKeyMap: projection.joinKeyMap,
          version: projection.versionTag,
        })),
      },
    ]),
  );
}

/**
 * The columns of features in the order of decision 10: as requested, or as the service has them. `undefined` where the
 * request names a service that is not known.
 */
export function requestedOutputs(
  { features, featureService: service, fullFeatureNames: isFull }: Asked,
  registry: GoldenRegistry,
): readonly RequestedOutput[] | undefined {
  const outputName = (view: string, version: number | undefined, feature: string): string => {
    if (!isFull) return feature;
    return version === undefined ? `${view}__${feature}` : `${view}@v${version}__${feature}`;
  };
  if (service !== '') {
    return registry.services
      .get(service)
      ?.projections.flatMap(({ viewName, nameToUse, featureNames, joinKeyMap, version }) =>
        featureNames.map((featureName) => ({
          viewName,
          featureName,
          joinKeyMap,
          pinnedVersion: version,
          name: outputName(nameToUse, version, featureName),
        })),
      );
  }
  return features.map((reference) => {
    const colon = reference.indexOf(':');
    const qualified = reference.slice(0, colon);
    const featureName = reference.slice(colon + 1);
    const [, viewName = qualified, suffix = ''] = /^(.*)@(v\d+|latest|)$/i.exec(qualified) ?? [];
    const digits = /^v(\d+)$/i.exec(suffix)?.[1];
    const pinnedVersion = digits === undefined ? undefined : Number(digits);
    return {
      viewName,
      featureName,
      joinKeyMap: {},
      pinnedVersion,
      name: outputName(viewName, pinnedVersion, featureName),
    };
  });
}
