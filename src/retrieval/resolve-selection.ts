import { featureServiceNotFound, featureViewNotFound } from '../errors.ts';
import type {
  FeatureServiceDefinition,
  ProjectionDefinition,
  RegistryDefinitions,
  ViewDefinition,
} from '../registry/registry-model.ts';
import { parseFeatureReference } from './feature-reference.ts';
import {
  featureNameCollision,
  featureNotFound,
  featureViewDisabled,
  featureViewNotServable,
  featureViewVersionNotFound,
  limitExceeded,
  noFeaturesRequested,
  versionedReadUnsupported,
} from './retrieval-errors.ts';
import type { Selection } from './retrieval-request.ts';

/** One use of a view by a selection: by plain references, or by one projection of a feature service. */
export interface RequestedView {
  /** At the version that is read. */
  readonly definition: ViewDefinition;
  readonly version: number;
  /** Name that its rows are stored under. */
  readonly storedName: string;
  /** The part of full feature names that stands for the view: alias or name, with `@vN` where a version was pinned. */
  readonly nameToUse: string;
  /** Join key of the view → entity column; join keys that are not in it are read from the column of their own name. */
  readonly joinKeyMap: ReadonlyMap<string, string>;
}

/** One feature of the answer. */
export interface RequestedFeature {
  /** Index into `ResolvedSelection.views`. */
  readonly view: number;
  /** Name in the view. */
  readonly featureName: string;
  readonly outputName: string;
}

/** A selection looked up in a registry snapshot. */
export interface ResolvedSelection {
  /** In order of first mention. */
  readonly views: readonly RequestedView[];
  /** In requested order. */
  readonly features: readonly RequestedFeature[];
}

/** What is still to be done with a mention of a feature: which use of a view it belongs to, and its name there. */
interface Mention {
  readonly view: RequestedView;
  readonly featureName: string;
}

const NO_JOIN_KEY_MAP: ReadonlyMap<string, string> = new Map();

/** The part of a selection that says which features. */
export type FeatureSelection = Pick<Selection, 'featureService' | 'features' | 'fullFeatureNames'>;

/** How a selection is looked up. */
export interface LookUpRules {
  readonly maxFeatures: number;
  /** Whether who names what is not there hears of a name that is near; false where not everybody may know of everything. */
  readonly suggests: boolean;
}

/**
 * Looks up what an online read asks for: views that cannot be served are refused.
 *
 * @throws SideboardError as `lookUpSelection`; FEATURE_VIEW_DISABLED, FEATURE_VIEW_NOT_SERVABLE
 */
export function resolveSelection(
  selection: FeatureSelection,
  snapshot: RegistryDefinitions,
  rules: LookUpRules,
): ResolvedSelection {
  const resolved = lookUpSelection(selection, snapshot, rules);
  for (const { definition } of resolved.views) refuseUnservable(definition.name, snapshot);
  return resolved;
}

/**
 * Looks up what a selection asks for, whatever state its views are in. A feature service wins over a list of references.
 *
 * @throws SideboardError FEATURE_SERVICE_NOT_FOUND, FEATURE_VIEW_NOT_FOUND, FEATURE_VIEW_VERSION_NOT_FOUND,
 *   FEATURE_NOT_FOUND, INVALID_FEATURE_REFERENCE, NO_FEATURES_REQUESTED, VERSIONED_READ_UNSUPPORTED, LIMIT_EXCEEDED,
 *   FEATURE_NAME_COLLISION
 */
export function lookUpSelection(
  selection: FeatureSelection,
  snapshot: RegistryDefinitions,
  { maxFeatures, suggests }: LookUpRules,
): ResolvedSelection {
  const service = requestedService(selection, snapshot, suggests);
  const count =
    service === undefined
      ? selection.features.length
      : service.projections.reduce((sum, { featureNames }) => sum + featureNames.length, 0);
  if (count === 0) throw noFeaturesRequested();
  if (count > maxFeatures) {
    throw limitExceeded('features', count, maxFeatures, 'max_features');
  }
  const mentions =
    service === undefined
      ? mentionsOfReferences(selection.features, snapshot, suggests)
      : mentionsOfService(service, snapshot);
  const views = [...new Set(mentions.map(({ view }) => view))];
  const viewIndex = new Map(views.map((view, index) => [view, index]));
  const features = mentions.map(({ view, featureName }) => ({
    view: viewIndex.get(view)!,
    featureName,
    outputName: selection.fullFeatureNames ? `${view.nameToUse}__${featureName}` : featureName,
  }));
  refuseCollisions(features, selection.fullFeatureNames);
  return { views, features };
}

