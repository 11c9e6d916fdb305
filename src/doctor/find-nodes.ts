import { connectReadOnly, textOf, type NodeTarget, type ReadOnlyNode } from './read-only-node.ts';
import { onlineStoreUnavailable } from '../errors.ts';
import {
  connectionOptions,
  targetOptions,
  type RedisConnectionOptions,
} from '../online-store/redis-client.ts';

/** One node of the store, as the others know it. */
export interface StoreNode {
  /** `host:port`; of a primary behind sentinels the name that it is watched by. */
  readonly address: string;
  readonly role: 'primary' | 'replica';
  /** Position of its shard; replicas have that of their primary. */
  readonly shard: number;
  /** Slots that it serves as `[first, last]`; empty for replicas and outside a cluster. */
  readonly slots: readonly (readonly [number, number])[];
  /** Open connection; absent where it could not be made. */
  readonly connection?: ReadOnlyNode;
  /** Why there is no connection. */
  readonly problem?: string;
}

/** Every node that the store consists of, found from the first one that answers. */
export async function findNodes(options: RedisConnectionOptions): Promise<readonly StoreNode[]> {
  return options.kind === 'redis_cluster' ? findClusterNodes(options) : findSingleNodes(options);
}

/** A primary and its replicas as it lists them (`INFO replication`). */
async function findSingleNodes(options: RedisConnectionOptions): Promise<readonly StoreNode[]> {
  const address =
    options.kind === 'redis_sentinel'
      ? `sentinel master ${options.sentinelMaster}`
      : `${options.nodes[0]!.host}:${options.nodes[0]!.port}`;
  const target = { ...connectionOptions(options), ...targetOptions(options) };
  const connection = await connectOrThrow(target, address);
  const info = textOf(await connection.call('INFO', 'replication'));
  const primary: StoreNode = { address, role: 'primary', shard: 0, slots: [], connection };
  const replicas = [...info.matchAll(/^slave\d+:ip=([^,]*),port=(\d+)/gm)].map((match) =>
    connectNode(options, { host: match[1]!, port: Number(match[2]), role: 'replica', shard: 0 }),
  );
  return [primary, ...(await Promise.all(replicas))];
}

async function connectOrThrow(target: NodeTarget, address: string): Promise<ReadOnlyNode> {
  try {
    return await connectReadOnly(target, address);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw onlineStoreUnavailable(`no connection to Redis at ${address}: ${reason}`, error);
  }
}

async function findClusterNodes(options: RedisConnectionOptions): Promise<readonly StoreNode[]> {
  let lastError: unknown;
  for (const { host, port } of options.nodes) {
    const address = `${host}:${port}`;
    let seed: ReadOnlyNode;
    try {
      seed = await connectOrThrow({ ...connectionOptions(options), host, port }, address);
    } catch (error) {
      lastError = error;
      continue;
    }
    try {
      const lines = parseClusterNodes(textOf(await seed.call('CLUSTER', 'NODES')), host);
      return await Promise.all(lines.map((line) => connectNode(options, line)));
    } finally {
      seed.close();
    }
  }
  throw lastError;
}

interface NodeLine {
  readonly host: string;
  readonly port: number;
  readonly role: 'primary' | 'replica';
  readonly shard: number;
  readonly slots?: readonly (readonly [number, number])[];
  /** What the cluster says is wrong with it. */
  readonly failure?: string;
}

/**
 * Lines of `CLUSTER NODES`: id, `ip:port@bus,hostname`, flags, id of the primary, …, slots from the ninth word on
 * (https://redis.io/docs/latest/commands/cluster-nodes). Primaries without slots are left out: they serve nothing.
 *
 * @param seedHost stands in where a node does not know its own address.
 */
export function parseClusterNodes(text: string, seedHost: string): readonly NodeLine[] {
  const words = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '));
  const isUsable = (flags: string): boolean => !/handshake|noaddr/.test(flags);
  const primaries = words.filter(
    ([, , flags = '', ...rest]) => flags.includes('master') && isUsable(flags) && rest.length > 5,
  );
  const shardOf = new Map(primaries.map(([id = ''], shard) => [id, shard]));
  return words.flatMap(([id = '', address = '', flags = '', primaryId = '', ...rest]) => {
    const shard = shardOf.get(flags.includes('master') ? id : primaryId);
    if (shard === undefined || !isUsable(flags)) {
      return [];
    }
    const [endpoint = '', hostname = ''] = address.split(',');
    const colon = endpoint.lastIndexOf(':');
    const ip = endpoint.slice(0, colon);
    const line: NodeLine = {
      host: hostname !== '' && !hostname.includes('=') ? hostname : ip === '' ? seedHost : ip,
      port: Number.parseInt(endpoint.slice(colon + 1), 10),
      role: flags.includes('master') ? 'primary' : 'replica',
      shard,
      slots: rest.slice(4).flatMap(slotRange),
      ...(flags.split(',').includes('fail')
        ? { failure: 'the cluster has declared it failed' }
        : {}),
    };
    return [line];
  });
}

/** `5-9` or `5`; slots on their way (`[93->-…]`) still belong to where they are. */
function slotRange(word: string): readonly (readonly [number, number])[] {
  const [first, last] = word.split('-').map(Number);
  return word.startsWith('[') || first === undefined ? [] : [[first, last ?? first]];
}

async function connectNode(options: RedisConnectionOptions, line: NodeLine): Promise<StoreNode> {
  const { host, port, role, shard, slots = [], failure } = line;
  const address = `${host}:${port}`;
  const node = { address, role, shard, slots };
  if (failure !== undefined) {
    return { ...node, problem: failure };
  }
  try {
    const target = { ...connectionOptions(options), host, port };
    return { ...node, connection: await connectReadOnly(target, address) };
  } catch (error) {
    return { ...node, problem: error instanceof Error ? error.message : String(error) };
  }
}
