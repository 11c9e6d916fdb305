import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type * as z from 'zod';
import type {
  OnlineStoreConfig,
  RedisConfig,
  RedisDataPlaneConfig,
  RedisTlsConfig,
} from './config.ts';
import type { ProblemList } from './configuration-error.ts';
import { didYouMean } from '../did-you-mean.ts';
import { readBlock, redisSchema, sqliteSchema } from './feast-schema.ts';
import type { ReadSettings } from './read-settings.ts';
import { readNatMap, readRedisAddresses, readZones } from './redis-addresses.ts';
import { parseRedisConnectionString } from './redis-connection-string.ts';
import type { RedisConnectionString } from './redis-connection-string.ts';
import { isPlainRecord } from './yaml-source.ts';

/** Stores that Feast's Python server can read and this one cannot. */
const OTHER_STORES: readonly string[] = [
  'aerospike',
  'bigtable',
  'cassandra',
  'couchbase.online',
  'datastore',
  'dynamodb',
  'elasticsearch',
  'hazelcast',
  'hbase',
  'hybrid',
  'milvus',
  'mongodb',
  'mysql',
  'postgres',
  'qdrant',
  'remote',
  'scylladb',
  'singlestore',
  'snowflake.online',
];
const SQLITE_TYPES = ['sqlite', 'feast.infra.online_stores.sqlite.SqliteOnlineStore'];
const REDIS_TYPES = ['redis', 'feast.infra.online_stores.redis.RedisOnlineStore'];
const REMEDY = 'use type redis or sqlite';

/** What an online store's configuration is made from besides its block. */
export interface OnlineStoreSources {
  readonly repoPath: string;
  readonly settings: ReadSettings;
}

/**
 * The `online_store` value: a type, or a block. `undefined` when it is wrong or names a store that cannot be served;
 * `problems` says why.
 */
export function readOnlineStore(
  value: unknown,
  sources: OnlineStoreSources,
  problems: ProblemList,
): OnlineStoreConfig | undefined {
  const place = ['online_store'];
  const disabled = value === null || (typeof value === 'string' && /^(?:none|null)$/i.test(value));
  if (disabled) {
    problems.addAt(
      place,
      `online_store is switched off, so there is nothing to serve from; ${REMEDY}`,
    );
    return undefined;
  }
  const block = value === undefined ? {} : typeof value === 'string' ? { type: value } : value;
  if (!isPlainRecord(block)) {
    problems.addAt(place, 'online_store must be a type or a mapping of keys');
    return undefined;
  }
  const type = block['type'] ?? 'sqlite';
  const options = { path: place, unknownKeys: 'refuse' } as const;
  if (typeof type === 'string' && SQLITE_TYPES.includes(type)) {
    const sqlite = readBlock(sqliteSchema, { ...block, type }, options, problems);
    if (sqlite === undefined) return undefined;
    return {
      kind: 'sqlite',
      path: resolve(sources.repoPath, sqlite.path),
      writerUtcOffsetSeconds: sources.settings.values.sqlite_writer_utc_offset,
      skipStale: sources.settings.values.sqlite_skip_stale,
    };
  }
  if (typeof type === 'string' && REDIS_TYPES.includes(type)) {
    const redis = readBlock(redisSchema, block, options, problems);
    return redis === undefined ? undefined : readRedis(redis, sources, problems);
  }
  problems.addAt([...place, ...(isPlainRecord(value) ? ['type'] : [])], refusedType(type));
  return undefined;
}

function refusedType(type: unknown): string {
  if (typeof type !== 'string') return `online_store.type must be text; ${REMEDY}`;
  if (OTHER_STORES.includes(type)) {
    return `online_store type ${type} cannot be served by sideboard; ${REMEDY}, or keep Feast's own server for it`;
  }
  const hint = didYouMean(type, ['redis', 'sqlite', ...OTHER_STORES]);
  return `unknown online_store type ${type}${hint === '' ? `; ${REMEDY}` : hint}`;
}

