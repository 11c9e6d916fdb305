import { accessSync, constants } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { TracingConfig } from './config.ts';
import type { ProblemList } from './configuration-error.ts';
import type { Environment } from './expand-environment.ts';
import { integerFromText, ratioFromText } from './setting-value.ts';
import type { SettingValues } from './settings.ts';

const DEFAULT_RATIO = 0.01;
const DEFAULT_TIMEOUT_MS = 10_000;
const PATH = 'v1/traces';

/**
 * Where traces go: our settings, then OpenTelemetry's variables
 * (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
 */
export function readTracing(
  values: SettingValues,
  env: Environment,
  problems: ProblemList,
): TracingConfig | undefined {
  const url = findUrl(values, env, problems);
  if (url === undefined) return undefined;
  const headers = values.otlp_headers ?? otlpVariable(env, 'HEADERS') ?? '';
  const headersFrom =
    values.otlp_headers === undefined ? 'OTEL_EXPORTER_OTLP_HEADERS' : 'otlp_headers';
  const timeoutMs = integerFromText(otlpVariable(env, 'TIMEOUT'));
  return {
    url,
    headers: readPairs(headers, headersFrom, problems),
    timeoutMs: typeof timeoutMs === 'number' && timeoutMs > 0 ? timeoutMs : DEFAULT_TIMEOUT_MS,
    compression: readCompression(env, problems),
    tls: {
      caFile: readFile('CERTIFICATE', env, problems),
      certFile: readFile('CLIENT_CERTIFICATE', env, problems),
      keyFile: readFile('CLIENT_KEY', env, problems),
    },
    ...readSampler(values, env, problems),
    resource: {
      'host.name': hostname(),
      ...readPairs(env['OTEL_RESOURCE_ATTRIBUTES'] ?? '', 'OTEL_RESOURCE_ATTRIBUTES', problems),
      ...(env['OTEL_SERVICE_NAME'] ? { 'service.name': env['OTEL_SERVICE_NAME'] } : {}),
    },
  };
}

/** A variable for traces alone wins over the one for all that OTLP carries; an empty one is none. */
function otlpVariable(env: Environment, name: string): string | undefined {
  return env[`OTEL_EXPORTER_OTLP_TRACES_${name}`] || env[`OTEL_EXPORTER_OTLP_${name}`] || undefined;
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

function findUrl(
  values: SettingValues,
  env: Environment,
  problems: ProblemList,
): string | undefined {
  if (values.otlp_endpoint !== undefined) {
    return checkedUrl(values.otlp_endpoint, 'otlp_endpoint', problems, PATH);
  }
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined;
  const forTraces = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'];
  const forAll = env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  if (!forTraces && !forAll) return undefined;
  const exporter = env['OTEL_TRACES_EXPORTER'] || 'otlp';
  if (exporter === 'none') return undefined;
  const protocol = otlpVariable(env, 'PROTOCOL') ?? 'http/protobuf';
  if (exporter !== 'otlp' || protocol !== 'http/protobuf') {
    const what = exporter === 'otlp' ? `OTLP over ${protocol}` : `the exporter ${exporter}`;
    problems.warnings.push(
      `nothing is traced: ${what} is not spoken, only OTLP over http/protobuf; set otlp_endpoint to where that is taken (port 4318 of OpenTelemetry's Collector)`,
    );
    return undefined;
  }
  if (forTraces) return checkedUrl(forTraces, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', problems);
  return checkedUrl(forAll!, 'OTEL_EXPORTER_OTLP_ENDPOINT', problems, PATH);
}

function checkedUrl(
  text: string,
  where: string,
  problems: ProblemList,
  path?: string,
): string | undefined {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    problems.addFrom(where, 'must be a URL such as http://collector:4318');
    return undefined;
  }
  if (url.username !== '' || url.password !== '') {
    problems.addFrom(where, 'may not hold a user or a password; give them as otlp_headers');
    return undefined;
  }
  if (path !== undefined) url.pathname = `${url.pathname.replace(/\/$/, '')}/${path}`;
  return url.href;
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
