import { featureViewNotFound } from '../errors.ts';
import type {
  BatchSourceDefinition,
  RegistrySnapshot,
  ViewDefinition,
} from '../registry/registry-model.ts';
import { invalidMaterialization, notMaterializable } from './ingestion-error.ts';

/** A feature view that can be materialized here. */
export interface SelectedView {
  readonly view: ViewDefinition;
  readonly source: BatchSourceDefinition;
  /** The name that its rows are kept under: with `_vN` where versions are kept apart. */
  readonly storedName: string;
}

/** A view that a run over all views leaves out, and why. */
export interface SkippedView {
  readonly viewName: string;
  readonly reason: string;
}

/** What a run is about. */
export interface ViewSelection {
  readonly selected: readonly SelectedView[];
  readonly skipped: readonly SkippedView[];
}

const VERSION = /^v?(\d+)$/;

/**
 * The feature views of a run: those that are named, else (like Feast) every feature view and stream feature view that is
 * online and enabled, in the order of the registry.
 *
 * @param names `undefined` or empty = all.
 * @param version such as `v2`: that version of the one view that is named; `undefined` = the current one.
 * @throws SideboardError FEATURE_VIEW_NOT_FOUND, INVALID_REQUEST, and UNSUPPORTED_OPERATION for a view whose rows only Feast
 *   can make (warehouse sources, transformations).
 */
export function selectViews(
  snapshot: RegistrySnapshot,
  names?: readonly string[],
  version?: string,
): ViewSelection {
  const named = names ?? [];
  if (version !== undefined) {
    return { selected: [selectVersion(snapshot, named, version)], skipped: [] };
  }
  if (named.length > 0) {
    const unique = [...new Set(named)];
    return { selected: unique.map((name) => selectNamed(snapshot, name)), skipped: [] };
  }
  const selected: SelectedView[] = [];
  const skipped: SkippedView[] = [];
  for (const view of snapshot.views.values()) {
    const reason = reasonToSkip(view);
    if (reason !== undefined) {
      skipped.push({ viewName: view.name, reason });
    } else if (isBatchKind(view)) {
      selected.push(select(snapshot, view));
    }
  }
  return { selected, skipped };
}

function selectNamed(snapshot: RegistrySnapshot, name: string): SelectedView {
  const view = snapshot.views.get(name);
  if (view === undefined) {
    throw featureViewNotFound(name, snapshot.project);
  }
  if (view.kind === 'label_view') {
    throw invalidMaterialization(`label view ${name} is filled by pushes, not materialized`);
  }
  if (view.kind === 'on_demand_feature_view') {
    throw notMaterializable(name, 'is computed on demand');
  }
  if (!view.online || view.disabled) {
    throw invalidMaterialization(
      `feature view ${name} is ${view.disabled ? 'disabled' : 'not online'}; change its definition and apply it before materializing`,
    );
  }
  return select(snapshot, view);
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
function reasonToSkip(view: ViewDefinition): string | undefined {
  if (view.kind === 'on_demand_feature_view') {
    return view.onDemand?.writeToOnlineStore === true && !view.disabled
      ? 'computed when it is written to; Feast can materialize it if it has a Python function'
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
  const isVersioned = snapshot.versioningEnabled && view.versionNumber > 0;
  return {
    view,
    source,
    storedName: isVersioned ? `${view.name}_v${view.versionNumber}` : view.name,
  };
}
