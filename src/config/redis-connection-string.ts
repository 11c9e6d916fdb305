import type { RedisConfig, RedisNode } from './config.ts';
import { didYouMean } from '../did-you-mean.ts';
import { booleanFromText } from './setting-value.ts';

/** A connection string taken apart: `host:port` pieces and `name=value` pieces, separated by commas. */
export interface RedisConnectionString {
  readonly nodes: readonly RedisNode[];
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  readonly ssl: boolean;
  /** As written: paths of PEM files. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly verifyCertificate: boolean;
  readonly checkHostname: boolean;
  readonly connectTimeoutMs?: number;
  readonly commandTimeoutMs?: number;
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  readonly sentinelTls: boolean;
  /** Sentences that name neither hosts nor values: a misplaced piece may be part of a password. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

type Draft = { -readonly [K in keyof RedisConnectionString]: RedisConnectionString[K] } & {
  nodes: RedisNode[];
  problems: string[];
  warnings: string[];
};

/** An option's value: as written, and as JSON where it is JSON, which is how Feast reads it. */
interface OptionValue {
  readonly raw: string;
  readonly json: unknown;
}

type OptionReader = (draft: Draft, value: OptionValue) => string | undefined;

const PASSWORD_REMEDY =
  'a password with a comma belongs in sideboard.redis_password or SIDEBOARD_REDIS_PASSWORD';

/** Options of redis-py that this server has a use for. Each returns what is wrong with the value, if anything. */
const READERS: Readonly<Record<string, OptionReader>> = {
  db: (draft, value) => {
    if (!Number.isSafeInteger(value.json) || Number(value.json) < 0)
      return 'must be a whole number, 0 or more';
    draft.database = Number(value.json);
    return undefined;
  },
  username: (draft, value) => setText(value, (text) => (draft.username = text)),
  password: (draft, value) => setText(value, (text) => (draft.password = text)),
  ssl: (draft, value) => setBoolean(value, (flag) => (draft.ssl = flag)),
  ssl_ca_certs: (draft, value) => setText(value, (text) => (draft.caFile = text)),
  ssl_certfile: (draft, value) => setText(value, (text) => (draft.certFile = text)),
  ssl_keyfile: (draft, value) => setText(value, (text) => (draft.keyFile = text)),
  ssl_check_hostname: (draft, value) => setBoolean(value, (flag) => (draft.checkHostname = flag)),
  ssl_cert_reqs: (draft, value) => {
    const word = (typeof value.json === 'string' ? value.json : value.raw).toLowerCase();
    if (!['required', 'optional', 'none', 'null'].includes(word))
      return 'must be required, optional or none';
    draft.verifyCertificate = word === 'required' || word === 'optional';
    return undefined;
  },
  socket_timeout: (draft, value) => setSeconds(value, (ms) => (draft.commandTimeoutMs = ms)),
  socket_connect_timeout: (draft, value) =>
    setSeconds(value, (ms) => (draft.connectTimeoutMs = ms)),
  decode_responses: (_draft, value) =>
    booleanFromText(value.json ?? value.raw) === false
      ? undefined
      : 'must be false: stored values are bytes',
  sentinel_kwargs: readSentinelOptions,
};

/** Options of redis-py that tune its own client: accepted, since Feast accepts them, and without effect here. */
const WITHOUT_EFFECT: readonly string[] = [
  'client_name',
  'cluster_error_retry_attempts',
  'dynamic_startup_nodes',
  'encoding',
  'health_check_interval',
  'lib_name',
  'lib_version',
  'max_connections',
  'min_other_sentinels',
  'protocol',
  'read_from_replicas',
  'reinitialize_steps',
  'require_full_coverage',
  'retry_on_timeout',
  'single_connection_client',
  'skip_full_coverage_check',
  'socket_keepalive',
  'socket_read_size',
];
const KNOWN_OPTIONS = [...Object.keys(READERS), ...WITHOUT_EFFECT];

/**
 * Reads Feast's grammar: pieces between commas; a piece with `=` is an option split at the first `=`, any other is
 * `host:port`, where IPv6 stands in brackets. Never throws: what is wrong is in `problems`.
 */
export function parseRedisConnectionString(
  text: string,
  kind: RedisConfig['kind'],
): RedisConnectionString {
  const draft: Draft = {
    nodes: [],
    database: 0,
    ssl: false,
    verifyCertificate: true,
    checkHostname: true,
    sentinelTls: false,
    problems: [],
    warnings: [],
  };
  let afterPassword = false;
  text.split(',').forEach((piece, index) => {
    const equals = piece.indexOf('=');
    if (equals < 0) readNode(draft, piece.trim(), index + 1, afterPassword);
    else
      readOption(draft, {
        name: piece.slice(0, equals).trim(),
        raw: piece.slice(equals + 1),
        position: index + 1,
        afterPassword,
      });
    afterPassword ||= piece.trimStart().startsWith('password=');
  });
  if (draft.nodes.length === 0) draft.problems.push('no host:port in it');
  if (kind === 'redis_cluster' && draft.database !== 0) {
    draft.problems.push('a Redis Cluster has database 0 only; remove db');
  }
  if (kind === 'redis' && draft.nodes.length > 1) {
    draft.warnings.push(
      'redis_type redis uses the first host only; set redis_type: redis_cluster for a cluster',
    );
  }
  return draft;
}

function readNode(draft: Draft, piece: string, position: number, afterPassword: boolean): void {
  const [, bracketed, bare, portText] =
    /^(?:\[([\da-fA-F:.%\w]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(piece) ?? [];
  const host = bracketed ?? bare;
  const port = Number(portText);
  if (host !== undefined && port >= 1 && port <= 65_535) {
    draft.nodes.push({ host, port });
    return;
  }
  const hint = afterPassword
    ? PASSWORD_REMEDY
    : piece.includes('://')
      ? 'Feast wants host:port, no URL'
      : piece.split(':').length > 2
        ? 'put an IPv6 address in brackets: [::1]:6379'
        : 'write host:port';
  draft.problems.push(`piece ${position} is no host:port; ${hint}`);
}

function readOption(
  draft: Draft,
  option: { name: string; raw: string; position: number; afterPassword: boolean },
): void {
  const { name, raw, position, afterPassword } = option;
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  if (reader !== undefined) {
    const problem = reader(draft, { raw, json: jsonOrUndefined(raw) });
    if (problem !== undefined) draft.problems.push(`option ${name} ${problem}`);
  } else if (WITHOUT_EFFECT.includes(name)) {
    draft.warnings.push(`option ${name} has no effect here`);
  } else if (afterPassword) {
    draft.problems.push(`piece ${position} is no known option; ${PASSWORD_REMEDY}`);
  } else {
    const shown = /^\w{1,40}$/.test(name) ? `option ${name}` : `the option in piece ${position}`;
    draft.problems.push(`${shown} is unknown${didYouMean(name, KNOWN_OPTIONS)}`);
  }
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * JSON text without its quotes, anything else as written: Feast would turn `password=1234` into a number and send its
 * digits, which is the same, but `1e3` as `1000.0`, which is not.
 */
function setText({ raw, json }: OptionValue, set: (text: string) => void): undefined {
  if (json !== null) set(typeof json === 'string' ? json : raw);
}

function setBoolean({ raw, json }: OptionValue, set: (flag: boolean) => void): string | undefined {
  const flag = booleanFromText(json ?? raw);
  if (typeof flag !== 'boolean') return 'must be true or false';
  set(flag);
  return undefined;
}

function setSeconds(
  { raw, json }: OptionValue,
  set: (milliseconds: number) => void,
): string | undefined {
  if (json === null || raw === 'None') return undefined;
  if (typeof json !== 'number' || json <= 0 || json > 2_000_000)
    return 'must be a number of seconds above 0';
  set(Math.max(1, Math.round(json * 1000)));
  return undefined;
}

function readSentinelOptions(draft: Draft, { json }: OptionValue): string | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return 'must be a JSON object';
  for (const [name, value] of Object.entries(json)) {
    if (name === 'username' && typeof value === 'string') draft.sentinelUsername = value;
    else if (name === 'password' && typeof value === 'string') draft.sentinelPassword = value;
    else if (name === 'ssl' && typeof value === 'boolean') draft.sentinelTls = value;
    else return 'may hold username, password (text) and ssl (true or false)';
  }
  return undefined;
}