function readRedis(
  block: z.output<typeof redisSchema>,
  { repoPath, settings }: OnlineStoreSources,
  problems: ProblemList,
): RedisConfig {
  const place = ['online_store', 'connection_string'];
  const connection = parseRedisConnectionString(block.connection_string, block.redis_type);
  for (const problem of connection.problems) problems.addAt(place, `connection_string: ${problem}`);
  for (const warning of connection.warnings)
    problems.warnAt(place, `connection_string: ${warning}`);
  const { values, given } = settings;
  const username = values.redis_username ?? connection.username;
  const password = values.redis_password ?? connection.password;
  const sentinelUsername = values.redis_sentinel_username ?? connection.sentinelUsername;
  const sentinelPassword = values.redis_sentinel_password ?? connection.sentinelPassword;
  const setting = <T>(name: Parameters<typeof given.has>[0], own: T, theirs: T | undefined): T =>
    given.has(name) ? own : (theirs ?? own);
  return {
    kind: block.redis_type,
    nodes: connection.nodes,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database: connection.database,
    tls: readTls(connection, { repoPath, settings }, problems),
    sentinelMaster: block.sentinel_master,
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    sentinelTls: setting('redis_sentinel_tls', values.redis_sentinel_tls, connection.sentinelTls),
    // Feast takes 0 for "no expiry" as well.
    keyTtlSeconds: block.key_ttl_seconds || undefined,
    skipDedup: block.skip_dedup ?? false,
    fullScanForDeletion: block.full_scan_for_deletion ?? true,
    connectTimeoutMs: setting(
      'redis_connect_timeout_ms',
      values.redis_connect_timeout_ms,
      connection.connectTimeoutMs,
    ),
    commandTimeoutMs: setting(
      'redis_command_timeout_ms',
      values.redis_command_timeout_ms,
      connection.commandTimeoutMs,
    ),
    ...readDataPlane({ repoPath, settings }, problems),
  };
}

/** How reads find their way, from our settings alone: Feast has nothing of it. */
function readDataPlane(
  { repoPath, settings: { values } }: OnlineStoreSources,
  problems: ProblemList,
): RedisDataPlaneConfig {
  const { redis_unix_socket: socket, redis_password_file: passwordFile, redis_zone: zone } = values;
  if (values.redis_read_from === 'zone' && zone === undefined) {
    problems.addAt(
      ['sideboard', 'redis_read_from'],
      'sideboard.redis_read_from: zone needs to know the own zone; set redis_zone',
    );
  }
  const replicas = readRedisAddresses('redis_replicas', values.redis_replicas, problems);
  return {
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(repoPath, passwordFile) }),
    ...(socket === undefined ? {} : { unixSocket: resolve(repoPath, socket) }),
    ...(zone === undefined ? {} : { zone }),
    ...(replicas.length === 0 ? {} : { replicas }),
    clientName: values.redis_client_name,
    readFrom: values.redis_read_from,
    readShape: values.redis_read_shape,
    sharesReads: values.redis_single_flight,
    zones: readZones(values.redis_zones, problems),
    natMap: readNatMap(values.redis_nat_map, problems),
    waitReplicas: values.redis_wait_replicas,
    waitTimeoutMs: values.redis_wait_timeout_ms,
    hedgePercent: values.redis_hedge_percent,
    hedgePercentile: values.redis_hedge_percentile,
    silenceTimeoutMs: values.redis_silence_timeout_ms,
    topologyRefreshMs: values.redis_topology_refresh_ms,
    maxPendingCommands: values.redis_max_pending_commands,
    maxPendingBytes: values.redis_max_pending_bytes,
  };
}

/** TLS as the connection string or our settings want it; naming a certificate file turns it on. */
function readTls(
  connection: RedisConnectionString,
  { repoPath, settings: { values } }: OnlineStoreSources,
  problems: ProblemList,
): false | RedisTlsConfig {
  const caFile = values.redis_tls_ca_file ?? connection.caFile;
  const certFile = values.redis_tls_cert_file ?? connection.certFile;
  const keyFile = values.redis_tls_key_file ?? connection.keyFile;
  const wanted =
    connection.ssl ||
    values.redis_tls_ca_file !== undefined ||
    values.redis_tls_cert_file !== undefined;
  if (!wanted) return false;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    problems.addAt(
      ['online_store'],
      "a client's TLS certificate and its key go together; give both files or none",
    );
  }
  const read = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : readPem(resolve(repoPath, path), problems);
  const [ca, cert, key] = [read(caFile), read(certFile), read(keyFile)];
  const servername = values.redis_tls_servername;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
    rejectUnauthorized: connection.verifyCertificate && !values.redis_tls_insecure,
    checkServerIdentity: connection.checkHostname && !values.redis_tls_insecure,
  };
}

function readPem(path: string, problems: ProblemList): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.includes('-----BEGIN ')) return text;
    problems.addAt(['online_store'], `TLS file ${path} holds no PEM (-----BEGIN …)`);
  } catch (error) {
    problems.addAt(
      ['online_store'],
      `TLS file ${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`,
    );
  }
  return undefined;
}
