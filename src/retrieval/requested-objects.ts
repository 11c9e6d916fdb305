import type { GuardedObject } from '../call/access.ts';
import type { RegistryDefinitions, ViewDefinition } from '../registry/registry-model.ts';
import { parseFeatureReference } from './feature-reference.ts';
import type { FeatureSelection } from './resolve-selection.ts';

/**
 * What a selection asks to read, as Feast guards it (feast/feature_server.py): the feature service that it names, whatever
 * views are in there; or every view that it refers to, and the sources of those that are computed. What does not exist is left
 * out: to know that it does not is nobody's secret.
 */
export function requestedObjects(
  { featureService, features }: Pick<FeatureSelection, 'featureService' | 'features'>,
  snapshot: RegistryDefinitions,
): readonly GuardedObject[] {
  if (featureService !== undefined && featureService !== '') {
    const service = snapshot.featureServices.get(featureService);
    return service === undefined ? [] : [service];
  }
  const views = new Set<ViewDefinition>();
  const add = (viewName: string): void => {
    const view = snapshot.views.get(viewName);
    if (view === undefined || views.has(view)) return;
    views.add(view);
    for (const source of view.onDemand?.sources ?? []) add(source.viewName);
  };
  for (const reference of features) {
    const viewName = viewNameOf(reference);
    if (viewName !== undefined) add(viewName);
  }
  return [...views];
}

function viewNameOf(reference: string): string | undefined {
  try {
    return parseFeatureReference(reference).viewName;
  } catch {
    return undefined;
  }
}
