import { Cluster, Redis } from 'ioredis';
import type { ConnectionOptions } from 'node:tls';
import { onlineStoreUnavailable, type SideboardError } from '../errors.ts';
import type { PrebuiltCommand } from './redis-command.ts';

/** How to reach Redis. */
export interface RedisConnectionOptions {
  readonly kind: 'redis' | 'redis_cluster' | 'redis_sentinel';
  /** The node, nodes of the cluster, or the sentinels; never empty. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly database: number;
  /** PEM text; `false` = no TLS. */
  readonly tls: false | RedisTlsOptions;
  readonly sentinelMaster: string;
  readonly sentinelUsername?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  readonly sentinelTls?: boolean | undefined;
  readonly connectTimeoutMs: number;
  /** Longest wait for the replies of one read, beneath its deadline. */
  readonly commandTimeoutMs: number;
}

export interface RedisTlsOptions {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized: boolean;
  /** `false` accepts a certificate of a trusted authority whatever name it carries. */
  readonly checkServerIdentity?: boolean | undefined;
}

/** Connections to Redis, whichever way it is deployed. */
export interface RedisClient {
  readonly kind: RedisConnectionOptions['kind'];
  readonly isCluster: boolean;
  readonly commandTimeoutMs: number;
  send(command: PrebuiltCommand): void;
  /** Holds back what is sent until `uncork`, so that many commands are one write per connection. */
  cork(): void;
  uncork(): void;
  /** Connections to the nodes that take writes. */
  masters(): readonly Redis[];
  /** Address of the node that a slot belongs to, as far as is known; for messages. */
  addressOf(slot: number): string;
  /** What last went wrong with a connection to this address; `undefined` = nothing known. */
  lastErrorOf(address: string): string | undefined;
  /** The error to answer at once, while there has been no connection for some time; else `undefined`. */
  outage(): SideboardError | undefined;
  close(): void;
}

/** Without a connection for so long, reads fail at once instead of waiting for one. */
const OUTAGE_AFTER_MS = 1_000;
const MAX_RECONNECT_DELAY_MS = 500;
/** A connection on which nothing arrives for so long while replies are due is given up. */
const SILENCE_TIMEOUTS = 2;

/** Reconnects soon and for ever. */
function reconnectDelay(attempt: number): number {
  return Math.min(25 * 2 ** (attempt - 1), MAX_RECONNECT_DELAY_MS);
}

/**
 * Connects, and resolves when the first connection stands or is known to have failed: a store that is down when a server
 * starts does not keep it from starting.
 */
export async function openRedisClient(options: RedisConnectionOptions): Promise<RedisClient> {
  const client = options.kind === 'redis_cluster' ? openCluster(options) : openSingle(options);
  await client.opened;
  return client;
}

type OpeningClient = RedisClient & { readonly opened: Promise<void> };

/** What all connections have in common. */
export function connectionOptions(options: RedisConnectionOptions) {
  return {
    db: options.database,
    connectTimeout: options.connectTimeoutMs,
    socketTimeout: options.commandTimeoutMs * SILENCE_TIMEOUTS,
    // RESP2 is what every Redis speaks, and replies of hashes are the same in both.
    protocol: 2 as const,
    // Keys are binary: in cluster mode automatic pipelining mixes up their slots.
    enableAutoPipelining: false,
    noDelay: true,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    ...(options.tls === false ? {} : { tls: tlsOptions(options.tls) }),
  };
}

function tlsOptions(tls: RedisTlsOptions): ConnectionOptions {
  return {
    rejectUnauthorized: tls.rejectUnauthorized,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.servername === undefined ? {} : { servername: tls.servername }),
    ...(tls.checkServerIdentity === false ? { checkServerIdentity: () => undefined } : {}),
  };
}

function openSingle(options: RedisConnectionOptions): OpeningClient {
  const isSentinel = options.kind === 'redis_sentinel';
  const redisOptions = {
    ...connectionOptions(options),
    ...targetOptions(options),
    retryStrategy: reconnectDelay,
    // What was in flight when a connection broke is sent once more on the next one; if that fails too, it is an error.
    maxRetriesPerRequest: 1,
    // After a failover the old master may be reachable and refuse to write: find the new one.
    reconnectOnError: (error: Error) => isSentinel && error.message.startsWith('READONLY'),
  };
  const redis = new Redis(redisOptions);
  const configured = isSentinel
    ? `sentinel master ${options.sentinelMaster}`
    : `${options.nodes[0]!.host}:${options.nodes[0]!.port}`;
  const errors = new Map<string, string>();
  redis.on('error', (error: Error) => errors.set(configured, error.message));
  return {
    ...watchAvailability(redis, configured, errors, options.connectTimeoutMs),
    kind: options.kind,
    isCluster: false,
    commandTimeoutMs: options.commandTimeoutMs,
    send: (command) => void redis.sendCommand(command.asCommand()),
    cork: () => redis.stream?.cork(),
    uncork: () => redis.stream?.uncork(),
    masters: () => [redis],
    addressOf: () => configured,
    lastErrorOf: (address) => errors.get(address),
    close: () => redis.disconnect(),
  };
}

