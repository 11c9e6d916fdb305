import type { RegistrySnapshot } from '../registry/registry-model.ts';
import { ingestView } from './ingest-view.ts';
import type { IngestedView, IngestionProgress, IngestionTarget } from './ingest-view.ts';
import { incrementalWindow, incrementalWindowOf } from './materialization-window.ts';
import type { MaterializationWindow } from './materialization-window.ts';
import type { SelectedOnDemand } from './select-on-demand.ts';
import { selectViews } from './select-views.ts';
import type { SkippedView } from './select-views.ts';

/** Which events a run takes: those of a window, or what came since each view's last run. */
export type MaterializationScope =
  | { readonly kind: 'window'; readonly window: MaterializationWindow }
  | { readonly kind: 'incremental'; readonly endNs: bigint; readonly nowNs: bigint };

/** One run. */
export interface MaterializeOptions extends IngestionTarget {
  readonly registry: RegistrySnapshot;
  readonly scope: MaterializationScope;
  /** Feature views to materialize; `undefined` or empty = all that are online and enabled. */
  readonly viewNames?: readonly string[] | undefined;
  /** A version of the one view in `viewNames`, such as `v2`. */
  readonly version?: string | undefined;
  readonly onProgress?: ((progress: IngestionProgress) => void) | undefined;
  /** Whether there is a transformation server, for on-demand views of mode `pandas`. */
  readonly delegates: boolean;
  /** Computes an on-demand view of the rows that its sources have in a window, and writes them. */
  readonly ingestOnDemand: (
    selection: SelectedOnDemand,
    window: MaterializationWindow,
    onProgress: (progress: IngestionProgress) => void,
  ) => Promise<IngestedView>;
  /** Called when all rows of a view are in the store, to record its interval; the next view waits for it. */
  readonly onViewDone: (view: IngestedView) => Promise<void>;
}

/** How a run ended. */
export interface MaterializeResult {
  /** One per view that was materialized, in order. */
  readonly views: readonly IngestedView[];
  /** Views that were left out, and why. */
  readonly skipped: readonly SkippedView[];
}

/**
 * Materializes feature views one after the other: the latest row per entity of each goes to the online store. A view is
 * reported done, and its interval recorded, only when the store has all its rows; what fails ends the run, views before it
 * stay done. On-demand views that are kept in the store come last; they have no intervals.
 *
 * @throws SideboardError FEATURE_VIEW_NOT_FOUND, INVALID_REQUEST, INVALID_SOURCE_DATA, UNSUPPORTED_OPERATION, and what the
 *   store throws.
 */
export async function materialize(options: MaterializeOptions): Promise<MaterializeResult> {
  const { scope } = options;
  const { selected, computed, skipped } = selectViews(options.registry, {
    names: options.viewNames,
    version: options.version,
    delegates: options.delegates,
  });
  const views: IngestedView[] = [];
  const left: SkippedView[] = [...skipped];
  for (const selection of selected) {
    const window =
      scope.kind === 'window'
        ? scope.window
        : incrementalWindow(selection.view, scope.endNs, scope.nowNs);
    if (window === undefined) {
      left.push({ viewName: selection.view.name, reason: 'already materialized beyond that end' });
      continue;
    }
    const view = await ingestView(selection, window, options, options.onProgress ?? noProgress);
    await options.onViewDone(view);
    views.push(view);
  }
  for (const selection of computed) {
    const window =
      scope.kind === 'window'
        ? scope.window
        : incrementalWindowOf(
            selection.sources.map(({ view }) => view),
            scope.endNs,
          );
    views.push(await options.ingestOnDemand(selection, window, options.onProgress ?? noProgress));
  }
  return { views, skipped: left };
}

function noProgress(): void {}
