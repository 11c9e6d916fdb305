import { SideboardError } from '../errors.ts';
import { DUMMY_JOIN_KEY } from '../ingestion/source-columns.ts';
import type {
  BatchSourceDefinition,
  RegistrySnapshot,
  ViewDefinition,
} from '../registry/registry-model.ts';
import { expandOnDemand } from '../retrieval/expand-on-demand.ts';
import type { ComputedView } from '../retrieval/expand-on-demand.ts';
import { lookUpSelection } from '../retrieval/resolve-selection.ts';
import type { FeatureSelection, RequestedView } from '../retrieval/resolve-selection.ts';
import { invalidJoin, notJoinable } from './training-error.ts';

/** One feature view to join, as one selection uses it. */
export interface SelectedJoin {
  /** Its features are those that were asked for or are inputs of on-demand views, once each. */
  readonly view: ViewDefinition;
  /** As full feature names have it: alias or name, with `@vN` where a version was pinned. */
  readonly name: string;
  readonly source: BatchSourceDefinition;
  /** Columns of the entity rows, aligned with the view's join keys; empty for a view without entities. */
  readonly entityColumns: readonly string[];
}

/** A feature that is joined. */
export interface JoinedFeature {
  /** Index into `JoinSelection.joins`. */
  readonly join: number;
  /** Index into the features of that join's view. */
  readonly feature: number;
}

/** An output of an on-demand view. */
export interface ComputedFeature {
  /** Index into `JoinSelection.computed`. */
  readonly computed: number;
  /** Index into the outputs of that view. */
  readonly output: number;
}

/** One feature of the result. */
export type SelectedFeature = (JoinedFeature | ComputedFeature) & { readonly outputName: string };

/** An on-demand view to compute from what was joined. */
export interface SelectedComputation {
  readonly view: ComputedView;
  /** Where each of its inputs is, aligned with `view.inputs`. */
  readonly inputs: readonly JoinedFeature[];
  /** Joins of its sources. */
  readonly joins: readonly number[];
}

/** What a selection asks for. */
export interface JoinSelection {
  /** In order of first mention, then sources of on-demand views. */
  readonly joins: readonly SelectedJoin[];
  readonly computed: readonly SelectedComputation[];
  /** In requested order. */
  readonly features: readonly SelectedFeature[];
}

/**
 * Looks up the feature views to join. Unlike online, views that were never materialized will do: their sources are read, and
 * on-demand views that are written to the online store are computed like all others.
 *
 * @throws SideboardError as `lookUpSelection`; FEATURE_VIEW_DISABLED; UNSUPPORTED_OPERATION for a view whose rows only Feast
 *   can read.
 */
export function selectJoins(
  selection: FeatureSelection,
  snapshot: RegistrySnapshot,
  maxFeatures: number,
): JoinSelection {
  const resolved = lookUpSelection(selection, snapshot, { maxFeatures, suggests: true });
  const { read, computed, places } = expandOnDemand(resolved, snapshot, isOnDemand);
  const askedCount = resolved.views.filter((view) => !isOnDemand(view)).length;
  const { uses, joinOfView } = shareSources(read.views, askedCount);
  const namesOf = uses.map((_use, join) => [
    ...new Set(
      read.features
        .filter(({ view }) => joinOfView[view] === join)
        .map(({ featureName }) => featureName),
    ),
  ]);
  const placeOf = (index: number): JoinedFeature => {
    const { view, featureName } = read.features[index]!;
    const join = joinOfView[view]!;
    return { join, feature: namesOf[join]!.indexOf(featureName) };
  };
  for (const { requested } of computed) refuseDisabled(requested.definition.name, snapshot);
  return {
    joins: uses.map((use, join) => selectJoin(use, namesOf[join]!, snapshot)),
    computed: computed.map((view) => {
      const inputs = view.inputs.map(({ feature }) => placeOf(feature));
      return { view, inputs, joins: [...new Set(inputs.map(({ join }) => join))] };
    }),
    features: resolved.features.map(({ outputName }, index) => {
      const place = places[index]!;
      return place.kind === 'read'
        ? { ...placeOf(place.feature), outputName }
        : { computed: place.view, output: place.output, outputName };
    }),
  };
}

function isOnDemand({ definition }: Pick<RequestedView, 'definition'>): boolean {
  return definition.onDemand !== undefined;
}

/** A source of an on-demand view that is read for another reason too is joined once. */
function shareSources(
  views: readonly RequestedView[],
  askedCount: number,
): { readonly uses: readonly RequestedView[]; readonly joinOfView: readonly number[] } {
  const uses: RequestedView[] = [];
  const joinOfView = views.map((view, index) => {
    const same = index < askedCount ? -1 : uses.findIndex((use) => readsTheSame(use, view));
    return same < 0 ? uses.push(view) - 1 : same;
  });
  return { uses, joinOfView };
}

function readsTheSame(a: RequestedView, b: RequestedView): boolean {
  return (
    a.definition === b.definition &&
    a.definition.joinKeys.every(
      ({ name }) => (a.joinKeyMap.get(name) ?? name) === (b.joinKeyMap.get(name) ?? name),
    )
  );
}

function selectJoin(
  { definition, nameToUse, joinKeyMap }: RequestedView,
  featureNames: readonly string[],
  snapshot: RegistrySnapshot,
): SelectedJoin {
  refuseDisabled(definition.name, snapshot);
  const joinKeys = definition.joinKeys.filter(({ name }) => name !== DUMMY_JOIN_KEY);
  return {
    view: {
      ...definition,
      joinKeys,
      features: featureNames.map((name) => definition.featuresByName.get(name)!),
    },
    name: nameToUse,
    source: sourceOf(definition),
    entityColumns: joinKeys.map(({ name }) => joinKeyMap.get(name) ?? name),
  };
}

function refuseDisabled(viewName: string, snapshot: RegistrySnapshot): void {
  if (snapshot.views.get(viewName)?.disabled !== true) return;
  throw new SideboardError(
    'FEATURE_VIEW_DISABLED',
    `Feature view ${viewName} is disabled: enable it in the registry`,
  );
}

function sourceOf(view: ViewDefinition): BatchSourceDefinition {
  const { batchSource: source, computedBy } = view.materialization ?? {};
  if (computedBy !== undefined) {
    throw notJoinable(view.name, `is computed by ${computedBy}`);
  }
  if (source === undefined) {
    throw invalidJoin(
      `feature view ${view.name} has no batch source: there is no history of it to join`,
    );
  }
  if (source.kind !== 'file') {
    throw notJoinable(view.name, `reads its rows from ${source.kind} (source ${source.name})`);
  }
  return source;
}
