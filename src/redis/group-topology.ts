import type { NodePool } from './node-pool.ts';
import { parseAddress } from './parse-cluster.ts';
import type { NodeTarget } from './redis-connection.ts';
import type { NodeOptions } from './redis-node.ts';
import { startRefresher } from './refresher.ts';
import type { Shard, Topology } from './topology.ts';

/** A primary and its replicas, all of which have all data. */
export interface GroupTargets {
  readonly primary: NodeTarget;
  readonly replicas: readonly NodeTarget[];
}

export interface GroupOptions {
  /** Finds out who they are now. */
  readonly find: (pool: NodePool) => Promise<GroupTargets>;
  /** Who they are until that is known; `undefined` = nobody knows. */
  readonly initial: GroupTargets | undefined;
  readonly refreshIntervalMs: number;
  readonly configured: string;
}

/** A topology of one shard: a node that is no cluster, alone, with replicas, or watched by sentinels. */
export function openGroupTopology(
  pool: NodePool,
  options: GroupOptions,
  nodeOptions: NodeOptions,
): Topology {
  let shard: Shard | undefined;
  let problem: string | undefined;
  const apply = ({ primary, replicas }: GroupTargets): void => {
    shard = {
      primary: pool.nodeAt(primary),
      replicas: replicas.map((replica) => pool.nodeAt(replica)),
    };
    for (const replica of shard.replicas) replica.isReplica = true;
    shard.primary.isReplica = false;
    pool.keepOnly(new Set([shard.primary, ...shard.replicas]));
  };
  if (options.initial !== undefined) {
    apply(options.initial);
  }
  const look = async (): Promise<void> => {
    try {
      apply(await options.find(pool));
      problem = undefined;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
      throw error;
    }
  };
  const { runtime } = nodeOptions.connection;
  const refresher = startRefresher(runtime, options.refreshIntervalMs, look);
  return {
    isCluster: false,
    refreshIntervalMs: options.refreshIntervalMs,
    opened: refresher.first,
    shardOf: () => shard,
    shards: () => (shard === undefined ? [] : [shard]),
    redirected(address, from) {
      const target = parseAddress(address, from);
      return target === undefined ? undefined : pool.nodeAt(target);
    },
    moved() {},
    refresh: () => refresher.request(),
    get problem() {
      return problem;
    },
    configured: options.configured,
    close: () => refresher.close(),
  };
}
