/**
 * The seam between features and where they are kept. A store knows Feast's layout in its engine, and nothing of
 * registries, plans or transports. `test/online-store/contract.ts` is the suite that every store passes.
 */
import type { CallerSignal } from '../call/caller-signal.ts';
import { RowSlab, type SlabRow } from '../feast-encoding/row-slab.ts';

/** One feature view as it is stored: the name that its rows are kept under (with `_vN` for versions) and its features. */
export interface ViewLayout {
  readonly storedName: string;
  /** Features to read, by their name in the view; may be empty (then only the event timestamp is read). */
  readonly featureNames: readonly string[];
}

/** What a plan wants to know of one entity: the features of all views that share its key, read together. */
export interface ReadLayout {
  readonly project: string;
  /** Join keys of the entity key, sorted by UTF-8 bytes. Empty never occurs: entityless views use `__dummy_id`. */
  readonly joinKeys: readonly string[];
  readonly views: readonly ViewLayout[];
}

/**
 * A `ReadLayout` turned into the store's own terms when a plan is compiled, so that nothing is hashed or quoted on the
 * read path. Made by `OnlineStore.prepare` and understood only by the store that made it.
 */
export interface PreparedRead {
  /** Bytes to append to a serialized entity key to make the key of the store (Redis: the project; SQLite: none). */
  readonly keySuffix: Uint8Array;
  /** Cells per entity: for each view in order its features in order, then one cell for its event timestamp. */
  readonly width: number;
}

/** In `StoredCells.starts`: the store holds nothing there; what it holds could not be read. */
export const ABSENT = -1;
export const LOST = -2;

/**
 * What a store holds of the entities of one group, as positions: nothing is made per value. Cell `(e, w)`, entity `e` of
 * `EntityRead.keys` and position `w < prepared.width`, is at `i = e * width + w`: the bytes `[starts[i], ends[i])` of
 * `buffers[e]`, an encoded `feast.types.Value` (empty = a stored null) or, in a timestamp cell, an encoded
 * `google.protobuf.Timestamp`; `starts[i] < 0` where there is none. The buffers are those that the store received into:
 * they are valid until `release` and never written to before.
 */
export interface StoredCells {
  /** One per entity; many entities may share one. What stands there for an entity without any cell has no meaning. */
  readonly buffers: readonly Uint8Array[];
  /** One per cell: where it begins, `ABSENT`, or `LOST` where `ReadOptions.isPartial` allows it. */
  readonly starts: Int32Array;
  /** One per cell, aligned with `starts`; without meaning where the cell is absent. */
  readonly ends: Int32Array;
  /**
   * Gives the memory back to the store, which uses it for other reads: nothing of these cells may be looked at any more.
   * Whoever does not call it leaves the memory to the garbage collector. Safe to call again.
   */
  release?(): void;
}

/** The distinct entities of one entity group of a request. */
export interface EntityRead {
  readonly prepared: PreparedRead;
  /** Serialized entity key + `prepared.keySuffix`, one per distinct entity. */
  readonly keys: readonly Uint8Array[];
}

/** Limits of one read. */
export interface ReadOptions {
  /** On the clock of `performance.now()`; `Infinity` = none. Past it the read rejects with DEADLINE_EXCEEDED. */
  readonly deadlineAtMs: number;
  /** Aborted when the caller went away: what has not been sent is not sent, the read rejects with CANCELLED. */
  readonly signal?: CallerSignal | undefined;
  /** Whether a read answers what it can and marks the rest as `LOST`, instead of failing. */
  readonly isPartial?: boolean | undefined;
  /** Hears of every node that was asked, when the read is over; a store without nodes tells nothing. */
  readonly onNodeRead?: ((read: NodeRead) => void) | undefined;
}

/**
 * What one node of a store did for one read. The shape of `NodeRead` in `redis/`, said again: the interface of all stores takes
 * nothing from one of them, and `redis/` nothing from anybody.
 */
export interface NodeRead {
  /** `host:port` of the node that answered; of what nobody answered, of the one that was asked, '' = none is known. */
  readonly address: string;
  /** Entities that it was asked for. */
  readonly keyCount: number;
  /** From the beginning of the read to its last answer, on the clock of `performance.now()`. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Whether these entities were read. */
  readonly isAnswered: boolean;
}

