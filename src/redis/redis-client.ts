import { callNode } from './call-command.ts';
import type { ReadPolicy } from './choose-node.ts';
import { openClusterTopology } from './cluster-topology.ts';
import { callTrain, type TrainResult } from './command-train.ts';
import { CommandRouter, type RouterCounts } from './command-router.ts';
import type { ConnectionOptions, CredentialsProvider } from './connection-options.ts';
import type { RedisReply } from './decode-reply.ts';
import { findBySentinel, findReplicas, findSingle, sentinelNames } from './find-group.ts';
import type { HashFields } from './hash-fields.ts';
import { openGroupTopology } from './group-topology.ts';
import { HedgeBudget } from './hedge-budget.ts';
import { measureShapes, type ShapeMeasurement } from './measure-shapes.ts';
import { createNodePool, type NodePool } from './node-pool.ts';
import type {
  HashRead,
  HashReadCounts,
  HashReadLimits,
  HashReadResult,
} from './hash-read-batch.ts';
import { HashReader } from './read-hashes.ts';
import { addressOf, type NodeTarget } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';
import type { NodeOptions, RedisNode } from './redis-node.ts';
import type { RedisRuntime, RedisTlsOptions } from './redis-runtime.ts';
import { redisSlot } from './redis-slot.ts';
import { RoutedCall, type RedisCall } from './routed-call.ts';
import type { Topology } from './topology.ts';
import type { Transaction } from './transact.ts';
import { transactRouted } from './transact-routed.ts';
import { Waiting, type CallLimits } from './waiting.ts';

/** Where Redis is, how to reach it and which copy to read. */
export interface RedisClientOptions {
  readonly runtime: RedisRuntime;
  readonly kind: 'redis' | 'redis_cluster' | 'redis_sentinel';
  /** The node; nodes of the cluster; or the sentinels. Never empty. */
  readonly nodes: readonly NodeTarget[];
  /** Replicas of the single node; `undefined` = those that it names. */
  readonly replicas?: readonly NodeTarget[] | undefined;
  readonly credentials: CredentialsProvider;
  readonly database: number;
  readonly tls: false | RedisTlsOptions;
  readonly sentinel: {
    readonly masterName: string;
    readonly credentials: CredentialsProvider;
    readonly tls: false | RedisTlsOptions;
  };
  readonly natMap: ReadonlyMap<string, NodeTarget>;
  readonly read: ReadPolicy;
  /** Zone by `host:port` or host. */
  readonly zones: ReadonlyMap<string, string>;
  /** Share of reads that may be asked a second time; 0 = none. */
  readonly hedgeShare: number;
  readonly hedgeQuantile: number;
  /** Whether a hash that several callers read in the same turn is asked for once. */
  readonly sharesReads: boolean;
  readonly clientName: string;
  readonly libraryName: string;
  readonly libraryVersion: string;
  readonly connectTimeoutMs: number;
  /** Longest wait for a read, beneath its deadline. */
  readonly commandTimeoutMs: number;
  readonly silenceTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly topologyRefreshMs: number;
  readonly maxPendingCommands: number;
  readonly maxPendingBytes: number;
}

