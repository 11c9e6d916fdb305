import { openBatchTransformation } from '../batch-transformation.ts';
import type { Config } from '../config/config.ts';
import type { IngestedView, IngestionProgress, IngestionTarget } from '../ingestion/ingest-view.ts';
import { materialize } from '../ingestion/materialize.ts';
import type { MaterializationScope, MaterializeResult } from '../ingestion/materialize.ts';
import { recordMaterialization } from '../registry/record-materialization.ts';
import { readRegistry, updateRegistry } from '../registry/open-registry.ts';
import { buildRegistrySnapshot } from '../registry/registry-snapshot.ts';

/** A materialization of a configured repository. */
export interface MaterializationRun {
  readonly config: Config;
  readonly scope: MaterializationScope;
  /** `undefined` or empty = all that are online and enabled. */
  readonly viewNames?: readonly string[] | undefined;
  /** A version of the one view that is named, such as `v2`. */
  readonly version?: string | undefined;
  /** Whether a bad row fails its view. */
  readonly strict?: boolean | undefined;
  readonly onProgress?: ((progress: IngestionProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Materializes feature views of a repository into its online store and records the interval of each in its registry file
 * as soon as the store has all its rows.
 *
 * @throws SideboardError REGISTRY_UNAVAILABLE when there is no registry yet; else as `materialize`.
 */
export async function runMaterialization(run: MaterializationRun): Promise<MaterializeResult> {
  const { config } = run;
  const { versioningEnabled } = config.registry;
  const registry = await readRegistry(config.registry, config.project);
  const { openOnlineStore } = await import('../online-store/open-online-store.ts');
  const store = await openOnlineStore(config.onlineStore);
  const transformation = openBatchTransformation(config);
  const delegates = config.transformationEndpoint !== undefined;
  const target: IngestionTarget = {
    project: config.project,
    store,
    entityKeyVersion: config.entityKeySerializationVersion,
    sources: { ...config.sources, repoPath: config.repoPath },
    batchRows: config.materialization.onlineWriteBatchSize,
    strict: run.strict ?? false,
    signal: run.signal,
  };
  const snapshot = buildRegistrySnapshot(registry, { project: config.project, versioningEnabled });
  try {
    return await materialize({
      ...target,
      registry: snapshot,
      delegates,
      ingestOnDemand: async (selection, window, onProgress) => {
        // Nobody else pays for loading what joins and computes.
        const { materializeOnDemand } = await import('../training/materialize-on-demand.ts');
        return materializeOnDemand(selection, window, {
          registry: snapshot,
          target,
          onDemand: {
            transform: transformation.transform,
            runners: { delegates, computes: true },
          },
          onProgress,
        });
      },
      scope: run.scope,
      viewNames: run.viewNames,
      version: run.version,
      onProgress: run.onProgress,
      onViewDone: async (view) => {
        await record(config, view);
      },
    });
  } finally {
    await transformation.close();
    await store.close();
  }
}

async function record(config: Config, view: IngestedView): Promise<void> {
  if (config.registry.kind !== 'file') return;
  await updateRegistry(config.registry, (registry) => {
    recordMaterialization(registry, {
      project: config.project,
      viewName: view.viewName,
      startNs: view.window.startNs,
      endNs: view.window.endNs,
    });
  });
}
