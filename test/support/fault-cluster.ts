import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { redisSlot } from '../../src/redis/redis-slot.ts';
import {
  adminClient,
  freePort,
  startRedisCluster,
  type RedisClusterServers,
  type RedisServer,
  type RedisServerOptions,
} from './redis-server.ts';
import { startProxy, type TcpProxy } from './tcp-proxy.ts';
import { waitUntil } from './wait-until.ts';

export const SHARDS = 3;
const SLOTS = 16_384;
export const PROJECT = 'faults';
export const VIEW = { storedName: 'known', featureNames: ['id', 'text'] };
export const JOIN_KEY = 'id';
/** Entities whose answers are known. */
export const ENTITY_COUNT = 1_200;
const ANSWER_WITHIN_MS = 500;

/** An entity of the load: its key in Redis and what a read of it has to answer. */
export interface KnownEntity {
  readonly id: number;
  /** Without the project. */
  readonly entityKey: Uint8Array;
  readonly key: Buffer;
  /** Fields and their values, in the order of `FIELDS`. */
  readonly cells: readonly Uint8Array[];
}

/** What a read asks for: the features of the view and its event timestamp. */
export const FIELDS: readonly Uint8Array[] = [
  ...VIEW.featureNames.map((name) => hashFeatureField(VIEW.storedName, name)),
  timestampField(VIEW.storedName),
];

/** Values that say whose they are: an answer of another entity cannot pass for the right one. */
export function knownEntity(id: number): KnownEntity {
  const entityKey = serializeEntityKey(
    [JOIN_KEY],
    [{ type: ValueType.INT64, value: BigInt(id) }],
    3,
  );
  const text = createHash('sha256').update(String(id)).digest('hex');
  return {
    id,
    entityKey,
    key: Buffer.concat([entityKey, Buffer.from(PROJECT)]),
    cells: [
      writeValue(ValueType.INT64, BigInt(id)),
      writeValue(ValueType.STRING, text),
      encodeTimestamp(BigInt(1_700_000_000 + id) * 1_000_000_000n),
    ],
  };
}

export interface FaultClusterOptions {
  /** How the processes are started, besides what the cluster needs. */
  readonly node?: RedisServerOptions;
  /** Name that clients reach the nodes by; 127.0.0.1 by default. */
  readonly host?: string;
  /** Milliseconds after which nodes take each other for dead. */
  readonly nodeTimeoutMs?: number;
  /** Whether nodes announce proxies in front of them instead of themselves; never with TLS, whose bytes say nothing. */
  readonly hasProxies?: boolean;
}

/** One process of the cluster. */
export interface FaultNode extends RedisServer {
  /** In front of it, where the cluster has proxies. */
  readonly proxy: TcpProxy | undefined;
  /** Where clients find it: the proxy's port or its own. */
  readonly announcedPort: number;
  /** A connection past the proxy, made anew after each restart. */
  admin(): Redis;
}

