/** What a setting holds. Sizes are bytes and may be written `16MiB`; a secret is never printed. */
export type SettingKind =
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'bytes'; readonly min: number; readonly max: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'choice'; readonly choices: readonly string[] }
  | { readonly type: 'text' }
  | { readonly type: 'secret' }
  | { readonly type: 'file' }
  | { readonly type: 'utc_offset' };

/** One setting of our own: a key of the `sideboard:` block, an environment variable and a flag at once. */
export interface Setting {
  /** Key under `sideboard:`; `SIDEBOARD_` + upper case is its variable, `--` + hyphens its flag. */
  readonly name: string;
  readonly kind: SettingKind;
  /** `undefined` = not set. */
  readonly default: string | number | boolean | undefined;
  /** Of the number, for the documentation. */
  readonly unit?: string;
  /** One or two sentences. */
  readonly doc: string;
}

const MIB = 1024 * 1024;
const MAX_COUNT = 2 ** 31 - 1;
/** Node's timers take no longer delay. */
const MAX_DELAY_MS = 2 ** 31 - 1;

// Not annotated: the types of values are derived from what these return.
const count = (min = 1) => ({ type: 'integer', min, max: MAX_COUNT }) as const;
const milliseconds = (min: number) => ({ type: 'integer', min, max: MAX_DELAY_MS }) as const;
const port = { type: 'integer', min: 0, max: 65_535 } as const;
const bytes = { type: 'bytes', min: 1024, max: 2 ** 32 - 1 } as const;
const choice = <const Choices extends readonly string[]>(...choices: Choices) =>
  ({ type: 'choice', choices }) as const;

/** Every setting of our own, in the order of the documentation. Schema, flags, variables and docs are made from it. */
export const SETTINGS = [
  {
    name: 'host',
    kind: { type: 'text' },
    default: '127.0.0.1',
    doc: 'Address that the server listens on. `0.0.0.0` or `::` for every interface, as in a container.',
  },
  {
    name: 'port',
    kind: port,
    default: 6566,
    doc: 'Port of every protocol: gRPC, Connect, gRPC-Web and JSON. 0 takes any free port.',
  },
  {
    name: 'admin_host',
    kind: { type: 'text' },
    default: '127.0.0.1',
    doc: 'Address of the admin server (metrics and probes).',
  },
  {
    name: 'admin_port',
    kind: port,
    default: 6567,
    doc: 'Port of the admin server: `/metrics`, `/healthz`, `/readyz`. 0 takes any free port.',
  },
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
  {
    name: 'max_concurrent_streams',
    kind: count(),
    default: 1000,
    unit: 'streams',
    doc: 'Requests that one HTTP/2 connection may have open; further ones wait in the client.',
  },
  {
    name: 'max_concurrent_requests',
    kind: count(),
    default: 1000,
    unit: 'requests',
    doc: 'Requests in work at once over all connections. One more is refused with RESOURCE_EXHAUSTED.',
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
    name: 'plan_cache_bytes',
    kind: bytes,
    default: 32 * MIB,
    unit: 'bytes',
    doc: 'Memory for compiled retrieval plans of the current registry.',
  },
  {
    name: 'registry_poll_ms',
    kind: milliseconds(0),
    default: 1000,
    unit: 'ms',
    doc: 'How often the registry file is looked at for a change (a `stat`). 0 leaves it to `registry.cache_ttl_seconds` alone.',
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
    name: 'lossy_entity_coercion',
    kind: { type: 'boolean' },
    default: false,
    doc: "Whether an entity value may lose digits on its way to the join key's type (1001.7 asks for 1001), as in Feast. Off, such a request is refused.",
  },
  {
    name: 'non_finite_json',
    kind: choice('string', 'null'),
    default: 'string',
    doc: 'NaN and infinities in JSON answers: the strings `"NaN"`, `"Infinity"`, `"-Infinity"`, or null.',
  },
  {
    name: 'redis_username',
    kind: { type: 'text' },
    default: undefined,
    doc: 'User for Redis; takes precedence over `username=` of the connection string.',
  },
  {
    name: 'redis_password',
    kind: { type: 'secret' },
    default: undefined,
    doc: 'Password for Redis; takes precedence over `password=` of the connection string, and may contain commas. Prefer the variable: a flag shows in the process list.',
  },
  {
    name: 'redis_connect_timeout_ms',
    kind: milliseconds(1),
    default: 2000,
    unit: 'ms',
    doc: 'Time to connect to a Redis node; takes precedence over `socket_connect_timeout=` of the connection string.',
  },
  {
    name: 'redis_command_timeout_ms',
    kind: milliseconds(1),
    default: 5000,
    unit: 'ms',
    doc: "Time for a Redis command, beneath the request's own deadline; takes precedence over `socket_timeout=` of the connection string.",
  },
  {
    name: 'redis_tls_ca_file',
    kind: { type: 'file' },
    default: undefined,
    doc: 'PEM file of the authority that signed the certificate of Redis. Setting it turns TLS on.',
  },
  {
    name: 'redis_tls_cert_file',
    kind: { type: 'file' },
    default: undefined,
    doc: "PEM file of the client's certificate. Setting it turns TLS on; needs the key file too.",
  },
  {
    name: 'redis_tls_key_file',
    kind: { type: 'file' },
    default: undefined,
    doc: "PEM file of the client's private key.",
  },
  {
    name: 'redis_tls_servername',
    kind: { type: 'text' },
    default: undefined,
    doc: 'Name that the certificate of Redis has to carry, where it is not the host connected to.',
  },
  {
    name: 'redis_tls_insecure',
    kind: { type: 'boolean' },
    default: false,
    doc: 'Accept any certificate of Redis. For trials only: it gives TLS without knowing whom to.',
  },
  {
    name: 'redis_sentinel_username',
    kind: { type: 'text' },
    default: undefined,
    doc: 'User for the sentinels themselves.',
  },
  {
    name: 'redis_sentinel_password',
    kind: { type: 'secret' },
    default: undefined,
    doc: 'Password for the sentinels themselves; that of the connection string is for the Redis nodes.',
  },
  {
    name: 'redis_sentinel_tls',
    kind: { type: 'boolean' },
    default: false,
    doc: 'Speak TLS with the sentinels as well.',
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

type ValueOf<Kind> = Kind extends { type: 'integer' | 'bytes' | 'utc_offset' }
  ? number
  : Kind extends { type: 'boolean' }
    ? boolean
    : Kind extends { type: 'choice'; choices: readonly (infer Choice)[] }
      ? Choice
      : string;

/** A checked value for every setting; `undefined` where nobody set it and it has no default. UTC offsets in seconds. */
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
