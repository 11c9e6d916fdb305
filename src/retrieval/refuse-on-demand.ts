import type { OnDemandDefinition, RegistrySnapshot } from '../registry/registry-model.ts';
import { onDemandFeatureViewUnsupported, requestDataNotFound } from './retrieval-errors.ts';
import type { RequestedView } from './resolve-selection.ts';
import type { Selection } from './retrieval-request.ts';

/** Whether the view has to be computed for each request; one that is written to the online store is read like any other. */
export function isComputed(
  view: RequestedView,
): view is RequestedView & { definition: { onDemand: OnDemandDefinition } } {
  return view.definition.onDemand?.writeToOnlineStore === false;
}

/** The views that the sources of on-demand views name, so that their join keys can be asked for too. */
export function sourceViews(
  views: readonly RequestedView[],
  snapshot: RegistrySnapshot,
): readonly RequestedView[] {
  return views.filter(isComputed).flatMap(({ definition }) =>
    definition.onDemand.sources.flatMap((source) => {
      const view = snapshot.views.get(source.viewName);
      if (view === undefined) return [];
      const { joinKeyMap, viewName } = source;
      return {
        definition: view,
        version: view.versionNumber,
        storedName: viewName,
        nameToUse: viewName,
        joinKeyMap,
      };
    }),
  );
}

/**
 * On-demand views are not computed here (yet): says what is missing from the request, or else that.
 *
 * @throws SideboardError REQUEST_DATA_NOT_FOUND, ON_DEMAND_FEATURE_VIEW_UNSUPPORTED
 */
export function refuseOnDemandViews(views: readonly RequestedView[], selection: Selection): void {
  const given = new Set([...selection.entityColumnNames, ...selection.contextColumnNames]);
  const computed = views.filter(isComputed);
  for (const { definition } of computed) {
    const missing = definition.onDemand.requestFields
      .map(({ name }) => name)
      .filter((name) => !given.has(name));
    if (missing.length > 0) throw requestDataNotFound(missing, definition.name);
  }
  for (const { definition } of computed) {
    throw onDemandFeatureViewUnsupported(definition.name, definition.onDemand.mode);
  }
}
