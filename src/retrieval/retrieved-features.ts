/**
 * What one request got: the answer before it has a wire form. `assembleResponse` splices it into protobuf bytes; JSON
 * writers walk it. It is there while it is answered and no longer: its memory is used again for others.
 */
import type { RetrievalPlan } from './retrieval-plan.ts';
import type { EntityColumn } from './retrieval-request.ts';
import type { StoredCells } from '../online-store/online-store.ts';

/** `feast.serving.FieldStatus`. */
export const FIELD_STATUS = {
  INVALID: 0,
  PRESENT: 1,
  NULL_VALUE: 2,
  NOT_FOUND: 3,
  OUTSIDE_MAX_AGE: 4,
} as const;

export type FieldStatusNumber = (typeof FIELD_STATUS)[keyof typeof FIELD_STATUS];

/** The rows of one entity group: the distinct entities that were read, and which of them each request row is. */
export interface GroupRows {
  /** Of the distinct entities, checked. */
  readonly cells: StoredCells;
  /** Cells per distinct entity. */
  readonly width: number;
  /** Distinct entities. */
  readonly entityCount: number;
  /** One per request row: its distinct entity, or -1 where an entity value was null. */
  readonly entityOfRow: Int32Array;
}

export interface RetrievedFeatures {
  readonly plan: RetrievalPlan;
  readonly rowCount: number;
  /** One per entity column of the answer, aligned with the first columns of `plan.outputNames`. */
  readonly entityColumns: readonly EntityColumn[];
  /** One per group of `plan.groups`. */
  readonly groups: readonly GroupRows[];
  /** `FieldStatusNumber` of (output column c, row r) at `c * rowCount + r`; what follows the last has no meaning. */
  readonly statuses: Uint8Array;
  /** Encoded bytes of the `values` field of each output column, tags and lengths included; as above. */
  readonly valueFieldBytes: Float64Array;
  /** Values that could not be read (status INVALID), entity columns not counted; 0 unless partial results are wanted. */
  readonly lostCount: number;
  /** Size of the encoded response message. */
  readonly responseBytes: number;
}
