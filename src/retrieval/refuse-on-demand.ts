import type { RegistryDefinitions } from '../registry/registry-model.ts';
import type { ComputedView } from './expand-on-demand.ts';
import { onDemandFeatureViewUnsupported, requestDataNotFound } from './retrieval-errors.ts';
import type { Selection } from './retrieval-request.ts';

/** Who is there to run functions. */
export interface FunctionRunners {
  /** Whether Feast's transformation server is. */
  readonly delegates: boolean;
  /** Whether functions in TypeScript are run. */
  readonly computes: boolean;
}

/** The only mode that Feast's transformation server runs. */
const DELEGATED_MODE = 'pandas';

/**
 * Says what is missing from a request for on-demand views, or else which of them cannot be computed.
 *
 * @throws SideboardError REQUEST_DATA_NOT_FOUND, ON_DEMAND_FEATURE_VIEW_UNSUPPORTED
 */
export function refuseOnDemandViews(
  computed: readonly ComputedView[],
  selection: Pick<Selection, 'entityColumnNames' | 'contextColumnNames'>,
  {
    snapshot,
    runners,
  }: { readonly snapshot: RegistryDefinitions; readonly runners: FunctionRunners },
): void {
  const given = new Set([...selection.entityColumnNames, ...selection.contextColumnNames]);
  for (const { requested, requestFields } of computed) {
    const missing = requestFields.map(({ name }) => name).filter((name) => !given.has(name));
    if (missing.length > 0) throw requestDataNotFound(missing, requested.definition.name);
  }
  for (const { requested, computedSource } of computed) {
    const { name, onDemand } = requested.definition;
    const { mode, functionHash } = onDemand!;
    const refuse = (why: string): never => {
      throw onDemandFeatureViewUnsupported(name, mode, why);
    };
    if (computedSource !== undefined) refuse(`its source ${computedSource} is computed as well`);
    if (functionHash !== undefined && runners.computes) continue;
    if (mode !== DELEGATED_MODE) refuse('the transformation server runs functions of mode pandas');
    if (!runners.delegates) {
      refuse(
        'start "feast serve_transformations" and name it in feature_server.transformation_service_endpoint',
      );
    }
    if (snapshot.views.get(name) !== requested.definition) {
      refuse('the transformation server knows its current version alone');
    }
  }
}
