import { milliseconds, type Setting } from './setting.ts';

/** How to reach Redis, besides the connection string. */
export const REDIS_SETTINGS = [
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
] as const satisfies readonly Setting[];
