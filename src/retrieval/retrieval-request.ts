/**
 * One online read as the transports hand it over: the selection (what is asked for; the same for thousands of requests)
 * apart from the entity values (for whom; different every time). No value is decoded here.
 */

import type { SelectionId } from './selection-id.ts';

/** One column of encoded `feast.types.Value`s: row `i` is `bytes[starts[i], ends[i])`; an empty range is a null. */
export interface EntityColumn {
  /** As the caller wrote it: a join key, an alias of one, an entity name, or a request-data field. */
  readonly name: string;
  /** Shared by the columns of a request; valid until the request ends, never written to. */
  readonly bytes: Uint8Array;
  /** One per row. */
  readonly starts: Int32Array;
  /** One per row, aligned with `starts`. */
  readonly ends: Int32Array;
}

/** Everything about a request that does not depend on entity values; what a `RetrievalPlan` is compiled from. */
export interface Selection {
  /** Wins over `features`; `undefined` = none was named. */
  readonly featureService: string | undefined;
  /** Feature references as written (`view:feature`), in request order. */
  readonly features: readonly string[];
  readonly fullFeatureNames: boolean;
  /** Names of `RetrievalRequest.columns`, same order: the order in which entity columns are answered. */
  readonly entityColumnNames: readonly string[];
  /** Names of `RetrievalRequest.contextColumns`, same order. */
  readonly contextColumnNames: readonly string[];
  /** Whether the answer's metadata lists the views that were read and their versions. */
  readonly includeVersionMetadata: boolean;
}

export interface RetrievalRequest {
  readonly selectionId: SelectionId;
  /**
   * Decodes the selection; called only where no plan is cached for `selectionId`.
   *
   * @throws SideboardError INVALID_REQUEST where a name in it is not UTF-8
   */
  selection(): Selection;
  /** Entity columns; not necessarily of equal length yet (the reader checks). */
  readonly columns: readonly EntityColumn[];
  /** Columns of `request_context`: request data of on-demand feature views. */
  readonly contextColumns: readonly EntityColumn[];
}

/** What one request may cost; each beyond its limit is refused before the store is asked. */
export interface RetrievalLimits {
  readonly maxRows: number;
  /** Output features of one request, entity columns not counted. */
  readonly maxFeatures: number;
  /** Rows × output features. */
  readonly maxCells: number;
  readonly maxRequestBytes: number;
  /** Of the encoded response message. */
  readonly maxResponseBytes: number;
  /** What the compiled plans may occupy together, approximately. */
  readonly planCacheBytes: number;
}

/** Where Feast's own servers disagree and an operator may choose. */
export interface RetrievalSemantics {
  /** `protocol`: as the transport says in `enforceTtl`; otherwise one rule for all of them. */
  readonly onlineTtl: 'protocol' | 'enforce' | 'ignore';
  /** Status of a stored null. */
  readonly nullStatus: 'present' | 'null_value';
  /** `present`: whatever is absent reads as PRESENT with an unset value, as Feast's Python server does on Redis. */
  readonly missingEntity: 'not_found' | 'present';
  /** Convert entity values as Python would even where that loses something (1001.7 → 1001, true → "True"). */
  readonly lossyEntityCoercion: boolean;
  /** Read a view without entities that has no row from the key without join keys, where Feast's push puts it. */
  readonly readEntitylessPushes: boolean;
  /** Whether values that cannot be read are marked INVALID in an answer that has the rest; a request may say otherwise. */
  readonly partialResults: boolean;
}
