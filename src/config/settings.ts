import { AUTH_SETTINGS } from './auth-settings.ts';
import { FUNCTION_SETTINGS } from './function-settings.ts';
import { HTTP2_SETTINGS } from './http2-settings.ts';
import { PORT_SETTINGS } from './port-settings.ts';
import { REDIS_SETTINGS } from './redis-settings.ts';
import { TRACING_SETTINGS } from './tracing-settings.ts';
import { bytes, choice, count, MIB, milliseconds, type Setting } from './setting.ts';

/** Every setting of our own, in the order of the documentation. Schema, flags, variables and docs are made from it. */
export const SETTINGS = [
  ...PORT_SETTINGS,
  ...AUTH_SETTINGS,
  {
    name: 'log_level',
    kind: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: 'info',
    doc: 'The least severe level that is logged.',
  },
  {
    name: 'drain_timeout_ms',
    kind: milliseconds(0),
    default: 15_000,
    unit: 'ms',
    doc: 'How long requests that have arrived may take to end after SIGTERM. Keep it below the grace period of whoever sends the signal.',
  },
  {
    name: 'default_deadline_ms',
    kind: milliseconds(0),
    default: 10_000,
    unit: 'ms',
    doc: 'Deadline of a request that brings none. 0 means no deadline.',
  },
  ...HTTP2_SETTINGS,
  {
    name: 'load_reports',
    kind: choice('none', 'stream', 'calls'),
    default: 'none',
    doc: 'What clients and proxies that balance by load are told of it (ORCA): nothing, reports as a stream (`xds.service.orca.v3.OpenRcaService`), or that and one in the trailers of every gRPC call (`endpoint-load-metrics-bin`).',
  },
  ...TRACING_SETTINGS,
  {
    name: 'max_concurrent_requests',
    kind: count(),
    default: 1000,
    unit: 'requests',
    doc: 'Requests in work at once over all connections, and reads that wait for their turn. One more is refused with RESOURCE_EXHAUSTED.',
  },
  {
    name: 'admission_latency_ms',
    kind: milliseconds(0),
    default: 100,
    unit: 'ms',
    doc: 'How long reads may wait for their turn while more come than can be answered; the others are refused at once with RESOURCE_EXHAUSTED and when to come back (`grpc-retry-pushback-ms`, Retry-After). A burst is waited out for 100 ms in any case. 0 means 1 ms, as short as it goes: what is let in stays about as fast as without the overload.',
  },
  {
    name: 'admission_min_requests',
    kind: count(),
    default: 64,
    unit: 'requests',
    doc: 'So many reads, in work and waiting for their turn, are never an overload, however long they take. Set it to `max_concurrent_requests` to have that limit alone.',
  },
  {
    name: 'max_waiting_bytes',
    kind: bytes,
    default: 16 * MIB,
    unit: 'bytes',
    doc: 'Messages of reads that wait for their turn. One that would make it more is refused with RESOURCE_EXHAUSTED, unless nobody else waits.',
  },
  {
    name: 'max_rows',
    kind: count(),
    default: 10_000,
    unit: 'rows',
    doc: 'Entity rows of one request.',
  },
  {
    name: 'max_features',
    kind: count(),
    default: 5000,
    unit: 'features',
    doc: 'Features of one request, after its feature service is spelled out.',
  },
  {
    name: 'max_cells',
    kind: count(),
    default: 2_000_000,
    unit: 'values',
    doc: 'Rows times features of one request.',
  },
  {
    name: 'max_request_bytes',
    kind: bytes,
    default: 16 * MIB,
    unit: 'bytes',
    doc: 'Size of one request after decompression.',
  },
  {
    name: 'max_response_bytes',
    kind: bytes,
    default: 64 * MIB,
    unit: 'bytes',
    doc: 'Size of one response before compression.',
  },
  {
    name: 'max_pending_write_bytes',
    kind: bytes,
    default: 64 * MIB,
    unit: 'bytes',
    doc: 'Rows on their way to the online store at once, over all pushes. One more is refused with RESOURCE_EXHAUSTED.',
  },
  {
    name: 'max_materializations',
    kind: count(),
    default: 2,
    unit: 'runs',
    doc: 'Materializations over HTTP that run at once, each on a thread of its own; further ones wait (Feast: `FEAST_MATERIALIZE_MAX_WORKERS`).',
  },
  {
    name: 'max_source_bytes',
    kind: { ...bytes, max: 2 ** 50 - 1 },
    default: 16 * 1024 * MIB,
    unit: 'bytes',
    doc: 'Files of one feature view that `materialize` and `historical-features` copy from S3 to the temporary folder at once.',
  },
  {
    name: 'plan_cache_bytes',
    kind: bytes,
    default: 32 * MIB,
    unit: 'bytes',
    doc: 'Memory for compiled retrieval plans of the current registry.',
  },
  ...FUNCTION_SETTINGS,
  {
    name: 'registry_poll_ms',
    kind: milliseconds(0),
    default: 1000,
    unit: 'ms',
    doc: 'How often the registry is looked at for a change; 0 leaves it to `registry.cache_ttl_seconds` alone. A file costs a `stat`. In a bucket (one request for its metadata) or a database (one query) it is looked at every 5 s at most. A registry server can only be read: every 60 s at most.',
  },
  {
    name: 'registry_timeout_ms',
    kind: milliseconds(1),
    default: 10_000,
    unit: 'ms',
    doc: 'How long one look at the registry, or one read of it, may take where it is not a file of this machine.',
  },
  {
    name: 'registry_token',
    kind: { type: 'secret' },
    default: undefined,
    doc: 'Bearer token for a registry server (`registry_type: remote`) that asks for one.',
  },
  {
    name: 'registry_token_file',
    kind: { type: 'file' },
    default: undefined,
    doc: 'File that holds the bearer token for a registry server (a mounted service account token): read at each refresh. Wins over `registry_token`.',
  },
  {
    name: 'registry_copy',
    kind: { type: 'text' },
    default: 'beside',
    doc: 'Where the last registry that could be served is kept, for a start while the registry itself is missing, down or damaged: `beside` it (as `registry.db.last-good`; for a registry that is no file, as `data/registry.last-good` in the repository), a path, or `none`.',
  },
  {
    name: 'online_ttl',
    kind: choice('protocol', 'enforce', 'ignore'),
    default: 'protocol',
    doc: 'Whether values older than the TTL of their feature view are OUTSIDE_MAX_AGE: as the original server of the protocol does (`feast.serving.ServingService` yes, GrpcFeatureServer and JSON no), always, or never.',
  },
  {
    name: 'null_status',
    kind: choice('present', 'null_value'),
    default: 'present',
    doc: 'Status of a stored null: PRESENT, as Feast answers, or NULL_VALUE.',
  },
  {
    name: 'missing_entity',
    kind: choice('not_found', 'present'),
    default: 'not_found',
    doc: "Status of the features of an entity that Redis does not hold: NOT_FOUND, or PRESENT without a value as Feast's Python servers answer.",
  },
  {
    name: 'partial_results',
    kind: { type: 'boolean' },
    default: false,
    doc: 'Answer what can be read when a shard of Redis does not answer: the lost values are INVALID without a value, and `sideboard-lost-values` in the trailers (gRPC) or headers says how many. Off, such a request fails, as in Feast. A request decides for itself with the metadata or header `sideboard-partial-results: true` or `false`.',
  },
  {
    name: 'lossy_entity_coercion',
    kind: { type: 'boolean' },
    default: false,
    doc: "Whether an entity value may lose digits on its way to the join key's type (1001.7 asks for 1001), as in Feast. Off, such a request is refused.",
  },
  {
    name: 'read_entityless_pushes',
    kind: { type: 'boolean' },
    default: false,
    doc: "Whether a feature view without entities that has no row is looked for where Feast's push and write APIs put it: under a key without join keys, which Feast itself never reads.",
  },
  {
    name: 'non_finite_json',
    kind: choice('string', 'null'),
    default: 'string',
    doc: 'NaN and infinities in JSON answers: the strings `"NaN"`, `"Infinity"`, `"-Infinity"`, or null.',
  },
  ...REDIS_SETTINGS,
  {
    name: 'sqlite_skip_stale',
    kind: { type: 'boolean' },
    default: true,
    doc: 'Whether a row that is older than what SQLite holds of its entity is left out, as Redis does. Off, the last writer wins, as in Feast.',
  },
  {
    name: 'sqlite_writer_utc_offset',
    kind: { type: 'utc_offset' },
    default: '+00:00',
    doc: 'UTC offset of the Feast process that wrote the SQLite file (`+02:00`, `-08:00`): Feast stores local time there. Files that this project wrote are in UTC.',
  },
] as const satisfies readonly Setting[];