/** Redis, whichever way it is deployed. */
export interface RedisClient {
  readonly isCluster: boolean;
  readonly commandTimeoutMs: number;
  readonly counts: Readonly<RouterCounts & HashReadCounts>;
  /** Reads hashes, each by one command, all at once. Rejects with a RedisError. */
  readHashes(reads: readonly HashRead[], limits: HashReadLimits): Promise<HashReadResult>;
  /**
   * Sends commands in their order, each to the node of its key, and waits for all replies.
   *
   * @returns one per call; the error in the place of one that failed.
   */
  callAll(
    calls: readonly RedisCall[],
    limits: CallLimits,
    timeoutMs: number,
  ): Promise<readonly RedisReply[]>;
  /**
   * Sends commands back to back to the primary of a slot and waits for all answers; nobody follows where it sends them.
   *
   * @param bytes of `count` commands.
   * @throws RedisError
   */
  callTrain(
    slot: number,
    bytes: Uint8Array,
    count: number,
    limits: CallLimits,
    timeoutMs: number,
  ): Promise<TrainResult>;
  /** Asks one node, for administration. @param timeoutMs absent = as long as a read may take. @throws RedisError */
  callNode(
    node: RedisNode,
    words: readonly (string | Uint8Array)[],
    timeoutMs?: number,
  ): Promise<RedisReply>;
  /** Reads hashes in both shapes and takes the time; those that are at the node of the first. @throws RedisError */
  measureShapes(
    fields: HashFields,
    keys: readonly Uint8Array[],
  ): Promise<ShapeMeasurement | undefined>;
  /** Reads and writes keys of one slot with nobody in between, without a script. @throws RedisError */
  transact(transaction: Transaction, limits: CallLimits): Promise<readonly RedisReply[]>;
  nodes(): readonly RedisNode[];
  primaries(): readonly RedisNode[];
  /** Nodes with data that cannot be reached now; of a topology that is not known, the address that is configured. */
  awayNodes(): readonly AwayNode[];
  /** Address of the node that a slot belongs to, as far as is known; for messages. */
  addressOfSlot(slot: number): string;
  /** Resolves when any node answers. @throws RedisError */
  ping(limits: CallLimits): Promise<void>;
  close(): void;
}

/** A node that cannot be reached. */
export interface AwayNode {
  /** `host:port`, or the path of a socket. */
  readonly address: string;
  readonly reason: string;
}

/** Connects, and resolves when the first look at the topology succeeded or failed. */
export async function openRedisClient(options: RedisClientOptions): Promise<RedisClient> {
  const { runtime, read } = options;
  const connection = connectionOptions(options);
  let topology: Topology | undefined;
  const nodeOptions: NodeOptions = {
    connection,
    isReplicaReader: options.kind === 'redis_cluster' && read.readFrom !== 'primary',
    zones: options.zones,
    asksForZone: read.readFrom === 'zone',
    onDown: () => topology?.refresh(),
  };
  const pool = createNodePool(nodeOptions);
  const opened = openTopology(options, pool, nodeOptions);
  topology = opened;
  const router = new CommandRouter(runtime, opened, read, ({ target }) => pool.find(target));
  const counts: HashReadCounts = { reads: 0, joined: 0, hedged: 0 };
  const reader = new HashReader({
    runtime,
    router,
    budget: new HedgeBudget(options.hedgeShare),
    hedgeQuantile: options.hedgeQuantile,
    commandTimeoutMs: options.commandTimeoutMs,
    sharesReads: options.sharesReads,
    counts,
  });
  await opened.opened;
  return {
    isCluster: opened.isCluster,
    commandTimeoutMs: options.commandTimeoutMs,
    get counts() {
      return { ...router.counts, ...counts };
    },
    readHashes: (reads, limits) => reader.read(reads, limits),
    callAll: (calls, limits, timeoutMs) => callAll(router, calls, limits, timeoutMs, runtime),
    callTrain(slot, bytes, count, limits, timeoutMs) {
      const primary = opened.shardOf(slot)?.primary;
      return callTrain(primary?.bulk, { bytes, count }, limits, timeoutMs, runtime);
    },
    async measureShapes(fields, keys) {
      const slotOf = (key: Uint8Array): number => (opened.isCluster ? redisSlot(key) : 0);
      const shard = opened.shardOf(slotOf(keys[0]!));
      if (shard === undefined) return undefined;
      const there = keys.filter((key) => opened.shardOf(slotOf(key)) === shard);
      return measureShapes(shard.primary.bulk, fields, there);
    },
    transact: (transaction, limits) => transactRouted(router, runtime, transaction, limits),
    callNode: (node, words, timeoutMs = options.commandTimeoutMs) =>
      callNode(node.bulk, words, timeoutMs),
    nodes: () => [...pool.all()],
    primaries: () => opened.shards().map(({ primary }) => primary),
    awayNodes: () => awayNodes(opened),
    addressOfSlot: (slot) => opened.shardOf(slot)?.primary.address ?? opened.configured,
    ping: (limits) => ping(opened, limits, options),
    close() {
      opened.close();
      router.close();
      pool.close();
    },
  };
}

