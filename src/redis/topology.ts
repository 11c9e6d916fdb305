import type { NodeTarget } from './redis-connection.ts';
import type { RedisNode } from './redis-node.ts';

/** The copies of one part of the data. */
export interface Shard {
  readonly primary: RedisNode;
  readonly replicas: readonly RedisNode[];
}

/** Which node has what, kept up to date in the background. */
export interface Topology {
  readonly isCluster: boolean;
  /** From one look to the next, while nothing is wrong. */
  readonly refreshIntervalMs: number;
  /** Resolves when the first look succeeded, or failed: reads do not wait for one after that. */
  readonly opened: Promise<void>;
  /** Who has the slot (which means nothing but in a cluster); `undefined` = nobody that is known. */
  shardOf(slot: number): Shard | undefined;
  shards(): readonly Shard[];
  /**
   * The node at an address that a redirection named; `from` answers for a missing host.
   *
   * @returns `undefined` where that is no address
   */
  redirected(address: string, from: NodeTarget): RedisNode | undefined;
  /** A redirection said that the slot is at this node now. */
  moved(slot: number, node: RedisNode): void;
  /** Has a look soon, because something is wrong: one at a time, and not more often than a few times a second. */
  refresh(): void;
  /** What went wrong at the last look; `undefined` = nothing. */
  readonly problem: string | undefined;
  /** Where it was looked for, for messages. */
  readonly configured: string;
  close(): void;
}
