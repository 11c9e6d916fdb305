import type { Config } from './config.ts';

const SECRETS: readonly string[] = [
  'password',
  'sentinelPassword',
  'ca',
  'cert',
  'key',
  'token',
  'intraServerSecret',
  'accountKey',
  'headers',
];

/** The configuration for logs and `sideboard check`: plain data in which every secret reads `[redacted]`. */
export function describeConfig(config: Config): Record<string, unknown> {
  const { warnings: _, ...rest } = config;
  return redact(rest) as Record<string, unknown>;
}

function redact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      SECRETS.includes(name) && inner !== undefined ? '[redacted]' : redact(inner),
    ]),
  );
}