/** The name of a setting of our own. */
export type SettingName = (typeof SETTINGS)[number]['name'];

type ValueOf<Kind> = Kind extends {
  type: 'integer' | 'bytes' | 'ratio' | 'utc_offset' | 'file_mode' | 'workers';
}
  ? number
  : Kind extends { type: 'list' }
    ? readonly string[]
    : Kind extends { type: 'boolean' }
      ? boolean
      : Kind extends { type: 'choice'; choices: readonly (infer Choice)[] }
        ? Choice
        : string;

/** A checked value for every setting; `undefined` where nobody set it and it has no default. UTC offsets in seconds, file modes as numbers, `workers` 0 for auto. */
export type SettingValues = {
  readonly [S in (typeof SETTINGS)[number] as S['name']]:
    | ValueOf<S['kind']>
    | (S['default'] extends undefined ? undefined : never);
};

/** The environment variable of a setting. */
export function settingVariable(name: string): string {
  return `SIDEBOARD_${name.toUpperCase()}`;
}

/** The flag of a setting, with its dashes. */
export function settingFlag(name: string): string {
  return `--${name.replaceAll('_', '-')}`;
}

/** The setting of that name, or `undefined`. */
export function findSetting(name: string): Setting | undefined {
  return SETTINGS.find((setting) => setting.name === name);
}
