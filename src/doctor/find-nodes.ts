import { connectRedis, type RedisConnectionOptions } from '../online-store/redis-client.ts';
import { translated } from '../online-store/redis-errors.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import { addressOf } from '../redis/redis-connection.ts';
import { readOnlyNode, textOf, type ReadOnlyNode } from './read-only-node.ts';

/** One node of the store, as the others know it. */
export interface StoreNode {
  /** Where it is reached: `host:port`, or the path of a socket. */
  readonly address: string;
  readonly role: 'primary' | 'replica';
  /** Position of its shard; replicas have that of their primary. */
  readonly shard: number;
  /** Slots that it serves as `[first, last]`; empty for replicas and outside a cluster. */
  readonly slots: readonly (readonly [number, number])[];
  /** How to ask it; absent where it cannot be reached. */
  readonly connection?: ReadOnlyNode;
  /** Why it cannot be reached. */
  readonly problem?: string;
}

/** A store that is examined. */
export interface FoundNodes {
  readonly nodes: readonly StoreNode[];
  close(): void;
}

/**
 * Every node that the store consists of, as the server's own client finds them.
 *
 * @throws SideboardError ONLINE_STORE_UNAVAILABLE where no node answers.
 */
export async function findNodes(options: RedisConnectionOptions): Promise<FoundNodes> {
  const clientName = `${options.clientName ?? 'sideboard'}-doctor`;
  const client = await connectRedis({ ...options, readFrom: 'prefer-replica', clientName });
  try {
    const deadlineAtMs = performance.now() + options.connectTimeoutMs + options.commandTimeoutMs;
    await translated(client.ping({ deadlineAtMs }));
    const nodes = client.isCluster ? await clusterNodes(client, options) : groupNodes(client);
    return {
      nodes: await Promise.all(nodes.map(withConnection)),
      close: () => client.close(),
    };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** A node before it is known whether it answers. */
type KnownNode = Omit<StoreNode, 'connection'> & { readonly connection: ReadOnlyNode | undefined };

/** A primary and its replicas. */
function groupNodes(client: RedisClient): readonly KnownNode[] {
  return client.nodes().map((node) => ({
    address: node.address,
    role: node.isReplica ? 'replica' : 'primary',
    shard: 0,
    slots: [],
    connection: readOnlyNode(client, node),
  }));
}

async function clusterNodes(
  client: RedisClient,
  { natMap = [] }: RedisConnectionOptions,
): Promise<readonly KnownNode[]> {
  const reached = new Map(natMap.map((entry) => [entry.announced, addressOf(entry)]));
  const lines = parseClusterNodes(await askAnyone(client));
  return lines.map(({ addresses, role, shard, slots, failure }) => {
    const own = addresses.map((address) => reached.get(address) ?? address);
    const node = client.nodes().find(({ address }) => own.includes(address));
    return {
      address: node?.address ?? own[0]!,
      role,
      shard,
      slots,
      connection: node === undefined ? undefined : readOnlyNode(client, node),
      ...(failure === undefined ? {} : { problem: failure }),
    };
  });
}

/** What some node says of all: the first that answers. */
async function askAnyone(client: RedisClient): Promise<string> {
  let lastError: unknown;
  for (const node of client.nodes()) {
    try {
      return textOf(await readOnlyNode(client, node).call('CLUSTER', 'NODES'));
    } catch (error) {
      lastError = error;
    }
  }
  throw lastError;
}

async function withConnection({ connection, ...node }: KnownNode): Promise<StoreNode> {
  if (node.problem !== undefined) return node;
  if (connection === undefined) {
    return { ...node, problem: 'the cluster sends nobody to it: it may still be loading' };
  }
  try {
    await connection.call('PING');
    return { ...node, connection };
  } catch (error) {
    return { ...node, problem: error instanceof Error ? error.message : String(error) };
  }
}

interface NodeLine {
  /** The address it has, then the name it announces: `host:port`. */
  readonly addresses: readonly string[];
  readonly role: 'primary' | 'replica';
  readonly shard: number;
  readonly slots: readonly (readonly [number, number])[];
  /** What the cluster says is wrong with it. */
  readonly failure?: string;
}

/**
 * Lines of `CLUSTER NODES`: id, `ip:port@bus,hostname`, flags, id of the primary, …, slots from the ninth word on
 * (https://redis.io/docs/latest/commands/cluster-nodes). Primaries without slots are left out: they serve nothing.
 */
export function parseClusterNodes(text: string): readonly NodeLine[] {
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
    const line: NodeLine = {
      addresses: addressesOf(address),
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

/** `ip:port@bus,hostname,extra=…`; a node that does not know its own address leaves it out. */
function addressesOf(text: string): string[] {
  const [endpoint = '', hostname = ''] = text.split(',');
  const colon = endpoint.lastIndexOf(':');
  const port = Number.parseInt(endpoint.slice(colon + 1), 10);
  const named = hostname !== '' && !hostname.includes('=') ? [hostname] : [];
  return [endpoint.slice(0, colon), ...named]
    .filter((host) => host !== '')
    .map((host) => addressOf({ host, port }));
}

/** `5-9` or `5`; slots on their way (`[93->-…]`) still belong to where they are. */
function slotRange(word: string): readonly (readonly [number, number])[] {
  const [first, last] = word.split('-').map(Number);
  return word.startsWith('[') || first === undefined ? [] : [[first, last ?? first]];
}
