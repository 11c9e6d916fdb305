import { Buffer } from 'node:buffer';
import {
  compileEntityKeyPrefix,
  sortJoinKeys,
  type EntityKeyVersion,
} from '../feast-encoding/entity-key.ts';
import type { OnlineStore } from '../online-store/online-store.ts';
import { DUMMY_JOIN_KEY, type JoinKeySource } from './entity-columns.ts';
import type { RequestedView, ResolvedSelection } from './resolve-selection.ts';
import type { EntityGroupPlan, GroupViewPlan } from './retrieval-plan.ts';

/** Where groups are compiled for. */
export interface GroupContext {
  readonly project: string;
  readonly store: OnlineStore;
  readonly entityKeyVersion: EntityKeyVersion;
  /** As in `RetrievalSemantics`. */
  readonly readEntitylessPushes: boolean;
  /** Index into the plan's entity columns of a join key's source. */
  readonly entityColumnOf: (source: JoinKeySource) => number;
}

/** The place of a requested feature among the cells. */
export interface FeatureCell {
  readonly group: number;
  /** Index into the views of the group. */
  readonly view: number;
  /** Position among the cells of the group. */
  readonly cell: number;
}

/** The views of a selection, grouped by entity. */
export interface CompiledGroups {
  readonly groups: readonly EntityGroupPlan[];
  /** One per requested feature, in requested order. */
  readonly cells: readonly FeatureCell[];
}

/** One stored view of a group while it is being put together: two projections of a view share it. */
interface StoredView {
  readonly requested: RequestedView;
  readonly featureNames: Map<string, number>;
}

interface Group {
  readonly joinKeys: readonly string[];
  readonly keyColumns: readonly number[];
  readonly hasFallback: boolean;
  readonly views: Map<string, StoredView>;
}

/**
 * Puts views that are read with the same entity key together, so that the store is asked once per entity. Each feature
 * is read once, however many output columns show it.
 *
 * @param joinKeys one per requested view: its join keys and their sources.
 */
export function compileGroups(
  { views, features }: ResolvedSelection,
  joinKeys: readonly ReadonlyMap<string, JoinKeySource>[],
  context: GroupContext,
): CompiledGroups {
  const groups = new Map<string, Group>();
  const groupOfView = joinKeys.map((sources, view) => {
    const names = sortJoinKeys([...sources.keys()]);
    const keyColumns = names.map((name) => {
      const source = sources.get(name)!;
      return source.columnName === DUMMY_JOIN_KEY ? -1 : context.entityColumnOf(source);
    });
    const hasFallback = context.readEntitylessPushes && keyColumns.every((column) => column < 0);
    // Views that may be in either of two places are in a group each: one may be here, the other there.
    const alone = hasFallback ? views[view]!.storedName : '';
    const id = JSON.stringify([names, keyColumns, alone]);
    const group = groups.get(id) ?? { joinKeys: names, keyColumns, hasFallback, views: new Map() };
    groups.set(id, group);
    return group;
  });
  const places = features.map(({ view, featureName }) => {
    const group = groupOfView[view]!;
    const requested = views[view]!;
    const id = JSON.stringify([requested.storedName, requested.definition.name]);
    const stored = group.views.get(id) ?? { requested, featureNames: new Map() };
    group.views.set(id, stored);
    if (!stored.featureNames.has(featureName)) {
      stored.featureNames.set(featureName, stored.featureNames.size);
    }
    return { group, stored, feature: stored.featureNames.get(featureName)! };
  });
  const ordered = [...groups.values()];
  const plans = ordered.map((group) => compileGroup(group, context));
  const cells = places.map(({ group, stored, feature }) => {
    const index = ordered.indexOf(group);
    const view = [...group.views.values()].indexOf(stored);
    return { group: index, view, cell: plans[index]!.views[view]!.firstCell + feature };
  });
  return { groups: plans, cells };
}

function compileGroup(group: Group, context: GroupContext): EntityGroupPlan {
  const views: GroupViewPlan[] = [];
  let firstCell = 0;
  for (const { requested, featureNames } of group.views.values()) {
    const timestampCell = firstCell + featureNames.size;
    views.push({
      name: requested.definition.name,
      featureNames: [...featureNames.keys()],
      firstCell,
      timestampCell,
      ttlSeconds: requested.definition.ttlSeconds,
    });
    firstCell = timestampCell + 1;
  }
  const storedNames = [...group.views.values()].map(({ requested }) => requested.storedName);
  const prepared = context.store.prepare({
    project: context.project,
    joinKeys: group.joinKeys,
    views: views.map(({ featureNames }, index) => ({
      storedName: storedNames[index]!,
      featureNames,
    })),
  });
  return {
    keyColumns: Int32Array.from(group.keyColumns),
    keyPrefix: compileEntityKeyPrefix(group.joinKeys, context.entityKeyVersion),
    // A copy outside the pool that Node makes small buffers in: plans are kept.
    fallbackKey: group.hasFallback
      ? new Uint8Array(
          Buffer.concat([compileEntityKeyPrefix([], context.entityKeyVersion), prepared.keySuffix]),
        )
      : undefined,
    prepared,
    views,
  };
}