/**
 * One row to write: all or some features of one view for one entity, as of one moment. Redis keeps the nanoseconds of its event
 * timestamp, SQLite whole seconds; the created timestamp is kept by SQLite only. Its values are aligned with
 * `WriteBatch.view.featureNames`; empty = null, `undefined` = leave as is.
 */
export type WriteRow = SlabRow;

export interface WriteBatch {
  readonly project: string;
  readonly joinKeys: readonly string[];
  readonly view: ViewLayout;
  /** Many rows come as a slab, which is left alone until the write has ended. */
  readonly rows: readonly WriteRow[] | RowSlab;
}

/** The rows of a batch as a slab. */
export function slabOf({ rows, view }: WriteBatch): RowSlab {
  return rows instanceof RowSlab ? rows : RowSlab.of(rows, view.featureNames.length);
}

/** How a batch ended. `written + stale = rows.length` unless the call rejected. */
export interface WriteResult {
  readonly written: number;
  /** Rows skipped because the store already held the same or a newer event of that view and entity. */
  readonly stale: number;
}

/** A node of a store that cannot be reached. The shape of `AwayNode` in `redis/`, see `NodeRead`. */
export interface AwayStoreNode {
  readonly address: string;
  readonly reason: string;
}

/** One line of `sideboard check`. */
export interface StoreFinding {
  readonly level: 'ok' | 'warning' | 'error';
  readonly message: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** Everything a store holds for one entity, for `sideboard inspect`. */
export interface StoredEntity {
  /** Where it is, as ordered label/value pairs (Redis: key, slot, node, encoding, ttl; SQLite: file, entity key). */
  readonly place: readonly (readonly [label: string, value: string])[];
  readonly fields: readonly StoredField[];
}

export interface StoredField {
  /** Stored view name where the store tells it (SQLite's table), else `undefined` (Redis hashes view and feature). */
  readonly view?: string;
  /** Redis: the raw hash field; SQLite: the feature name. */
  readonly name: Uint8Array;
  readonly value: Uint8Array;
  /** Where the store keeps it per field (SQLite). */
  readonly eventTimestampNs?: bigint;
}

/** Something that a store counts or measures by itself, for the metrics. */
export interface StoreFigure {
  /** In snake case with its unit, without a prefix. */
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
  /** What a gauge of several processes is for all of them; `sum` by default, as counters are. */
  readonly combine?: 'sum' | 'min' | 'max' | 'average' | undefined;
  readonly samples: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

export interface OnlineStore {
  /** `redis`, `redis_cluster`, `redis_sentinel` or `sqlite`; a metric label. */
  readonly kind: string;
  /** Whether many rows are written quicker in the order of their entity keys. */
  readonly isOrdered?: boolean;
  /** Whether a view that was never written reads as absent, so that one may look whether it is there; else it fails. */
  readonly readsUnknownViews?: boolean | undefined;
  prepare(layout: ReadLayout): PreparedRead;
  /**
   * Reads all groups at once. Result `g` belongs to `reads[g]`.
   *
   * @throws SideboardError ONLINE_STORE_UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, CORRUPT_STORED_VALUE
   */
  read(reads: readonly EntityRead[], options: ReadOptions): Promise<readonly StoredCells[]>;
  /** Writes rows of one view; order inside the batch does not matter where the store checks staleness. */
  write(batch: WriteBatch, options: ReadOptions): Promise<WriteResult>;
  /**
   * Makes room for the stored views in `keep` (SQLite: tables) and deletes the rows of those in `remove`; a name alone where
   * the features are not known any more. Safe to call again.
   */
  update(
    project: string,
    keep: readonly string[],
    remove: readonly (string | ViewLayout)[],
  ): Promise<void>;
  /** Resolves when the store answers; rejects with ONLINE_STORE_UNAVAILABLE otherwise. */
  ping(options: ReadOptions): Promise<void>;
  check(): Promise<readonly StoreFinding[]>;
  /** @param views that may be read of this entity, to say how they are. */
  inspect(
    project: string,
    entityKey: Uint8Array,
    views?: readonly ViewLayout[],
  ): Promise<StoredEntity>;
  /** Nodes that cannot be reached now, and why; a store without nodes has no such method. */
  awayNodes?(): readonly AwayStoreNode[];
  /** Always the same names; their samples as they are now. */
  figures?(): readonly StoreFigure[];
  close(): Promise<void>;
}
