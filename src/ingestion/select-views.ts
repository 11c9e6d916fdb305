import { featureViewNotFound } from '../errors.ts';
import type {
  BatchSourceDefinition,
  RegistrySnapshot,
  ViewDefinition,
} from '../registry/registry-model.ts';
import { invalidMaterialization, notMaterializable } from './ingestion-error.ts';
import { problemOfOnDemand, refuseOnDemand } from './select-on-demand.ts';
import type { SelectedOnDemand } from './select-on-demand.ts';

/** A feature view that can be materialized here. */
export interface SelectedView {
  readonly view: ViewDefinition;
  readonly source: BatchSourceDefinition;
  /** The name that its rows are kept under: with `_vN` where versions are kept apart. */
  readonly storedName: string;
  /** What its rows are dated with, nanoseconds since the epoch; absent = each by its own event timestamp. */
  readonly datedNs?: bigint;
}

/** A view that a run over all views leaves out, and why. */
export interface SkippedView {
  readonly viewName: string;
  readonly reason: string;
}

/** What a run is about. */
export interface ViewSelection {
  readonly selected: readonly SelectedView[];
  /** On-demand views that are kept in the online store. */
  readonly computed: readonly SelectedOnDemand[];
  readonly skipped: readonly SkippedView[];
}

const VERSION = /^v?(\d+)$/;

/** Which views a run is to be about. */
export interface ViewRequest {
  /** `undefined` or empty = all. */
  readonly names: readonly string[] | undefined;
  /** Such as `v2`: that version of the one view that is named; `undefined` = the current one. */
  readonly version: string | undefined;
  /** Whether there is a transformation server, for on-demand views of mode `pandas`. */
  readonly delegates: boolean;
}

/**
 * The feature views of a run: those that are named, else (like Feast) every feature view and stream feature view that is
 * online and enabled, and every on-demand view that is kept in the online store, in the order of the registry.
 *
 * @throws SideboardError FEATURE_VIEW_NOT_FOUND, INVALID_REQUEST, and UNSUPPORTED_OPERATION for a view whose rows only Feast
 *   can make (warehouse sources, transformations).
 */
export function selectViews(
  snapshot: RegistrySnapshot,
  { names = [], version, delegates }: ViewRequest,
): ViewSelection {
  if (version !== undefined) {
    return { selected: [selectVersion(snapshot, names, version)], computed: [], skipped: [] };
  }
  const selected: SelectedView[] = [];
  const computed: SelectedOnDemand[] = [];
  const skipped: SkippedView[] = [];
  for (const name of new Set(names)) {
    const view = snapshot.views.get(name);
    if (view === undefined) {
      throw featureViewNotFound(name, snapshot.project, snapshot.views.keys());
    }
    refuseUnready(view);
    if (view.kind === 'on_demand_feature_view') {
      const problem = problemOfOnDemand(view, snapshot, delegates);
      if (problem !== undefined) refuseOnDemand(name, problem);
      computed.push(selectOnDemand(snapshot, view));
    } else {
      selected.push(select(snapshot, view));
    }
  }
  if (names.length > 0) return { selected, computed, skipped };
  for (const view of snapshot.views.values()) {
    const reason = reasonToSkip(view, snapshot, delegates);
    if (reason !== undefined) {
      skipped.push({ viewName: view.name, reason });
    } else if (isBatchKind(view)) {
      selected.push(select(snapshot, view));
    } else if (view.onDemand?.writeToOnlineStore === true && !view.disabled) {
      computed.push(selectOnDemand(snapshot, view));
    }
  }
  return { selected, computed, skipped };
}

function refuseUnready(view: ViewDefinition): void {
  const { name } = view;
  if (view.kind === 'label_view') {
    throw invalidMaterialization(`label view ${name} is filled by pushes, not materialized`);
  }
  const isOffline = !view.online && view.kind !== 'on_demand_feature_view';
  if (isOffline || view.disabled) {
    throw invalidMaterialization(
      `feature view ${name} is ${view.disabled ? 'disabled' : 'not online'}; change its definition and apply it before materializing`,
    );
  }
}

function selectVersion(
  snapshot: RegistrySnapshot,
  names: readonly string[],
  version: string,
): SelectedView {
  const number = VERSION.exec(version)?.[1];
  const [name] = names;
  if (number === undefined || name === undefined || names.length > 1) {
    throw invalidMaterialization('a version such as v2 needs exactly one feature view (-v)');
  }
  if (!snapshot.versioningEnabled) {
    throw invalidMaterialization(
      'a version needs enable_online_feature_view_versioning: true in the registry block of feature_store.yaml',
    );
  }
  const view = snapshot.viewVersions.get(name)?.get(Number(number));
  if (view === undefined) {
    throw featureViewNotFound(`${name}@v${number}`, snapshot.project);
  }
  return select(snapshot, view);
}

/** Views that a run over all of them passes over in silence have no reason: they are none of its business. */
function reasonToSkip(
  view: ViewDefinition,
  snapshot: RegistrySnapshot,
  delegates: boolean,
): string | undefined {
  if (view.kind === 'on_demand_feature_view') {
    return view.onDemand?.writeToOnlineStore === true && !view.disabled
      ? problemOfOnDemand(view, snapshot, delegates)?.reason
      : undefined;
  }
  if (!isBatchKind(view)) {
    return undefined;
  }
  if (view.disabled) {
    return 'disabled';
  }
  if (!view.online) {
    return 'not online';
  }
  return view.materialization?.batchSource === undefined
    ? 'no batch source: filled by pushes alone'
    : undefined;
}

function isBatchKind(view: ViewDefinition): boolean {
  return view.kind === 'feature_view' || view.kind === 'stream_feature_view';
}

function select(snapshot: RegistrySnapshot, view: ViewDefinition): SelectedView {
  const { batchSource: source, computedBy } = view.materialization ?? {};
  if (computedBy !== undefined) {
    throw notMaterializable(view.name, `is computed by ${computedBy}`);
  }
  if (source === undefined) {
    throw invalidMaterialization(
      `feature view ${view.name} has no batch source: it is filled by pushes alone`,
    );
  }
  if (source.kind !== 'file') {
    throw notMaterializable(
      view.name,
      `reads its rows from ${source.kind} (source ${source.name})`,
    );
  }
  return { view, source, storedName: storedNameOf(snapshot, view) };
}

function selectOnDemand(snapshot: RegistrySnapshot, view: ViewDefinition): SelectedOnDemand {
  const names = new Set(view.onDemand!.sources.map(({ viewName }) => viewName));
  return {
    view,
    sources: [...names].map((name) => select(snapshot, snapshot.views.get(name)!)),
    storedName: storedNameOf(snapshot, view),
  };
}

function storedNameOf({ versioningEnabled }: RegistrySnapshot, view: ViewDefinition): string {
  const isVersioned = versioningEnabled && view.versionNumber > 0;
  return isVersioned ? `${view.name}_v${view.versionNumber}` : view.name;
}
