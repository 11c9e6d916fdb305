import type { RegistrySnapshot, ViewDefinition } from '../registry/registry-model.ts';
import { invalidMaterialization, notMaterializable } from './ingestion-error.ts';
import type { SelectedView } from './select-views.ts';

/** An on-demand view that is kept in the online store, to be computed of its sources' rows. */
export interface SelectedOnDemand {
  readonly view: ViewDefinition;
  /** Its source views, each once; all have the same join keys. */
  readonly sources: readonly SelectedView[];
  /** The name that its rows are kept under. */
  readonly storedName: string;
}

/** Why an on-demand view is not materialized, as the end of a sentence that begins with its name. */
export interface OnDemandProblem {
  readonly reason: string;
  /** Whether Feast would do it. */
  readonly isFeasts: boolean;
}

/** The mode that Feast's transformation server runs. */
const DELEGATED_MODE = 'pandas';

/**
 * What keeps an on-demand view from being materialized; `undefined` = nothing.
 *
 * @param delegates whether there is a transformation server.
 */
export function problemOfOnDemand(
  { onDemand, joinKeys }: ViewDefinition,
  snapshot: RegistrySnapshot,
  delegates: boolean,
): OnDemandProblem | undefined {
  const { mode, functionHash, writeToOnlineStore, requestFields, sources } = onDemand!;
  const ours = (reason: string): OnDemandProblem => ({ reason, isFeasts: false });
  if (!writeToOnlineStore)
    return ours('is computed when it is read (write_to_online_store is false)');
  if (requestFields.length > 0) {
    const names = requestFields.map(({ name }) => name).join(', ');
    return ours(`is computed from request data (${names}), which no source has`);
  }
  const keysOf = (view: ViewDefinition): string =>
    view.joinKeys
      .map(({ name }) => name)
      .toSorted()
      .join(', ');
  let first: ViewDefinition | undefined;
  for (const { viewName } of sources) {
    const view = snapshot.views.get(viewName);
    if (view === undefined) return ours(`has the source ${viewName}, which does not exist`);
    if (view.onDemand !== undefined) {
      return ours(`has the source ${viewName}, which is computed itself`);
    }
    if (view.materialization?.batchSource === undefined) {
      return ours(`has the source ${viewName}, which is filled by pushes alone`);
    }
    first ??= view;
    if (keysOf(view) !== keysOf(first)) {
      return ours(
        `has sources with different join keys, ${keysOf(first)} and ${keysOf(view)}: which rows belong together is not said`,
      );
    }
  }
  if (first === undefined) return ours('has no source feature view');
  const sourceKeys = first.joinKeys.map(({ name }) => name);
  const lacking = joinKeys.filter(({ name }) => !sourceKeys.includes(name));
  if (lacking.length > 0) {
    return ours(`has the join key ${lacking[0]!.name}, which its sources do not have`);
  }
  if (functionHash !== undefined) return undefined;
  if (mode !== DELEGATED_MODE) {
    return {
      reason: `is computed by a function of mode ${mode}, which is not run here`,
      isFeasts: true,
    };
  }
  return delegates
    ? undefined
    : {
        reason: `is computed by a function of mode ${mode}, and no transformation server is configured (feature_server.transformation_service_endpoint)`,
        isFeasts: true,
      };
}

/** @throws SideboardError UNSUPPORTED_OPERATION where Feast would materialize it, else INVALID_REQUEST */
export function refuseOnDemand(viewName: string, { reason, isFeasts }: OnDemandProblem): never {
  if (isFeasts) throw notMaterializable(viewName, reason);
  throw invalidMaterialization(`on-demand feature view ${viewName} ${reason}`);
}