/** A real cluster of three primaries with a replica each, filled with entities whose answers are known. */
export interface FaultCluster {
  readonly nodes: readonly FaultNode[];
  readonly entities: readonly KnownEntity[];
  readonly options: FaultClusterOptions;
  /** Who serves a shard now, as its nodes see it. Shards are numbered by the node that had them first. */
  primaryOf(shard: number): Promise<FaultNode>;
  replicaOf(shard: number): Promise<FaultNode>;
  /** Number of the shard that an entity was stored in first. */
  shardOf(entity: KnownEntity): number;
  /** Repairs everything: processes run, proxies pass, every shard has its replica, all slots are served. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the cluster and stores the entities on both copies of each shard, in memory and on disk. */
export async function startFaultCluster(options: FaultClusterOptions = {}): Promise<FaultCluster> {
  const { nodeTimeoutMs = 1_000, hasProxies = true, node: wish = {} } = options;
  const ports = await Promise.all(Array.from({ length: 2 * SHARDS }, () => freePort()));
  const proxies = await Promise.all(
    ports.map(async (port, i) => (hasProxies ? startProxy({ port }, { seed: i + 1 }) : undefined)),
  );
  const nodeOptions = (i: number): RedisServerOptions => {
    const announced = proxies[i];
    const args = ['--cluster-node-timeout', String(nodeTimeoutMs), '--save', '3600 1000000'];
    if (announced !== undefined) args.push('--cluster-announce-port', String(announced.port));
    return { ...wish, port: ports[i]!, args: [...args, ...(wish.args ?? [])] };
  };
  const servers = await startRedisCluster({ shards: SHARDS, replicas: 1, node: nodeOptions });
  const nodes = servers.nodes.map((server, i) => faultNode(server, proxies[i], nodeOptions(i)));
  const entities = Array.from({ length: ENTITY_COUNT }, (_, id) => knownEntity(id));
  const cluster = faultCluster(servers, nodes, entities, options);
  try {
    await store(cluster);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

function faultNode(
  server: RedisServer,
  proxy: TcpProxy | undefined,
  options: RedisServerOptions,
): FaultNode {
  let client: Redis | undefined;
  const disconnect = (): void => {
    client?.disconnect();
    client = undefined;
  };
  return {
    ...server,
    proxy,
    announcedPort: proxy?.port ?? server.port,
    admin() {
      if (client?.status === 'end') client = undefined;
      client ??= adminClient(server.port, options);
      return client;
    },
    async kill() {
      disconnect();
      await server.kill();
    },
    async stop() {
      disconnect();
      await server.stop();
    },
  };
}

function faultCluster(
  servers: RedisClusterServers,
  nodes: readonly FaultNode[],
  entities: readonly KnownEntity[],
  options: FaultClusterOptions,
): FaultCluster {
  const running = new Set(nodes);
  const members = (shard: number): FaultNode[] => [nodes[shard]!, nodes[shard + SHARDS]!];
  const inRole = async (shard: number, role: 'master' | 'slave'): Promise<FaultNode> => {
    const roles = await Promise.all(members(shard).map((node) => ask(node, 'ROLE')));
    const at = roles.findIndex((reply) => Array.isArray(reply) && reply[0] === role);
    if (at < 0) throw new Error(`no node of shard ${shard} says that it is the ${role}`);
    return members(shard)[at]!;
  };
  const watched = nodes.map((node): FaultNode => ({
    ...node,
    async kill() {
      running.delete(node);
      await node.kill();
    },
    async restart() {
      await node.restart();
      running.add(node);
    },
  }));
  const cluster: FaultCluster = {
    nodes: watched,
    entities,
    options,
    primaryOf: async (shard) => watched[nodes.indexOf(await inRole(shard, 'master'))]!,
    replicaOf: async (shard) => watched[nodes.indexOf(await inRole(shard, 'slave'))]!,
    shardOf: (entity) => Math.floor((redisSlot(entity.key) * SHARDS) / SLOTS),
    async heal() {
      for (const [i, node] of watched.entries()) {
        if (running.has(nodes[i]!)) node.resume();
        else await node.restart();
        node.proxy?.heal();
      }
      await waitUntil(async () => (await Promise.all(nodes.map(isWhole))).every(Boolean), {
        what: 'the cluster to be whole again',
        timeoutMs: 30_000,
      });
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
      await servers.stop();
      await Promise.all(nodes.map(async ({ proxy }) => proxy?.close()));
    },
  };
  return cluster;
}

/** The reply of a node, or the error; an error as well where it does not answer soon. */
export async function ask(node: FaultNode, ...words: [string, ...string[]]): Promise<unknown> {
  const late = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  late.addEventListener('abort', () => resolve(new Error(`no answer from ${node.port}`)));
  const [name, ...rest] = words;
  node
    .admin()
    .call(name, ...rest)
    .then(resolve, resolve);
  return promise;
}

/** Whether a node sees all slots served and every shard with its copy. */
async function isWhole(node: FaultNode): Promise<boolean> {
  const info = String(await ask(node, 'CLUSTER', 'INFO'));
  const [role, , , state] = (await ask(node, 'ROLE')) as [string, ...unknown[]];
  const lines = String(await ask(node, 'CLUSTER', 'NODES'))
    .trim()
    .split('\n');
  return (
    info.includes('cluster_state:ok') &&
    info.includes(`cluster_slots_ok:${SLOTS}`) &&
    lines.length === 2 * SHARDS &&
    lines.every((line) => !/fail|handshake/.test(line.split(' ')[2] ?? '')) &&
    lines.filter((line) => /slave/.test(line)).length === SHARDS &&
    (role !== 'slave' || state === 'connected')
  );
}

async function store({ nodes, entities, shardOf }: FaultCluster): Promise<void> {
  for (let shard = 0; shard < SHARDS; shard++) {
    const client = nodes[shard]!.admin();
    const pipeline = client.pipeline();
    for (const entity of entities.filter((each) => shardOf(each) === shard)) {
      pipeline.hset(
        entity.key,
        ...entity.cells.flatMap((cell, i) => [fieldBuffer(i), Buffer.from(cell)]),
      );
    }
    const replies = await pipeline.exec();
    const failed = replies?.find(([error]) => error !== null);
    if (failed !== undefined) throw failed[0]!;
    if ((await client.wait(1, 5_000)) < 1) throw new Error('the replica did not follow');
  }
  // What a crash must not lose.
  await Promise.all(nodes.map((node) => node.admin().save()));
}

function fieldBuffer(i: number): Buffer {
  return Buffer.from(FIELDS[i]!);
}
