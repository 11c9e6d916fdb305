import type { ProjectionDefinition } from '../registry/registry-model.ts';
import { nameOfProjection, type RequestedView } from './resolve-selection.ts';

type JoinKeyMap = ReadonlyMap<string, string>;

/** The join key maps that the views of a selection are read by. */
export interface SharedJoinKeyMaps {
  ofView(view: RequestedView): JoinKeyMap;
  /** Of a source of an on-demand view. */
  ofSource(source: ProjectionDefinition): JoinKeyMap;
}

/**
 * Feast makes one view of all that has one name in a selection: projections of a feature service, references, and sources of
 * on-demand views, also of those that are read from the store. The map of whichever comes first counts for all of them.
 *
 * @param views in order of first mention.
 */
export function shareJoinKeyMaps(views: readonly RequestedView[]): SharedJoinKeyMaps {
  const first = new Map<string, JoinKeyMap>();
  const note = (key: string, joinKeyMap: JoinKeyMap): void => {
    if (!first.has(key)) first.set(key, joinKeyMap);
  };
  for (const view of views) {
    const { onDemand } = view.definition;
    if (onDemand === undefined) note(keyOfView(view), view.joinKeyMap);
    for (const source of onDemand?.sources ?? []) note(keyOfSource(source), source.joinKeyMap);
  }
  return {
    ofView: (view) => first.get(keyOfView(view)) ?? view.joinKeyMap,
    ofSource: (source) => first.get(keyOfSource(source)) ?? source.joinKeyMap,
  };
}

/** With the view’s own name: an alias can be the name of another view. */
function keyOfView({ definition, nameToUse }: RequestedView): string {
  return JSON.stringify([definition.name, nameToUse]);
}

function keyOfSource(source: ProjectionDefinition): string {
  return JSON.stringify([source.viewName, nameOfProjection(source)]);
}
