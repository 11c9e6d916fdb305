import { create } from '@bufbuild/protobuf';
import { FeatureViewMetaSchema, FeatureViewState } from '../../gen/feast/core/FeatureView_pb.ts';
import type { FeatureView } from '../../gen/feast/core/FeatureView_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import type { StreamFeatureView } from '../../gen/feast/core/StreamFeatureView_pb.ts';

/** Feature views that were marked as being materialized, with the states that they had. */
export type ReservedViews = ReadonlyMap<string, FeatureViewState>;

/** How a reservation ended: the views, or those that another run has already. */
export type Reservation =
  | { readonly kind: 'reserved'; readonly views: ReservedViews }
  | { readonly kind: 'taken'; readonly viewNames: readonly string[] };

/**
 * Marks feature views as MATERIALIZING in a registry, all of them or none.
 *
 * @param registry is edited in place.
 * @param force also those that are marked already: a run that died left them so.
 */
export function reserveViews(
  registry: Registry,
  project: string,
  viewNames: readonly string[],
  force: boolean,
): Reservation {
  const views = viewsNamed(registry, project, viewNames);
  const taken = views.filter(({ meta }) => meta?.state === FeatureViewState.MATERIALIZING);
  if (taken.length > 0 && !force) {
    return { kind: 'taken', viewNames: taken.map(({ spec }) => spec!.name) };
  }
  const reserved = new Map<string, FeatureViewState>();
  for (const view of views) {
    view.meta ??= create(FeatureViewMetaSchema);
    const { state } = view.meta;
    reserved.set(
      view.spec!.name,
      state === FeatureViewState.MATERIALIZING ? FeatureViewState.GENERATED : state,
    );
    view.meta.state = FeatureViewState.MATERIALIZING;
  }
  return { kind: 'reserved', views: reserved };
}

/** Gives views that are still marked the states back that they had; those that were materialized have a new one. */
export function releaseViews(registry: Registry, project: string, reserved: ReservedViews): void {
  for (const view of viewsNamed(registry, project, [...reserved.keys()])) {
    if (view.meta?.state === FeatureViewState.MATERIALIZING) {
      view.meta.state = reserved.get(view.spec!.name)!;
    }
  }
}

function viewsNamed(
  registry: Registry,
  project: string,
  viewNames: readonly string[],
): (FeatureView | StreamFeatureView)[] {
  const names = new Set(viewNames);
  return [...registry.featureViews, ...registry.streamFeatureViews].filter(
    ({ spec }) => spec !== undefined && spec.project === project && names.has(spec.name),
  );
}
