import type { PreparedRead } from '../online-store/online-store.ts';
import type { ValueTypeNumber } from '../registry/registry-model.ts';

/** The views that are read with one entity key: same join keys, from the same request columns. */
export interface EntityGroupPlan {
  /** Join keys, sorted by UTF-8 bytes. */
  readonly joinKeys: readonly string[];
  /** Aligned with `joinKeys`: index into `RetrievalRequest.columns`, or -1 for `__dummy_id` (always ""). */
  readonly requestColumns: Int32Array;
  /** Aligned with `joinKeys`: type that entity values are converted to; 0 = as they come. */
  readonly valueTypes: Int32Array;
  /** First bytes of every serialized entity key of the group. */
  readonly keyPrefix: Uint8Array;
  readonly prepared: PreparedRead;
  /** One per view of the group, in the order of the prepared layout. */
  readonly views: readonly GroupViewPlan[];
}

/** One view inside a group: its cells stand next to each other, the timestamp last. */
export interface GroupViewPlan {
  /** As messages name it. */
  readonly name: string;
  /** By its name in the view, aligned with the cells from `firstCell`. */
  readonly featureNames: readonly string[];
  readonly firstCell: number;
  /** `firstCell + featureNames.length`. */
  readonly timestampCell: number;
  /** Whole seconds; 0 = never too old. */
  readonly ttlSeconds: number;
}

/** An entity column of the answer. */
export interface EntityOutputPlan {
  /** Index into `RetrievalRequest.columns`. */
  readonly requestColumn: number;
  /** Type that its values are converted to; 0 = as they come. */
  readonly valueType: ValueTypeNumber;
}

/**
 * A selection compiled against one registry snapshot: everything about an answer that does not depend on entity values.
 * Frozen. Output columns are the entity columns, then the features in requested order.
 */
export interface RetrievalPlan {
  /** One per output column. */
  readonly outputNames: readonly string[];
  /** The first output columns. */
  readonly entityOutputs: readonly EntityOutputPlan[];
  readonly groups: readonly EntityGroupPlan[];
  /** One per output column: index into `groups`; -1 for entity columns. */
  readonly groupOfColumn: Int32Array;
  /** One per output column: index into `groups[g].views`; -1 for entity columns. */
  readonly viewOfColumn: Int32Array;
  /** One per output column: its position among the cells of its group; -1 for entity columns. */
  readonly cellOfColumn: Int32Array;
  /** One per output column: position of its view's event timestamp; -1 for entity columns. */
  readonly timestampCellOfColumn: Int32Array;
  /** The encoded field `metadata` of the response, tag and length included. */
  readonly metadataField: Uint8Array;
  /** The views that were read and their versions; empty unless the selection asked for it. */
  readonly viewVersions: readonly { readonly name: string; readonly version: number }[];
  /** Approximate memory that the plan occupies, for the cache's bound. */
  readonly sizeBytes: number;
}
