import { nodeRuntime } from '../redis/node-runtime.ts';
import { openRedisClient, type RedisClient } from '../redis/redis-client.ts';
import type { RedisRuntime } from '../redis/redis-runtime.ts';
import { VERSION } from '../version.ts';
import { credentialsFrom } from './redis-credentials.ts';

/** Address of a Redis node; `host` without brackets for IPv6. */
interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** How to reach Redis. */
export interface RedisConnectionOptions {
  readonly kind: 'redis' | 'redis_cluster' | 'redis_sentinel';
  /** The node, nodes of the cluster, or the sentinels; never empty. */
  readonly nodes: readonly RedisAddress[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** File that holds the password, read at each connect and again every few minutes; wins over `password`. */
  readonly passwordFile?: string | undefined;
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
  /** Path of a unix socket; wins over `nodes` where there is a single node. */
  readonly unixSocket?: string | undefined;
  readonly clientName?: string | undefined;
  /** Which copy of the data is read. */
  readonly readFrom?: 'primary' | 'prefer-replica' | 'nearest' | 'zone' | undefined;
  /** The own availability zone, for `readFrom: zone`. */
  readonly zone?: string | undefined;
  /** Zone by `host:port` or host, where nodes do not tell it themselves. */
  readonly zones?: readonly { readonly address: string; readonly zone: string }[] | undefined;
  /** Replicas of a single node; absent = those that it names. */
  readonly replicas?: readonly RedisAddress[] | undefined;
  /** From the `host:port` that a node of a cluster announces to where it is reached. */
  readonly natMap?: readonly (RedisAddress & { readonly announced: string })[] | undefined;
  /** Reads that may be asked of a second copy, in percent of all. */
  readonly hedgePercent?: number | undefined;
  /** Of a node's answers so many percent come in time; later ones are hedged. */
  readonly hedgePercentile?: number | undefined;
  /** Whether an entity that several requests read in the same moment is read once. */
  readonly sharesReads?: boolean | undefined;
  /** A connection on which nothing arrives for so long while replies are due is given up. */
  readonly silenceTimeoutMs?: number | undefined;
  readonly topologyRefreshMs?: number | undefined;
  /** Bounds of one connection; beyond them a read is refused. */
  readonly maxPendingCommands?: number | undefined;
  readonly maxPendingBytes?: number | undefined;
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

/** What is taken where options leave it open; the settings of the same names document it. */
const DEFAULTS = {
  clientName: 'sideboard',
  hedgePercent: 5,
  hedgePercentile: 95,
  sharesReads: true,
  silenceTimeoutMs: 1_000,
  topologyRefreshMs: 5_000,
  maxPendingCommands: 100_000,
  maxPendingBytes: 64 * 1024 * 1024,
} as const;
const KEEP_ALIVE_MS = 30_000;

/**
 * Connects, and resolves when Redis answered or is known not to: a store that is down when a server starts does not keep
 * it from starting.
 */
export async function connectRedis(
  options: RedisConnectionOptions,
  runtime: RedisRuntime = nodeRuntime,
): Promise<RedisClient> {
  const { unixSocket, kind, nodes, tls } = options;
  const given = withDefaults(options);
  return openRedisClient({
    ...given,
    runtime,
    kind,
    nodes:
      unixSocket !== undefined && kind === 'redis' ? [{ ...nodes[0]!, path: unixSocket }] : nodes,
    replicas: options.replicas,
    credentials: credentialsFrom(options),
    tls,
    database: options.database,
    sentinel: {
      masterName: options.sentinelMaster,
      credentials: credentialsFrom({
        username: options.sentinelUsername,
        password: options.sentinelPassword,
      }),
      tls: options.sentinelTls === true ? tls : false,
    },
    natMap: new Map(
      options.natMap?.map(({ announced, host, port }) => [announced, { host, port }]),
    ),
    read: { readFrom: options.readFrom ?? 'primary', zone: options.zone },
    zones: new Map(options.zones?.map((entry) => [entry.address, entry.zone])),
    hedgeShare: given.hedgePercent / 100,
    hedgeQuantile: given.hedgePercentile / 100,
    libraryName: 'sideboard',
    libraryVersion: VERSION,
    connectTimeoutMs: options.connectTimeoutMs,
    commandTimeoutMs: options.commandTimeoutMs,
    keepAliveMs: KEEP_ALIVE_MS,
  });
}

type Defaulted = {
  readonly [Name in keyof typeof DEFAULTS]: NonNullable<RedisConnectionOptions[Name]>;
};

function withDefaults(options: RedisConnectionOptions): Defaulted {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...DEFAULTS, ...(Object.fromEntries(given) as Partial<Defaulted>) };
}
