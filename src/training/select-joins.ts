import { SideboardError } from '../errors.ts';
import { DUMMY_JOIN_KEY } from '../ingestion/source-columns.ts';
import type {
  BatchSourceDefinition,
  RegistrySnapshot,
  ViewDefinition,
} from '../registry/registry-model.ts';
import { lookUpSelection } from '../retrieval/resolve-selection.ts';
import type { FeatureSelection, RequestedView } from '../retrieval/resolve-selection.ts';
import { invalidJoin, notJoinable } from './training-error.ts';

/** One feature view to join, as one selection uses it. */
export interface SelectedJoin {
  /** Its features are those that were asked for, once each. */
  readonly view: ViewDefinition;
  /** As full feature names have it: alias or name, with `@vN` where a version was pinned. */
  readonly name: string;
  readonly source: BatchSourceDefinition;
  /** Columns of the entity rows, aligned with the view's join keys; empty for a view without entities. */
  readonly entityColumns: readonly string[];
}

/** One feature of the result. */
export interface SelectedFeature {
  /** Index into `JoinSelection.joins`. */
  readonly join: number;
  /** Index into the features of that join's view. */
  readonly feature: number;
  readonly outputName: string;
}

/** What a selection asks for. */
export interface JoinSelection {
  /** In order of first mention. */
  readonly joins: readonly SelectedJoin[];
  /** In requested order. */
  readonly features: readonly SelectedFeature[];
}

/**
 * Looks up the feature views to join. Unlike online, views that were never materialized will do: their sources are read.
 *
 * @throws SideboardError as `lookUpSelection`; FEATURE_VIEW_DISABLED; ON_DEMAND_FEATURE_VIEW_UNSUPPORTED;
 *   UNSUPPORTED_OPERATION for a view whose rows only Feast can read.
 */
export function selectJoins(
  selection: FeatureSelection,
  snapshot: RegistrySnapshot,
  maxFeatures: number,
): JoinSelection {
  const { views, features } = lookUpSelection(selection, snapshot, maxFeatures);
  const namesOf = views.map((_view, index) => [
    ...new Set(features.filter(({ view }) => view === index).map(({ featureName }) => featureName)),
  ]);
  return {
    joins: views.map((requested, index) => selectJoin(requested, namesOf[index]!, snapshot)),
    features: features.map(({ view, featureName, outputName }) => ({
      join: view,
      feature: namesOf[view]!.indexOf(featureName),
      outputName,
    })),
  };
}

function selectJoin(
  { definition, nameToUse, joinKeyMap }: RequestedView,
  featureNames: readonly string[],
  snapshot: RegistrySnapshot,
): SelectedJoin {
  if (snapshot.views.get(definition.name)?.disabled === true) {
    throw new SideboardError(
      'FEATURE_VIEW_DISABLED',
      `Feature view ${definition.name} is disabled: enable it in the registry`,
    );
  }
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

function sourceOf(view: ViewDefinition): BatchSourceDefinition {
  if (view.onDemand !== undefined) {
    throw new SideboardError(
      'ON_DEMAND_FEATURE_VIEW_UNSUPPORTED',
      `On-demand feature view ${view.name} (mode ${view.onDemand.mode}) is computed by a Python function, which cannot run here: ask for its source features, or join it with Feast`,
    );
  }
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
