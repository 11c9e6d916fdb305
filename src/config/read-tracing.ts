import { accessSync, constants } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { TracingConfig } from './config.ts';
import type { ProblemList } from './configuration-error.ts';
import type { Environment } from './expand-environment.ts';
import { otlpVariable, readReceiver, type OtlpReceiver } from './read-otlp-receiver.ts';
import { integerFromText, ratioFromText } from './setting-value.ts';
import type { SettingValues } from './settings.ts';

const DEFAULT_RATIO = 0.01;
const DEFAULT_TIMEOUT_MS = 10_000;
/** What gRPC lets metadata be made of (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
const METADATA_NAME = /^[\w.-]+$/;
const METADATA_VALUE = /^[ -~]*$/;

/**
 * Where traces go: our settings, then OpenTelemetry's variables
 * (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
 */
export function readTracing(
  values: SettingValues,
  env: Environment,
  problems: ProblemList,
): TracingConfig | undefined {
  const receiver = readReceiver(values, env, problems);
  if (receiver === undefined) return undefined;
  const timeoutMs = integerFromText(otlpVariable(env, 'TIMEOUT'));
  return {
    ...receiver,
    headers: readHeaders(values, env, receiver, problems),
    timeoutMs: typeof timeoutMs === 'number' && timeoutMs > 0 ? timeoutMs : DEFAULT_TIMEOUT_MS,
    compression: readCompression(env, problems),
    tls: readTls(env, receiver, problems),
    ...readSampler(values, env, problems),
    propagators: readPropagators(env, problems),
    resource: {
      'host.name': hostname(),
      ...readPairs(env['OTEL_RESOURCE_ATTRIBUTES'] ?? '', 'OTEL_RESOURCE_ATTRIBUTES', problems),
      ...(env['OTEL_SERVICE_NAME'] ? { 'service.name': env['OTEL_SERVICE_NAME'] } : {}),
    },
  };
}

function readHeaders(
  values: SettingValues,
  env: Environment,
  { protocol }: OtlpReceiver,
  problems: ProblemList,
): Readonly<Record<string, string>> {
  const text = values.otlp_headers ?? otlpVariable(env, 'HEADERS') ?? '';
  const where = values.otlp_headers === undefined ? 'OTEL_EXPORTER_OTLP_HEADERS' : 'otlp_headers';
  const headers = readPairs(text, where, problems);
  const isMetadata = ([name, value]: [string, string]): boolean =>
    METADATA_NAME.test(name) && METADATA_VALUE.test(value);
  if (protocol === 'grpc' && !Object.entries(headers).every(isMetadata)) {
    problems.addFrom(
      where,
      'must be names of letters, digits, "-", "_" and "." with values in ASCII, which is what gRPC can send',
    );
  }
  return headers;
}

function readTls(
  env: Environment,
  { url }: OtlpReceiver,
  problems: ProblemList,
): TracingConfig['tls'] {
  const caFile = readFile('CERTIFICATE', env, problems);
  const certFile = readFile('CLIENT_CERTIFICATE', env, problems);
  const keyFile = readFile('CLIENT_KEY', env, problems);
  if (url.startsWith('https:') && (certFile === undefined) !== (keyFile === undefined)) {
    const [given, missing] =
      keyFile === undefined
        ? ['CLIENT_CERTIFICATE', 'CLIENT_KEY']
        : ['CLIENT_KEY', 'CLIENT_CERTIFICATE'];
    problems.addFrom(
      `OTEL_EXPORTER_OTLP_${given}`,
      `needs OTEL_EXPORTER_OTLP_${missing} beside it`,
    );
  }
  return { caFile, certFile, keyFile };
}

function readCompression(env: Environment, problems: ProblemList): 'none' | 'gzip' {
  const name = otlpVariable(env, 'COMPRESSION') ?? 'none';
  if (name === 'gzip' || name === 'none') return name;
  problems.warnings.push(
    `OTEL_EXPORTER_OTLP_COMPRESSION ${name} is not known here, only gzip and none; nothing is compressed`,
  );
  return 'none';
}

/** The path of a file that can be read, absolute. */
function readFile(name: string, env: Environment, problems: ProblemList): string | undefined {
  const named = otlpVariable(env, name);
  if (named === undefined) return undefined;
  const path = resolve(named);
  try {
    accessSync(path, constants.R_OK);
  } catch {
    problems.addFrom(`OTEL_EXPORTER_OTLP_${name}`, `cannot be read: ${path}`);
  }
  return path;
}

/** `a=1,b=2` with percent-encoded values, as W3C Baggage has them. */
function readPairs(text: string, where: string, problems: ProblemList): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const at = part.indexOf('=');
    const name = part.slice(0, at).trim();
    try {
      if (at < 1 || name === '') throw new URIError('no name');
      pairs[name] = decodeURIComponent(part.slice(at + 1).trim());
    } catch {
      problems.addFrom(
        where,
        'must be name=value pairs separated by commas, values percent-encoded',
      );
      break;
    }
  }
  return pairs;
}

const PROPAGATORS = ['tracecontext', 'b3', 'b3multi'] as const;
/** Nothing of ours is called by requests that are traced, to which baggage could be handed on. */
const IDLE_PROPAGATORS: readonly string[] = ['baggage', 'none'];

function readPropagators(env: Environment, problems: ProblemList): TracingConfig['propagators'] {
  const names = (env['OTEL_PROPAGATORS'] || PROPAGATORS[0]).split(',').map((name) => name.trim());
  const unknown = names.filter(
    (name) => !PROPAGATORS.some((known) => known === name) && !IDLE_PROPAGATORS.includes(name),
  );
  if (unknown.length > 0) {
    problems.warnings.push(
      `OTEL_PROPAGATORS ${unknown.join(', ')} is not known here, only ${PROPAGATORS.join(', ')}; traces that callers hand on so are not continued`,
    );
  }
  return names.flatMap((name) => PROPAGATORS.filter((known) => known === name));
}

type Sampler = Pick<TracingConfig, 'ratio' | 'followsCaller'>;

function readSampler(values: SettingValues, env: Environment, problems: ProblemList): Sampler {
  const name = env['OTEL_TRACES_SAMPLER'] || undefined;
  if (values.trace_ratio !== undefined || name === undefined) {
    return { ratio: values.trace_ratio ?? DEFAULT_RATIO, followsCaller: true };
  }
  const followsCaller = name.startsWith('parentbased_');
  switch (name.replace('parentbased_', '')) {
    case 'always_on':
      return { ratio: 1, followsCaller };
    case 'always_off':
      return { ratio: 0, followsCaller };
    case 'traceidratio': {
      const ratio = ratioFromText(env['OTEL_TRACES_SAMPLER_ARG'] || 1);
      if (typeof ratio === 'number' && ratio <= 1) return { ratio, followsCaller };
      problems.addFrom('OTEL_TRACES_SAMPLER_ARG', 'must be a number from 0 to 1');
      break;
    }
    default:
      problems.warnings.push(
        `OTEL_TRACES_SAMPLER ${name} is not known here; trace_ratio ${DEFAULT_RATIO} is taken`,
      );
  }
  return { ratio: DEFAULT_RATIO, followsCaller: true };
}
