import * as z from 'zod';
import type { ProblemList, YamlPath } from './configuration-error.ts';
import { didYouMean } from '../did-you-mean.ts';
import { booleanFromText, integerFromText } from './setting-value.ts';
import { isPlainRecord } from './yaml-source.ts';

// The keys of Feast 0.67's feature_store.yaml. Feast reads it with pydantic, which takes "yes" for true and "3600" for
// 3600; so do these schemas. A key that says nothing to an online server is checked for its type and otherwise unused.

const text = z.string({ error: 'must be text (in quotes where it looks like a number)' });
const bool = z.preprocess(booleanFromText, z.boolean({ error: 'must be true or false' }));
const whole = (min: number) => {
  const error = `must be a whole number, ${min} or more`;
  return z.preprocess(integerFromText, z.int({ error }).min(min, error));
};
const oneOf = <const T extends readonly [string, ...string[]]>(...words: T) =>
  z.enum(words, { error: `must be one of ${words.join(', ')}` });
const anything = z.unknown().optional();

export const registrySchema = z.strictObject({
  registry_type: text.default('file'),
  registry_store_type: text.nullish(),
  path: text.default(''),
  cache_ttl_seconds: whole(0).default(600),
  cache_mode: oneOf('sync', 'thread').default('sync'),
  enable_online_feature_view_versioning: bool.default(false),
  serve_features_while_materializing: bool.default(false),
  s3_additional_kwargs: anything,
  purge_feast_metadata: bool.nullish(),
  mcp: anything,
  read_path: text.nullish(),
  sqlalchemy_config_kwargs: anything,
  thread_pool_executor_worker_count: whole(0).nullish(),
  schema_mode: text.nullish(),
  cert: text.nullish(),
  is_tls: bool.nullish(),
  client_cert: text.nullish(),
  client_key: text.nullish(),
  authority: text.nullish(),
  // Keys of Feast's Go server.
  client_id: anything,
  mysql_max_open_conns: anything,
  mysql_max_idle_conns: anything,
  mysql_conn_max_lifetime_seconds: anything,
  mysql_query_timeout_seconds: anything,
});

/** The `registry` block, checked and with its defaults. */
export type RegistryBlock = z.infer<typeof registrySchema>;

export const sqliteSchema = z.strictObject({
  type: text,
  path: text.default('data/online.db'),
  vector_enabled: bool.nullish(),
  vector_len: whole(0).nullish(),
  similarity: text.nullish(),
  text_search_enabled: bool.nullish(),
  enable_openai_compatible_store: bool.nullish(),
});

export const redisSchema = z.strictObject({
  type: text,
  redis_type: oneOf('redis', 'redis_cluster', 'redis_sentinel').default('redis'),
  connection_string: text.default('localhost:6379'),
  sentinel_master: text.default('mymaster'),
  key_ttl_seconds: whole(0).nullish(),
  full_scan_for_deletion: bool.nullable().default(true),
  skip_dedup: bool.nullable().default(false),
  // Which Python library Feast uses: it makes no difference to what is stored.
  client: oneOf('redis', 'glide').default('redis'),
});

const metricsSchema = z.strictObject({
  enabled: bool.nullish(),
  resource: bool.nullish(),
  request: bool.nullish(),
  online_features: bool.nullish(),
  push: bool.nullish(),
  materialization: bool.nullish(),
  freshness: bool.nullish(),
  offline_features: bool.nullish(),
  audit_logging: bool.nullish(),
  feature_count_bins: anything,
});

const featureLoggingSchema = z.strictObject({
  enabled: bool.nullish(),
  flush_interval_secs: whole(0).nullish(),
  write_to_disk_interval_secs: whole(0).nullish(),
  queue_capacity: whole(0).nullish(),
  emit_timeout_micro_secs: whole(0).nullish(),
});

const auditLoggingSchema = z.strictObject({
  enabled: bool.nullish(),
  sink: oneOf('stdout', 'file', 'logger').nullish(),
  file_path: text.nullish(),
  log_successful_reads: bool.nullish(),
});

export const featureServerSchema = z.strictObject({
  type: oneOf('local', 'mcp').nullish(),
  enabled: bool.nullish(),
  transformation_service_endpoint: text.nullish(),
  metrics: metricsSchema.nullish(),
  feature_logging: featureLoggingSchema.nullish(),
  audit_logging: auditLoggingSchema.nullish(),
  offline_push_batching_enabled: bool.nullish(),
  offline_push_batching_batch_size: whole(1).nullish(),
  offline_push_batching_batch_interval_seconds: whole(0).nullish(),
  mcp_enabled: bool.nullish(),
  mcp_server_name: text.nullish(),
  mcp_server_version: text.nullish(),
  mcp_transport: oneOf('sse', 'http').nullish(),
});

