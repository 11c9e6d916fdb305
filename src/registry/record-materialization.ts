import { create } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { TimestampSchema, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  FeatureViewMetaSchema,
  FeatureViewState,
  MaterializationIntervalSchema,
} from '../../gen/feast/core/FeatureView_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import { featureViewNotFound } from '../errors.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/** One view whose rows between two moments, both included, are now in the online store. */
export interface MaterializedInterval {
  readonly project: string;
  readonly viewName: string;
  /** Nanoseconds since the epoch, UTC. */
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/**
 * Notes in a registry that a feature view (or stream feature view) was materialized, as Feast does: the interval is added
 * to the others, the state becomes AVAILABLE_ONLINE and the time of the last update is set. Nothing else changes.
 *
 * @param registry is edited in place.
 * @throws SideboardError FEATURE_VIEW_NOT_FOUND when the view has left the registry meanwhile.
 */
export function recordMaterialization(
  registry: Registry,
  interval: MaterializedInterval,
  nowMs: number = Date.now(),
): void {
  const view = [...registry.featureViews, ...registry.streamFeatureViews].find(
    ({ spec }) => spec?.name === interval.viewName && spec.project === interval.project,
  );
  if (view === undefined) {
    throw featureViewNotFound(interval.viewName, interval.project);
  }
  view.meta ??= create(FeatureViewMetaSchema);
  view.meta.materializationIntervals.push(
    create(MaterializationIntervalSchema, {
      startTime: timestampFromNs(interval.startNs),
      endTime: timestampFromNs(interval.endNs),
    }),
  );
  view.meta.state = FeatureViewState.AVAILABLE_ONLINE;
  view.meta.lastUpdatedTimestamp = timestampFromMs(nowMs);
}

function timestampFromNs(timestampNs: bigint): Timestamp {
  const nanos = ((timestampNs % NANOS_PER_SECOND) + NANOS_PER_SECOND) % NANOS_PER_SECOND;
  return create(TimestampSchema, {
    seconds: (timestampNs - nanos) / NANOS_PER_SECOND,
    nanos: Number(nanos),
  });
}
