import { create, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import {
  FeatureViewVersionHistorySchema,
  FeatureViewVersionRecordSchema,
  type FeatureViewVersionRecord,
} from '../../gen/feast/core/FeatureViewVersion_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';

/** Whose history it is. */
export interface VersionedView {
  /** `feature_view` or `on_demand_feature_view`, as records name it. */
  readonly viewType: string;
  readonly name: string;
  readonly project: string;
}

/** One view that came to be or whose schema changed. */
export interface VersionedChange<D extends DescMessage> extends VersionedView {
  readonly schema: D;
  /** The view before the change; `undefined` when it is new. */
  readonly before: MessageShape<D> | undefined;
  /** The view after it. */
  readonly next: MessageShape<D>;
  /** The `meta` of `next`; its version number is set here. */
  readonly meta: { currentVersionNumber: number } | undefined;
  readonly now: Timestamp;
  readonly newId: () => string;
}

/**
 * Keeps Feast's history of a view: a new view is version 0, each change of its schema the next number. Where a changed
 * view has no history yet, its old form is put down as version 0 first.
 *
 * @param registry is edited in place
 */
export function recordVersion<D extends DescMessage>(
  registry: Registry,
  change: VersionedChange<D>,
): void {
  const history = (registry.featureViewVersionHistory ??= create(FeatureViewVersionHistorySchema));
  const known = history.records.filter((record) => belongsTo(record, change));
  let version = known.reduce((newest, record) => Math.max(newest, record.versionNumber), -1) + 1;
  if (change.before !== undefined && version === 0) {
    history.records.push(createRecord(change, change.before, 0));
    version = 1;
  }
  if (change.meta !== undefined) change.meta.currentVersionNumber = version;
  history.records.push(createRecord(change, change.next, version));
}

/** Forgets the versions of an object that is deleted; those of kinds that have none are none. */
export function forgetVersions(registry: Registry, view: VersionedView): void {
  const history = registry.featureViewVersionHistory;
  if (history === undefined) return;
  history.records = history.records.filter((record) => !belongsTo(record, view));
}

function belongsTo(record: FeatureViewVersionRecord, view: VersionedView): boolean {
  return (
    record.featureViewName === view.name &&
    record.projectId === view.project &&
    record.featureViewType === view.viewType
  );
}

function createRecord<D extends DescMessage>(
  change: VersionedChange<D>,
  view: MessageShape<D>,
  versionNumber: number,
): FeatureViewVersionRecord {
  return create(FeatureViewVersionRecordSchema, {
    featureViewName: change.name,
    projectId: change.project,
    versionNumber,
    featureViewType: change.viewType,
    featureViewProto: toBinary(change.schema, view),
    createdTimestamp: change.now,
    versionId: change.newId(),
  });
}
