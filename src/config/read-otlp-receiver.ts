import type { TracingConfig } from './config.ts';
import type { ProblemList } from './configuration-error.ts';
import type { Environment } from './expand-environment.ts';
import type { SettingValues } from './settings.ts';
import { OTLP_PROTOCOLS } from './tracing-settings.ts';

/** Who takes traces, and how it is spoken to. */
export type OtlpReceiver = Pick<TracingConfig, 'protocol' | 'url'>;

type OtlpProtocol = OtlpReceiver['protocol'];

/** Added to a base URL. */
const PATH = 'v1/traces';
const DEFAULT_PROTOCOL = 'http/protobuf';
/** Ports that receivers have by custom, and what is not spoken there. */
const FOREIGN_PORTS = { grpc: '4318', 'http/protobuf': '4317', 'http/json': '4317' } as const;

/** A variable for traces alone wins over the one for all that OTLP carries; an empty one is none. */
export function otlpVariable(env: Environment, name: string): string | undefined {
  return env[`OTEL_EXPORTER_OTLP_TRACES_${name}`] || env[`OTEL_EXPORTER_OTLP_${name}`] || undefined;
}

/** Of our settings, or else of OpenTelemetry's variables; `undefined` = nothing is to be traced. */
export function readReceiver(
  values: SettingValues,
  env: Environment,
  problems: ProblemList,
): OtlpReceiver | undefined {
  const endpoint = findEndpoint(values, env, problems);
  if (endpoint === undefined) return undefined;
  const protocol = values.otlp_protocol ?? readProtocol(env, problems);
  const isInsecure = otlpVariable(env, 'INSECURE')?.trim().toLowerCase() === 'true';
  const url =
    protocol === 'grpc' ? grpcUrl(endpoint, isInsecure, problems) : httpUrl(endpoint, problems);
  if (url === undefined) return undefined;
  if (URL.parse(url)?.port === FOREIGN_PORTS[protocol]) {
    problems.warnings.push(
      `${endpoint.where} names port ${FOREIGN_PORTS[protocol]}, where ${protocol === 'grpc' ? 'HTTP' : 'gRPC'} is spoken as a rule; traces are sent by ${protocol} (otlp_protocol)`,
    );
  }
  return { protocol, url };
}

/** What somebody named as the receiver. */
interface Endpoint {
  readonly text: string;
  /** The setting or variable. */
  readonly where: string;
  /** Of all that OTLP carries: over HTTP each kind has a path of its own. */
  readonly isBase: boolean;
}

function findEndpoint(
  values: SettingValues,
  env: Environment,
  problems: ProblemList,
): Endpoint | undefined {
  if (values.otlp_endpoint !== undefined) {
    return { text: values.otlp_endpoint, where: 'otlp_endpoint', isBase: true };
  }
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined;
  const names = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const;
  const where = names.find((name) => env[name]);
  if (where === undefined) return undefined;
  const exporter = env['OTEL_TRACES_EXPORTER'] || 'otlp';
  if (exporter === 'none') return undefined;
  if (exporter !== 'otlp') {
    problems.warnings.push(
      `nothing is traced: the exporter ${exporter} is not known here, only otlp; set otlp_endpoint to where OTLP is taken`,
    );
    return undefined;
  }
  return { text: env[where]!, where, isBase: where === 'OTEL_EXPORTER_OTLP_ENDPOINT' };
}

function readProtocol(env: Environment, problems: ProblemList): OtlpProtocol {
  const name = otlpVariable(env, 'PROTOCOL')?.trim() ?? DEFAULT_PROTOCOL;
  const known = OTLP_PROTOCOLS.find((protocol) => protocol === name);
  if (known === undefined) {
    problems.warnings.push(
      `OTEL_EXPORTER_OTLP_PROTOCOL ${name} is not known here, only ${OTLP_PROTOCOLS.join(', ')}; traces are sent by ${DEFAULT_PROTOCOL}`,
    );
  }
  return known ?? DEFAULT_PROTOCOL;
}

function httpUrl({ text, where, isBase }: Endpoint, problems: ProblemList): string | undefined {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    problems.addFrom(where, 'must be a URL such as http://collector:4318');
    return undefined;
  }
  if (!isAnonymous(url, where, problems)) return undefined;
  if (isBase) url.pathname = `${url.pathname.replace(/\/$/, '')}/${PATH}`;
  return url.href;
}

/**
 * The scheme says whether there is TLS; an address without one has it unless `INSECURE` says otherwise
 * (https://opentelemetry.io/docs/specs/otel/protocol/exporter/). A unix socket has none.
 *
 * @returns scheme, host and port, or `unix:` and a path
 */
function grpcUrl(
  { text, where }: Endpoint,
  isInsecure: boolean,
  problems: ProblemList,
): string | undefined {
  const address = text.trim().replace(/^dns:(?:\/\/\/)?/, '');
  const hasScheme = /^(?:[a-z][a-z\d+.-]*:\/\/|unix:)/i.test(address);
  const url = URL.parse(hasScheme ? address : `${isInsecure ? 'http' : 'https'}://${address}`);
  if (url?.protocol === 'unix:' && url.hostname === '' && url.pathname !== '') {
    return `unix:${url.pathname}`;
  }
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    problems.addFrom(where, 'must be a URL or an address such as http://collector:4317');
    return undefined;
  }
  if (!isAnonymous(url, where, problems)) return undefined;
  if (url.pathname !== '/') {
    problems.warnings.push(`${where} has the path ${url.pathname}, which gRPC has no use for`);
  }
  return url.origin;
}

function isAnonymous(url: URL, where: string, problems: ProblemList): boolean {
  if (url.username === '' && url.password === '') return true;
  problems.addFrom(where, 'may not hold a user or a password; give them as otlp_headers');
  return false;
}
