import type { AuthConfig } from './auth-config.ts';
import type { LimitsConfig } from './limits-config.ts';
import type { RegistryPlace, S3Location } from './registry-place.ts';

/**
 * What a process runs with, decided once at start: `feature_store.yaml`, the environment and the flags, merged, checked,
 * complete and deeply frozen. `load-config.ts` makes it; nothing else reads the environment.
 */
export interface Config {
  /** Absolute path of the YAML file, or `undefined` when it came from `FEATURE_STORE_YAML_BASE64`. */
  readonly configFile: string | undefined;
  /** Absolute directory that relative paths of the YAML were resolved against. */
  readonly repoPath: string;
  readonly project: string;
  /** How entity keys are written to the online store. Versions 0 and 1 are refused. */
  readonly entityKeySerializationVersion: 2 | 3;
  readonly registry: RegistryConfig;
  readonly onlineStore: OnlineStoreConfig;
  readonly server: ServerConfig;
  readonly limits: LimitsConfig;
  readonly semantics: SemanticsConfig;
  readonly materialization: MaterializationConfig;
  readonly sources: SourcesConfig;
  /** `host:port` of Feast's transformation server, which runs Python's on-demand views; `undefined` = they are refused. */
  readonly transformationEndpoint: string | undefined;
  /** Absent = nothing is traced. */
  readonly tracing: TracingConfig | undefined;
  readonly functions: FunctionsConfig;
  /** Who may use the server; `undefined` = whoever can connect. */
  readonly auth: AuthConfig | undefined;
  /** What the operator should know but what stops nothing, one sentence each; to be logged at start. */
  readonly warnings: readonly string[];
}

/** Where the registry is and how fresh it has to be. */
export type RegistryConfig = RegistryPlace & {
  /** It is read again when the copy in memory is older than this, changed or not; 0 = only when it changed. */
  readonly cacheTtlSeconds: number;
  /** How often it is looked at for a change; 0 = only when `cacheTtlSeconds` are over. */
  readonly pollIntervalMs: number;
  /** How long one look or one read may take, where it is not a file. */
  readonly timeoutMs: number;
  /** Absolute path of the copy to start with when the registry cannot be served; `undefined` = none is kept. */
  readonly copyPath: string | undefined;
  /** `enable_online_feature_view_versioning`: versions above 0 are stored under names of their own. */
  readonly versioningEnabled: boolean;
};

/** The online store, by its kind. */
export type OnlineStoreConfig = SqliteConfig | RedisConfig;

/** SQLite in Feast's layout. */
export interface SqliteConfig {
  readonly kind: 'sqlite';
  /** Absolute path of the database file. */
  readonly path: string;
  /**
   * Seconds to add to UTC for the local time of the Feast process that wrote the file. Feast's SQLite writer stores local
   * time as if it were UTC's epoch; 0 = it ran in UTC.
   */
  readonly writerUtcOffsetSeconds: number;
  /** Whether rows older than what is stored are left out. */
  readonly skipStale: boolean;
}