/** Where a client that is no cluster connects to. */
export function targetOptions(options: RedisConnectionOptions) {
  if (options.kind !== 'redis_sentinel') {
    const { host, port } = options.nodes[0]!;
    return { host, port };
  }
  return {
    sentinels: options.nodes.map(({ host, port }) => ({ host, port })),
    name: options.sentinelMaster,
    sentinelRetryStrategy: reconnectDelay,
    enableTLSForSentinelMode: options.tls !== false,
    ...(options.sentinelUsername === undefined
      ? {}
      : { sentinelUsername: options.sentinelUsername }),
    ...(options.sentinelPassword === undefined
      ? {}
      : { sentinelPassword: options.sentinelPassword }),
    ...(options.sentinelTls === true && options.tls !== false
      ? { sentinelTLS: tlsOptions(options.tls) }
      : {}),
  };
}

function openCluster(options: RedisConnectionOptions): OpeningClient {
  const cluster = new Cluster([...options.nodes], {
    redisOptions: connectionOptions(options),
    clusterRetryStrategy: reconnectDelay,
    scaleReads: 'master',
    slotsRefreshTimeout: options.connectTimeoutMs,
    slotsRefreshInterval: 5_000,
    // Nodes of managed services answer to host names that their certificates carry: leave names to the socket.
    dnsLookup: (hostname, callback) => callback(null, hostname),
  });
  const errors = new Map<string, string>();
  const configured = options.nodes.map(({ host, port }) => `${host}:${port}`).join(', ');
  cluster.on('node error', (error: Error, address: string) => errors.set(address, error.message));
  cluster.on('+node', (node: Redis) => {
    const address = `${node.options.host}:${node.options.port}`;
    node.once('ready', () => errors.delete(address));
  });
  cluster.on('error', (error: Error & { readonly lastNodeError?: Error }) =>
    errors.set(configured, error.lastNodeError?.message ?? error.message),
  );
  const addressOf = (slot: number): string => cluster.slots[slot]?.[0] ?? configured;
  return {
    ...watchAvailability(cluster, configured, errors, options.connectTimeoutMs),
    kind: options.kind,
    isCluster: true,
    commandTimeoutMs: options.commandTimeoutMs,
    send: (command) => void cluster.sendCommand(command.asCommand()),
    cork() {
      for (const node of cluster.nodes('master')) {
        node.stream?.cork();
      }
    },
    uncork() {
      for (const node of cluster.nodes('master')) {
        node.stream?.uncork();
      }
    },
    masters: () => cluster.nodes('master'),
    addressOf,
    lastErrorOf: (address) => errors.get(address),
    close: () => cluster.disconnect(),
  };
}

/** Follows whether there is a connection at all. */
function watchAvailability(
  client: Redis | Cluster,
  address: string,
  errors: Map<string, string>,
  connectTimeoutMs: number,
): Pick<OpeningClient, 'outage' | 'opened'> {
  let downSinceMs = performance.now();
  let isReady = false;
  client.on('ready', () => {
    isReady = true;
    errors.delete(address);
  });
  client.on('close', () => {
    if (isReady) {
      isReady = false;
      downSinceMs = performance.now();
    }
  });
  return {
    opened: new Promise((resolve) => {
      const timer = setTimeout(resolve, connectTimeoutMs);
      for (const event of ['ready', 'close', 'error']) {
        client.once(event, () => {
          clearTimeout(timer);
          resolve();
        });
      }
    }),
    outage() {
      if (isReady || performance.now() - downSinceMs < OUTAGE_AFTER_MS) {
        return undefined;
      }
      const reason = errors.get(address);
      return onlineStoreUnavailable(
        `no connection to Redis at ${address}${reason === undefined ? '' : `: ${reason}`}`,
      );
    },
  };
}