export const materializationSchema = z.strictObject({
  pull_latest_features: bool.nullish(),
  online_write_batch_size: whole(1).nullish(),
});

/** Blocks that Feast checks strictly and that say nothing to an online server: they are checked for typos alone. */
export const STRICT_BLOCKS: Readonly<Record<string, z.ZodObject>> = {
  embedding_model: z.strictObject({ provider: text.nullish(), model: text }),
  data_quality_monitoring: z.strictObject({ auto_baseline: bool.nullish() }),
};

export const noAuthSchema = z.strictObject({ type: text });

const positive = (fallback: number) =>
  z.coerce
    .number({ error: 'must be a number above 0' })
    .positive('must be a number above 0')
    .default(fallback);

/** What servers of Feast take, and behind it what clients that share the file have there too. */
export const oidcAuthSchema = z.strictObject({
  type: text,
  auth_discovery_url: text,
  client_id: text.nullish(),
  ui_client_id: text.nullish(),
  verify_ssl: bool.default(true),
  ca_cert_path: text.default(''),
  audience: text.nullish(),
  issuer: text.nullish(),
  jwks_cache_lifespan_seconds: positive(300),
  jwks_request_timeout_seconds: positive(10),
  username: text.nullish(),
  password: text.nullish(),
  client_secret: text.nullish(),
  token: text.nullish(),
  token_env_var: text.nullish(),
  token_refresh_margin_seconds: positive(30),
});

/** The `auth` block of type oidc, checked and with its defaults. */
export type OidcBlock = z.infer<typeof oidcAuthSchema>;

export const kubernetesAuthSchema = z.strictObject({ type: text, user_token: text.nullish() });

/** Keys that Feast knows at the top. Others are allowed there, as in Feast, but one that is nearly known earns a warning. */
export const TOP_LEVEL_KEYS: readonly string[] = [
  'project',
  'project_description',
  'provider',
  'registry',
  'online_store',
  'offline_store',
  'batch_engine',
  'feature_server',
  'auth',
  'entity_key_serialization_version',
  'coerce_tz_aware',
  'flags',
  'materialization',
  'embedding_model',
  'openlineage',
  'mlflow',
  'data_quality_monitoring',
  'sideboard',
];

/** How to take a block apart. */
export interface BlockOptions {
  readonly path: YamlPath;
  /** What to do with a key that no Feast release has: as Feast does, `refuse` it, or let it pass with a warning. */
  readonly unknownKeys: 'refuse' | 'warn';
}

/**
 * Checks one block. `undefined` when something in it is wrong; every mistake is in `problems` then, with the line of its
 * key.
 */
export function readBlock<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  value: unknown,
  options: BlockOptions,
  problems: ProblemList,
): z.output<z.ZodObject<Shape>> | undefined {
  const tolerated =
    options.unknownKeys === 'warn' ? dropStrangers(schema, value, options.path, problems) : value;
  const parsed = schema.safeParse(tolerated);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) {
    const path = [...options.path, ...(issue.path as (string | number)[])];
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema, issue.path);
      for (const key of issue.keys) {
        problems.addAt(
          [...path, key],
          `unknown key ${[...path, key].join('.')}${didYouMean(key, known)}`,
        );
      }
    } else if (issue.code === 'invalid_type' && issue.expected === 'object') {
      problems.addAt(path, `${path.join('.')} must be a mapping of keys`);
    } else problems.addAt(path, `${path.join('.')} ${issue.message}`);
  }
  return undefined;
}

/** The mapping without unknown keys; each is warned of. */
function dropStrangers(
  schema: z.ZodObject,
  value: unknown,
  path: YamlPath,
  problems: ProblemList,
): unknown {
  if (!isPlainRecord(value)) return value;
  const known = Object.keys(schema.shape);
  return Object.fromEntries(
    Object.entries(value).filter(([key]) => {
      if (known.includes(key)) return true;
      const name = [...path, key].join('.');
      problems.warnAt([...path, key], `unknown key ${name} was ignored${didYouMean(key, known)}`);
      return false;
    }),
  );
}

/** The known keys of the block inside `schema` that `path` leads to. */
export function keysAt(schema: z.ZodObject, path: readonly PropertyKey[]): readonly string[] {
  let current: unknown = schema;
  for (const step of path) {
    const shape: Record<string, unknown> = current instanceof z.ZodObject ? current.shape : {};
    current = shape[String(step)];
    while (current instanceof z.ZodOptional || current instanceof z.ZodNullable) {
      current = current.unwrap();
    }
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}