/** Redis: a single node, a cluster, or a group watched by sentinels. */
export interface RedisConfig extends RedisDataPlaneConfig {
  readonly kind: 'redis' | 'redis_cluster' | 'redis_sentinel';
  /** The node; the nodes to learn the cluster from; or the sentinels. Never empty; `redis` uses the first alone. */
  readonly nodes: readonly RedisNode[];
  readonly username?: string;
  readonly password?: string;
  /** Always 0 for a cluster. */
  readonly database: number;
  readonly tls: false | RedisTlsConfig;
  /** Name of the master that sentinels are asked for; meaningless otherwise. */
  readonly sentinelMaster: string;
  /** Credentials of the sentinels themselves, where they differ from those of the master; absent = none. */
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  /** Whether sentinels are spoken to over TLS, with the settings of `tls`. */
  readonly sentinelTls: boolean;
  /** EXPIRE of the whole hash after each write; `undefined` = none. */
  readonly keyTtlSeconds: number | undefined;
  /** Write without looking at the stored event timestamp. */
  readonly skipDedup: boolean;
  /** Whether removing a feature view deletes its fields by scanning all keys of the project. */
  readonly fullScanForDeletion: boolean;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

/** How reads of Redis find their way; absent = not set. */
export interface RedisDataPlaneConfig {
  /** Absolute path of a file that holds the password; wins over `password`. */
  readonly passwordFile?: string;
  /** Absolute path of a unix socket; wins over the node of `redis`. */
  readonly unixSocket?: string;
  readonly clientName: string;
  /** Which copy of the data is read. */
  readonly readFrom: 'primary' | 'prefer-replica' | 'nearest' | 'zone';
  /** How features are read of a hash; `auto` measures what is quicker. */
  readonly readShape: 'auto' | 'hmget' | 'hgetall';
  /** Whether an entity that several requests read in the same moment is read once. */
  readonly sharesReads: boolean;
  /** The own availability zone; there where `readFrom` is `zone`. */
  readonly zone?: string;
  /** Zones of nodes, by `host:port` or host. */
  readonly zones: readonly { readonly address: string; readonly zone: string }[];
  /** Replicas of a single node; absent = those that it names. */
  readonly replicas?: readonly RedisNode[];
  /** Where nodes of a cluster are reached, by the `host:port` that they announce. */
  readonly natMap: readonly (RedisNode & { readonly announced: string })[];
  /** Reads that may be asked of a second copy, in percent; 0 = none. */
  readonly hedgePercent: number;
  /** A node is late when it takes longer than for so many percent of its recent answers. */
  readonly hedgePercentile: number;
  readonly silenceTimeoutMs: number;
  readonly topologyRefreshMs: number;
  /** Replicas that have to confirm a write, and how long they may take. */
  readonly waitReplicas: number;
  readonly waitTimeoutMs: number;
  /** Of one connection; beyond them a read is refused. */
  readonly maxPendingCommands: number;
  readonly maxPendingBytes: number;
}

/** Address of a Redis node; `host` without brackets for IPv6. */
export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** TLS towards Redis. Certificates and keys are PEM text, already read from their files. */
export interface RedisTlsConfig {
  /** Absent = the authorities that Node trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name to expect in the certificate; absent = the host connected to. */
  readonly servername?: string;
  /** `false` accepts any certificate. */
  readonly rejectUnauthorized: boolean;
  /** `false` accepts a certificate of a trusted authority whatever name it carries. */
  readonly checkServerIdentity: boolean;
}

/** Names of pino's levels. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** How HTTP/2 is spoken. What the numbers mean stands in `http2/http2-engine.ts`, whose `EngineLimits` they are; 0 = none. */
export interface Http2Config {
  readonly engine: 'own' | 'builtin';
  readonly maxConcurrentStreams: number;
  readonly maxHeaderListBytes: number;
  readonly windowBytes: number;
  readonly maxQueuedBytes: number;
  readonly maxQueuedBytesTotal: number;
  readonly slowClientTimeoutMs: number;
  readonly maxConnectionAgeMs: number;
  readonly maxConnectionIdleMs: number;
  readonly drainGraceMs: number;
  readonly keepAliveMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly minPingIntervalMs: number;
}

/** Where and how the process serves. */
export interface ServerConfig {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Processes that answer requests. */
  readonly workers: number;
  /** How they share the port, where there are several. */
  readonly portSharing: 'handover' | 'reuse_port';
  /** Origins whose pages may call; `*` = all, empty = none. */
  readonly corsOrigins: readonly string[];
  /** Absent = none. */
  readonly unixSocket: UnixSocketConfig | undefined;
  /** Absent = plain text. */
  readonly tls: TlsConfig | undefined;
  /** Connections that all workers together have open at once, whatever they speak. */
  readonly maxConnections: number;
  /** The share of each of them. */
  readonly maxConnectionsPerWorker: number;
  readonly adminHost: string;
  /** 0 = any free port. */
  readonly adminPort: number;
  /** How long requests that had arrived may take after SIGTERM. */
  readonly drainTimeoutMs: number;
  readonly http2: Http2Config;
  /** What of the load is told to those who balance by it. */
  readonly loadReports: 'none' | 'stream' | 'calls';
  /** Deadline of requests that bring none; 0 = none. */
  readonly defaultDeadlineMs: number;
  readonly logLevel: LogLevel;
}

/** A unix socket beside the port. */
export interface UnixSocketConfig {
  /** Absolute. */
  readonly path: string;
  /** Permission bits of the file. */
  readonly mode: number;
}

/** TLS on the serving port. The files are read when the server starts, and again when they change. */
export interface TlsConfig {
  /** Absolute. */
  readonly certFile: string;
  /** Absolute. */
  readonly keyFile: string;
  /** Absolute; absent = clients need no certificate. */
  readonly clientCaFile: string | undefined;
  /** Subject alternative names of clients that may connect; empty = any. */
  readonly clientNames: readonly string[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** How often the files are looked at; 0 = never. */
  readonly pollIntervalMs: number;
}

/** Traces of requests, sent to an OTLP/HTTP receiver. */
export interface TracingConfig {
  readonly protocol: 'grpc' | 'http/protobuf' | 'http/json';
  /** Of the receiver, whole; for `grpc` scheme, host and port, or `unix:` and a path. */
  readonly url: string;
  /** Sent with every request to it; may hold a secret. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly compression: 'none' | 'gzip';
  /** Files in PEM for https: authorities instead of the known ones', our own certificate and its key; absent = none. */
  readonly tls: {
    readonly caFile: string | undefined;
    readonly certFile: string | undefined;
    readonly keyFile: string | undefined;
  };
  /** Share of the requests to trace that no caller has decided about, 0 to 1. */
  readonly ratio: number;
  /** Whether a caller's decision is followed; `false` = the share is one of all requests. */
  readonly followsCaller: boolean;
  /** By whose headers callers hand their traces on; of several that are there the last one's are taken. */
  readonly propagators: readonly ('tracecontext' | 'b3' | 'b3multi')[];
  /** What the traces say of this process: `service.name` and others. */
  readonly resource: Readonly<Record<string, string>>;
}

/** Where Feast's servers disagree, which of them to follow. */
export interface SemanticsConfig {
  /** Which requests mark values older than the TTL: as the protocol's original server does, all, or none. */
  readonly onlineTtl: 'protocol' | 'enforce' | 'ignore';
  /** Status of a stored null. */
  readonly nullStatus: 'present' | 'null_value';
  /** Status of the features of an entity that Redis holds nothing of. */
  readonly missingEntity: 'not_found' | 'present';
  /** Whether 1001.7 may ask for the entity 1001, as it may in Feast. */
  readonly lossyEntityCoercion: boolean;
  /** Whether views without entities are also read from where Feast's push puts them. */
  readonly readEntitylessPushes: boolean;
  /** Whether values that cannot be read are marked in an answer that has the rest; a request may say otherwise. */
  readonly partialResults: boolean;
  /** NaN and infinities in JSON: `"NaN"`, `"Infinity"`, `"-Infinity"`, or null. */
  readonly nonFiniteJson: 'string' | 'null';
}

/** What reading batch sources may use. */
export interface SourcesConfig {
  /** Where the S3 of sources is that do not say it themselves. */
  readonly s3: S3Location;
  /** Bytes of the files of one view that are copied from there. */
  readonly maxSourceBytes: number;
}

/** Feast's `materialization` block. */
export interface MaterializationConfig {
  /** Rows per write to the online store; `undefined` = the writer decides. */
  readonly onlineWriteBatchSize: number | undefined;
}

/** Functions of on-demand views in TypeScript. */
export interface FunctionsConfig {
  /** Absolute path of the feature repository that has them. */
  readonly repoPath: string;
  /** Of one call. */
  readonly timeoutMs: number;
  /** Of the heap of the thread that they run on. */
  readonly memoryMib: number;
  /** What fails where one throws: the request, or the row's outputs. */
  readonly onError: 'fail' | 'invalid';
}
