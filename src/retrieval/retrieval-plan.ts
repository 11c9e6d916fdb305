import type { GuardedObject } from '../call/access.ts';
import type { PreparedRead } from '../online-store/online-store.ts';
import type { OnDemandPlan } from './on-demand-plan.ts';
import type { VectorPlan } from './vector-plan.ts';
import type { ValueTypeNumber } from '../registry/registry-model.ts';

/** One use of a request column: as (part of) entity keys, as a column of the answer, or both. */
export interface EntityColumnPlan {
  /** Index into `RetrievalRequest.columns`. */
  readonly requestColumn: number;
  /** Type that its values are converted to; 0 = they stay as they come. */
  readonly valueType: ValueTypeNumber;
  /** Whether entity keys are made of it, so that its values must have a type that keys can hold. */
  readonly isJoinKey: boolean;
}

/** One view inside a group: its cells stand next to each other, the timestamp last. */
export interface GroupViewPlan {
  /** As messages name it. */
  readonly name: string;
  /** By their names in the view, aligned with the cells from `firstCell`. */
  readonly featureNames: readonly string[];
  readonly firstCell: number;
  /** `firstCell + featureNames.length`. */
  readonly timestampCell: number;
  /** Whole seconds; 0 = never too old. */
  readonly ttlSeconds: number;
}

/** The views that are read with one entity key: same join keys, from the same request columns. */
export interface EntityGroupPlan {
  /** Aligned with the sorted join keys: index into `RetrievalPlan.entityColumns`; -1 = `__dummy_id`, which is always "". */
  readonly keyColumns: Int32Array;
  /** First bytes of every serialized entity key of the group. */
  readonly keyPrefix: Uint8Array;
  /**
   * The key, suffix included, to read where the group's only entity has no row: of a view without entities that Feast's
   * push wrote. `undefined` = there is none.
   */
  readonly fallbackKey: Uint8Array | undefined;
  readonly prepared: PreparedRead;
  /** In the order of the prepared layout. */
  readonly views: readonly GroupViewPlan[];
}

/**
 * A selection compiled against the definitions of a registry: everything about an answer that does not depend on entity values.
 * Frozen. Output columns are the entity columns, then the features in requested order.
 */
export interface RetrievalPlan {
  /** One per output column. */
  readonly outputNames: readonly string[];
  readonly entityColumns: readonly EntityColumnPlan[];
  /** One per output column that is an entity column, these being the first: index into `entityColumns`. */
  readonly entityOutputs: readonly number[];
  readonly groups: readonly EntityGroupPlan[];
  /** One per output column: index into `groups`; -1 for entity columns. */
  readonly groupOfColumn: Int32Array;
  /** One per output column: index into `groups[g].views`; -1 for entity columns. */
  readonly viewOfColumn: Int32Array;
  /** One per output column: its position among the cells of its group; -1 for entity columns. */
  readonly cellOfColumn: Int32Array;
  /** The encoded field `metadata` of the response, tag and length included. */
  readonly metadataField: Uint8Array;
  /** The views that were read and their versions; empty unless the selection asked for it. */
  readonly viewVersions: readonly ViewVersion[];
  /** How the precomputed vectors of the only group are read; `undefined` = there are none. */
  readonly vectors: VectorPlan | undefined;
  /** What is computed from what was read; `undefined` = nothing. `groups` are then those that are read. */
  readonly onDemand: OnDemandPlan | undefined;
  /** What a caller needs the permission to read: the feature service that was named, or else every view. */
  readonly requested: readonly GuardedObject[];
  /** Memory that the plan occupies, roughly; for the bound of the cache. */
  readonly sizeBytes: number;
}

/** `feast.serving.FeatureViewMetadata`. */
export interface ViewVersion {
  readonly name: string;
  readonly version: number;
}
