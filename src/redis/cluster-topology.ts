import { callNode } from './call-command.ts';
import type { NodePool } from './node-pool.ts';
import {
  parseAddress,
  parseClusterShards,
  parseClusterSlots,
  type SlotRange,
} from './parse-cluster.ts';
import { addressOf, RedisConnection, type NodeTarget } from './redis-connection.ts';
import type { NodeOptions, RedisNode } from './redis-node.ts';
import { isReplyError, RedisError } from './redis-error.ts';
import { SLOT_COUNT } from './redis-slot.ts';
import { startRefresher } from './refresher.ts';
import { shuffled } from './shuffled.ts';
import type { Shard, Topology } from './topology.ts';

export interface ClusterOptions {
  /** Nodes to learn the cluster from, or a name that resolves to many of them. */
  readonly seeds: readonly NodeTarget[];
  /** From the address that a node announces to the one it is reached at, both `host:port`. */
  readonly natMap: ReadonlyMap<string, NodeTarget>;
  readonly refreshIntervalMs: number;
}

/** Nodes that are asked before a look is given up. */
const MAX_ASKED = 8;

/** Slots and nodes as any node of the cluster tells them. */
export function openClusterTopology(
  pool: NodePool,
  options: ClusterOptions,
  nodeOptions: NodeOptions,
): Topology {
  const { runtime, tls } = nodeOptions.connection;
  let bySlot: (Shard | undefined)[] = [];
  let shards: readonly Shard[] = [];
  let problem: string | undefined;

  const nodeAt = (announced: NodeTarget): RedisNode =>
    pool.nodeAt(options.natMap.get(addressOf(announced)) ?? announced);

  const apply = (ranges: readonly SlotRange[]): void => {
    const known = new Map<string, Shard>();
    const slots: (Shard | undefined)[] = Array.from({ length: SLOT_COUNT });
    for (const { first, last, primary, replicas } of ranges) {
      const id = [primary, ...replicas].map(addressOf).join(' ');
      let shard = known.get(id);
      if (shard === undefined) {
        shard = { primary: nodeAt(primary), replicas: replicas.map(nodeAt) };
        known.set(id, shard);
      }
      slots.fill(shard, first, last + 1);
    }
    bySlot = slots;
    shards = [...known.values()];
    for (const { primary, replicas } of shards) {
      for (const replica of replicas) replica.isReplica = true;
      primary.isReplica = false;
    }
    pool.keepOnly(new Set(shards.flatMap(({ primary, replicas }) => [primary, ...replicas])));
  };

  const ask = async (connection: RedisConnection): Promise<readonly SlotRange[]> => {
    const { target } = connection;
    try {
      return parseClusterSlots(await callNode(connection, ['CLUSTER', 'SLOTS']), target);
    } catch (error) {
      if (!isReplyError(error, 'ERR unknown') && !isReplyError(error, 'NOPERM')) {
        throw error;
      }
      const reply = await callNode(connection, ['CLUSTER', 'SHARDS']);
      return parseClusterShards(reply, target, tls !== false);
    }
  };

  const look = async (): Promise<void> => {
    const failures: string[] = [];
    for await (const connection of candidates(pool, options.seeds, nodeOptions)) {
      try {
        const ranges = await ask(connection);
        if (ranges.length > 0) {
          problem = undefined;
          apply(ranges);
          return;
        }
        failures.push(`${connection.address} knows of no slots`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        failures.push(`${connection.address}: ${reason}`);
      }
    }
    problem = failures.join('; ');
    throw new RedisError('UNREACHABLE', problem);
  };

  const refresher = startRefresher(runtime, options.refreshIntervalMs, look);
  return {
    isCluster: true,
    refreshIntervalMs: options.refreshIntervalMs,
    opened: refresher.first,
    shardOf: (slot) => bySlot[slot],
    shards: () => shards,
    redirected(address, from) {
      const target = parseAddress(address, from);
      return target === undefined ? undefined : nodeAt(target);
    },
    moved(slot, node) {
      const replicas = bySlot[slot]?.replicas.filter((replica) => replica !== node) ?? [];
      node.isReplica = false;
      bySlot[slot] = { primary: node, replicas };
    },
    refresh: () => refresher.request(),
    get problem() {
      return problem;
    },
    configured: options.seeds.map(addressOf).join(', '),
    close: () => refresher.close(),
  };
}

/** Connections to ask for the cluster: those that stand, in random order, then each address of each seed anew. */
async function* candidates(
  pool: NodePool,
  seeds: readonly NodeTarget[],
  { connection: options }: NodeOptions,
): AsyncGenerator<RedisConnection> {
  const { runtime } = options;
  const ready = [...pool.all()].filter((node) => node.isWell(runtime.now()));
  for (const { reads } of shuffled(ready, runtime).slice(0, MAX_ASKED)) {
    yield reads;
  }
  for (const seed of shuffled(seeds, runtime)) {
    // A name that cannot be resolved is left to the attempt to connect, which says so.
    const addresses = await runtime.resolveAddresses(seed.host).catch(() => [seed.host]);
    for (const host of shuffled(addresses, runtime).slice(0, MAX_ASKED)) {
      const target = host === seed.host ? seed : { ...seed, host, servername: seed.host };
      const connection = new RedisConnection(target, options);
      try {
        yield connection;
      } finally {
        connection.close();
      }
    }
  }
}