/** The named service; `undefined` where none was named (an empty name names none). */
function requestedService(
  selection: FeatureSelection,
  snapshot: RegistryDefinitions,
  suggests: boolean,
): FeatureServiceDefinition | undefined {
  const name = selection.featureService;
  if (name === undefined || name === '') return undefined;
  const service = snapshot.featureServices.get(name);
  if (service === undefined) {
    const known = suggests ? snapshot.featureServices.keys() : [];
    throw featureServiceNotFound(name, snapshot.project, known);
  }
  return service;
}

function mentionsOfReferences(
  references: readonly string[],
  snapshot: RegistryDefinitions,
  suggests: boolean,
): readonly Mention[] {
  const views = new Map<string, RequestedView>();
  return references.map((reference) => {
    const { viewName, version, featureName } = parseFeatureReference(reference);
    const nameToUse = version === undefined ? viewName : `${viewName}@v${version}`;
    let view = views.get(nameToUse);
    if (view === undefined) {
      view = {
        ...viewAtVersion(viewName, version, snapshot, suggests),
        nameToUse,
        joinKeyMap: NO_JOIN_KEY_MAP,
      };
      views.set(nameToUse, view);
    }
    return mention(view, featureName);
  });
}

function mentionsOfService(
  service: FeatureServiceDefinition,
  snapshot: RegistryDefinitions,
): readonly Mention[] {
  return service.projections.flatMap((projection) => {
    const { viewName, joinKeyMap, versionTag } = projection;
    const view = {
      ...viewAtVersion(viewName, versionTag, snapshot),
      nameToUse: nameOfProjection(projection),
      joinKeyMap,
    };
    return projection.featureNames.map((featureName) => mention(view, featureName));
  });
}

/** The name that answers use for a projection, as `RequestedView.nameToUse` has it. */
export function nameOfProjection({ viewName, alias, versionTag }: ProjectionDefinition): string {
  const name = alias === '' ? viewName : alias;
  return versionTag === undefined ? name : `${name}@v${versionTag}`;
}

function mention(view: RequestedView, featureName: string): Mention {
  const { featuresByName } = view.definition;
  if (!featuresByName.has(featureName)) {
    throw featureNotFound(featureName, view.nameToUse, featuresByName.keys());
  }
  return { view, featureName };
}

/**
 * @param pinned `undefined` = the current version, also for a service that pins none.
 * @param suggests as `LookUpRules` has it.
 * @throws SideboardError FEATURE_VIEW_NOT_FOUND, FEATURE_VIEW_VERSION_NOT_FOUND, VERSIONED_READ_UNSUPPORTED
 */
export function viewAtVersion(
  viewName: string,
  pinned: number | undefined,
  snapshot: RegistryDefinitions,
  suggests = false,
): Pick<RequestedView, 'definition' | 'version' | 'storedName'> {
  if (pinned !== undefined && !snapshot.versioningEnabled) {
    throw versionedReadUnsupported(viewName, pinned);
  }
  const current = snapshot.views.get(viewName);
  if (current === undefined) {
    throw featureViewNotFound(viewName, snapshot.project, suggests ? snapshot.views.keys() : []);
  }
  const version = pinned ?? current.versionNumber;
  const definition =
    version === current.versionNumber ? current : snapshot.viewVersions.get(viewName)?.get(version);
  if (definition === undefined) {
    const known = new Set([
      current.versionNumber,
      ...(snapshot.viewVersions.get(viewName)?.keys() ?? []),
    ]);
    const missing = { view: viewName, version, project: snapshot.project };
    throw featureViewVersionNotFound(missing, [...known]);
  }
  // Versions above 0 have rows of their own where the registry keeps versions online.
  const hasOwnRows = snapshot.versioningEnabled && version > 0;
  return { definition, version, storedName: hasOwnRows ? `${viewName}_v${version}` : viewName };
}

function refuseCollisions(features: readonly RequestedFeature[], fullFeatureNames: boolean): void {
  const seen = new Set<string>();
  const collisions = new Set<string>();
  for (const { outputName } of features) {
    if (seen.has(outputName)) collisions.add(outputName);
    seen.add(outputName);
  }
  if (collisions.size > 0) throw featureNameCollision([...collisions], fullFeatureNames);
}

/**
 * A view that is being materialized again keeps serving: a refresh takes nothing down. The current definition decides,
 * also for older versions.
 */
function refuseUnservable(viewName: string, snapshot: RegistryDefinitions): void {
  const current = snapshot.views.get(viewName);
  if (current === undefined) return;
  if (current.disabled) throw featureViewDisabled(viewName);
  switch (current.state) {
    case 'unspecified':
    case 'materializing':
    case 'available_online':
      return;
    default:
      throw featureViewNotServable(viewName, current.state);
  }
}