function connectionOptions(options: RedisClientOptions): ConnectionOptions {
  return { ...options, database: options.kind === 'redis_cluster' ? 0 : options.database };
}

function openTopology(
  options: RedisClientOptions,
  pool: NodePool,
  nodeOptions: NodeOptions,
): Topology {
  const { kind, nodes, read, topologyRefreshMs: refreshIntervalMs } = options;
  const wantsReplicas = read.readFrom !== 'primary';
  if (kind === 'redis_cluster') {
    const cluster = { seeds: nodes, natMap: options.natMap, refreshIntervalMs };
    return openClusterTopology(pool, cluster, nodeOptions);
  }
  if (kind === 'redis_sentinel') {
    const { masterName, credentials, tls } = options.sentinel;
    const connection = { ...nodeOptions.connection, credentials, tls, database: 0 };
    const find = findBySentinel({ sentinels: nodes, masterName, connection, wantsReplicas });
    const configured = sentinelNames(nodes, masterName);
    const group = { find, initial: undefined, refreshIntervalMs, configured };
    return openGroupTopology(pool, group, nodeOptions);
  }
  const primary = nodes[0]!;
  const find = wantsReplicas ? findReplicas(primary, options.replicas) : findSingle(primary);
  const initial = { primary, replicas: wantsReplicas ? (options.replicas ?? []) : [] };
  const group = { find, initial, refreshIntervalMs, configured: addressOf(primary) };
  return openGroupTopology(pool, group, nodeOptions);
}

async function callAll(
  router: CommandRouter,
  calls: readonly RedisCall[],
  limits: CallLimits,
  timeoutMs: number,
  runtime: RedisRuntime,
): Promise<readonly RedisReply[]> {
  const replies: RedisReply[] = Array.from({ length: calls.length }, () => null);
  const commands: RoutedCall[] = [];
  const waiting = new Waiting<readonly RedisReply[]>(runtime, limits, timeoutMs, calls.length, {
    result: () => replies,
    onSilence() {
      const late = commands.find(({ isOver }) => !isOver);
      const slot = late?.slot ?? 0;
      const address = router.topology.shardOf(slot)?.primary.address;
      const message = `no answer from Redis within ${timeoutMs} ms: ${address ?? 'nobody has the slot'}`;
      waiting.fail(new RedisError('NO_ANSWER', message, { address }));
    },
    onEnd() {
      for (const command of commands) command.isOver = true;
    },
  });
  for (const [i, call] of calls.entries()) {
    commands.push(
      new RoutedCall(call, router, (reply) => {
        replies[i] = reply;
        waiting.countDown();
      }),
    );
  }
  for (const command of commands) router.send(command);
  return await waiting.finished;
}

function awayNodes(topology: Topology): readonly AwayNode[] {
  const nodes = nodesOf(topology);
  if (nodes.length === 0 && topology.problem !== undefined) {
    return [{ address: topology.configured, reason: topology.problem }];
  }
  return nodes.flatMap(({ address, reads }) =>
    reads.problem === undefined ? [] : [{ address, reason: reads.problem.message }],
  );
}

function nodesOf(topology: Topology): readonly RedisNode[] {
  return topology.shards().flatMap(({ primary, replicas }) => [primary, ...replicas]);
}

async function ping(
  topology: Topology,
  limits: CallLimits,
  { runtime, commandTimeoutMs }: RedisClientOptions,
): Promise<void> {
  const nodes = nodesOf(topology);
  if (nodes.length === 0) {
    const reason = topology.problem ?? 'nothing is known of it yet';
    throw new RedisError('UNREACHABLE', `no Redis at ${topology.configured}: ${reason}`);
  }
  const waiting = new Waiting(runtime, limits, commandTimeoutMs, 1, {
    result: () => {},
    onSilence() {},
    onEnd() {},
  });
  let failed = 0;
  const ask = async ({ reads }: RedisNode): Promise<void> => {
    try {
      await callNode(reads, ['PING'], commandTimeoutMs);
      waiting.countDown();
    } catch (error) {
      if (++failed === nodes.length) waiting.fail(error as RedisError);
    }
  };
  for (const node of nodes) void ask(node);
  await waiting.finished;
}
