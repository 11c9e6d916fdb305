import type { FieldDefinition, RegistryDefinitions } from '../registry/registry-model.ts';
import {
  viewAtVersion,
  type RequestedFeature,
  type RequestedView,
  type ResolvedSelection,
} from './resolve-selection.ts';
import { shareJoinKeyMaps } from './share-join-key-maps.ts';

/** An on-demand view of a selection that has to be computed. */
export interface ComputedView {
  readonly requested: RequestedView;
  /** Its features that were asked for, once each. */
  readonly outputs: readonly FieldDefinition[];
  /** Features of its sources as its function knows them, and their index into the features that are read. */
  readonly inputs: readonly {
    readonly field: FieldDefinition;
    readonly shortName: string;
    readonly feature: number;
  }[];
  readonly requestFields: readonly FieldDefinition[];
  /** Name of a source that is itself computed, which Feast does not do either; `undefined` = there is none. */
  readonly computedSource: string | undefined;
}

/** Where an output column comes from: a feature that is read, or an output of a computed view. */
export type FeaturePlace =
  | { readonly kind: 'read'; readonly feature: number }
  | { readonly kind: 'computed'; readonly view: number; readonly output: number };

/** A selection, and what has to be read for it. */
export interface ExpandedSelection {
  readonly read: ResolvedSelection;
  readonly computed: readonly ComputedView[];
  /** One per requested feature. */
  readonly places: readonly FeaturePlace[];
}

/** Which views have to be computed. */
type IsComputed = (view: Pick<RequestedView, 'definition'>) => boolean;

/** Online, one that is written to the online store is read like any other. */
function isComputedOnline({ definition }: Pick<RequestedView, 'definition'>): boolean {
  return definition.onDemand?.writeToOnlineStore === false;
}

/**
 * Replaces the on-demand views of a selection by what they are computed of: all features of all their sources, whether
 * asked for or not. Views of one name are read by the join key map of the first.
 *
 * @throws SideboardError as `viewAtVersion`, where a source is not in the registry
 */
export function expandOnDemand(
  { views, features }: ResolvedSelection,
  snapshot: RegistryDefinitions,
  isComputed: IsComputed = isComputedOnline,
): ExpandedSelection {
  const joinKeyMaps = shareJoinKeyMaps(views);
  const storedViews = views.filter((view) => !isComputed(view));
  const readViews = storedViews.map((view) => ({ ...view, joinKeyMap: joinKeyMaps.ofView(view) }));
  const readFeatures: RequestedFeature[] = [];
  const outputsOf = new Map<RequestedView, string[]>();
  const computedViews = views.filter(isComputed);
  const places = features.map((feature): FeaturePlace => {
    const view = views[feature.view]!;
    if (!isComputed(view)) {
      readFeatures.push({ ...feature, view: storedViews.indexOf(view) });
      return { kind: 'read', feature: readFeatures.length - 1 };
    }
    const outputs = outputsOf.get(view) ?? [];
    outputsOf.set(view, outputs);
    if (!outputs.includes(feature.featureName)) outputs.push(feature.featureName);
    return {
      kind: 'computed',
      view: computedViews.indexOf(view),
      output: outputs.indexOf(feature.featureName),
    };
  });
  const computed = computedViews.map((requested): ComputedView => {
    const { sources, requestFields } = requested.definition.onDemand!;
    let computedSource: string | undefined;
    const inputs = sources.flatMap((projection) => {
      const { viewName, versionTag, featureNames } = projection;
      const joinKeyMap = joinKeyMaps.ofSource(projection);
      const source = viewAtVersion(viewName, versionTag, snapshot);
      if (isComputed(source)) computedSource = viewName;
      const view = readViews.push({ ...source, nameToUse: viewName, joinKeyMap }) - 1;
      return featureNames.map((featureName) => {
        const name = `${viewName}__${featureName}`;
        const feature = readFeatures.push({ view, featureName, outputName: name }) - 1;
        const valueType = source.definition.featuresByName.get(featureName)?.valueType ?? 0;
        return { field: { name, valueType }, shortName: featureName, feature };
      });
    });
    const outputs = (outputsOf.get(requested) ?? []).map((name) =>
      requested.definition.featuresByName.get(name)!,
    );
    return { requested, outputs, inputs, requestFields, computedSource };
  });
  return { read: { views: readViews, features: readFeatures }, computed, places };
}
