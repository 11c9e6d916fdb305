import { resolve } from 'node:path';
import type { AuthConfig, KubernetesPlace } from './auth-config.ts';
import type { ProblemList } from './configuration-error.ts';
import type { Environment } from './expand-environment.ts';
import {
  kubernetesAuthSchema,
  noAuthSchema,
  oidcAuthSchema,
  readBlock,
  type OidcBlock,
} from './feast-schema.ts';
import type { SettingValues } from './settings.ts';
import { isPlainRecord } from './yaml-source.ts';

/** Where a pod finds its own service account. */
const POD = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Of the API server; Feast's client for it has no limit. */
const KUBERNETES_TIMEOUT_MS = 10_000;
const REFUSED = { unknownKeys: 'refuse', path: ['auth'] } as const;

/** What the block is read beside. */
export interface AuthContext {
  readonly repoPath: string;
  readonly values: SettingValues;
  readonly env: Environment;
}

/**
 * Feast's `auth` block. Whatever cannot be enforced is refused: serving without the checks that an operator configured would
 * open what they closed.
 *
 * @returns `undefined` = everybody may do everything, or the block is wrong; `problems` says which.
 */
export function readAuth(
  value: unknown,
  context: AuthContext,
  problems: ProblemList,
): AuthConfig | undefined {
  if (value === undefined || value === null) return undefined;
  const block = typeof value === 'string' ? { type: value } : value;
  if (!isPlainRecord(block)) {
    problems.addAt(['auth'], 'auth must be a mapping of keys, such as "type: no_auth"');
    return undefined;
  }
  switch (block['type']) {
    case 'no_auth':
      readBlock(noAuthSchema, block, REFUSED, problems);
      return undefined;
    case 'oidc': {
      const oidc = readBlock(oidcAuthSchema, block, REFUSED, problems);
      return oidc && readOidc(oidc, context, problems);
    }
    case 'kubernetes':
      readBlock(kubernetesAuthSchema, block, { ...REFUSED, unknownKeys: 'warn' }, problems);
      return readKubernetes(context, problems);
    case undefined:
    case null:
      problems.addAt(['auth', 'type'], 'auth.type is missing; Feast refuses that too');
      return undefined;
    case 'oidc_client':
      problems.addAt(
        ['auth', 'type'],
        'auth type oidc_client is for clients; a server needs oidc with auth_discovery_url',
      );
      return undefined;
    default:
      problems.addAt(['auth', 'type'], 'auth.type must be one of no_auth, oidc, kubernetes');
      return undefined;
  }
}

function readOidc(
  block: OidcBlock,
  context: AuthContext,
  problems: ProblemList,
): AuthConfig | undefined {
  const discoveryUrl = URL.parse(block.auth_discovery_url);
  if (discoveryUrl === null || !/^https?:$/.test(discoveryUrl.protocol)) {
    problems.addAt(
      ['auth', 'auth_discovery_url'],
      'auth.auth_discovery_url has to be the URL of a discovery document: https://…/.well-known/openid-configuration',
    );
    return undefined;
  }
  warnOfOidc(block, discoveryUrl, problems);
  return {
    kind: 'oidc',
    ...readTokens(context, block.jwks_request_timeout_seconds * 1000, problems),
    discoveryUrl: discoveryUrl.href,
    clientId: block.client_id ?? undefined,
    audience: block.audience ?? undefined,
    issuer: block.issuer ?? undefined,
    caFile: block.ca_cert_path === '' ? undefined : resolve(context.repoPath, block.ca_cert_path),
    verifiesCertificate: block.verify_ssl,
    jwksLifespanMs: block.jwks_cache_lifespan_seconds * 1000,
    staleKeysMs: context.values.oidc_stale_keys_ms,
    kubernetes: findCluster(context, problems),
  };
}

function warnOfOidc(block: OidcBlock, { protocol }: URL, problems: ProblemList): void {
  if (block.audience == null) {
    problems.warnAt(
      ['auth'],
      'auth.audience is not set: tokens that the provider issued for any other service are accepted too',
    );
  }
  if (!block.verify_ssl) {
    problems.warnAt(
      ['auth', 'verify_ssl'],
      'auth.verify_ssl is false: whoever is between this server and the provider can let in anybody; use ca_cert_path',
    );
  }
  if (protocol === 'http:') {
    problems.warnAt(
      ['auth', 'auth_discovery_url'],
      'auth.auth_discovery_url has no TLS: whoever is between this server and the provider can let in anybody',
    );
  }
}

function readKubernetes(context: AuthContext, problems: ProblemList): AuthConfig | undefined {
  const kubernetes = findCluster(context, problems);
  if (kubernetes === undefined) {
    problems.addAt(
      ['auth', 'type'],
      'auth type kubernetes works inside of a cluster; elsewhere set kubernetes_api_url, kubernetes_ca_file, kubernetes_token_file and kubernetes_namespace',
    );
    return undefined;
  }
  return {
    kind: 'kubernetes',
    ...readTokens(context, KUBERNETES_TIMEOUT_MS, problems),
    kubernetes,
  };
}

/** The cluster that is named, or that we run in, as it announces itself to every pod; `undefined` = there is none. */
function findCluster(
  { values, env, repoPath }: AuthContext,
  problems: ProblemList,
): KubernetesPlace | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  const announced =
    host === undefined || host === ''
      ? undefined
      : `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const text = values.kubernetes_api_url ?? announced;
  if (text === undefined) return undefined;
  const apiUrl = URL.parse(text);
  if (apiUrl?.protocol !== 'https:') {
    problems.addAt(
      ['sideboard', 'kubernetes_api_url'],
      'kubernetes_api_url has to be https://host:port',
    );
    return undefined;
  }
  const path = (setting: string | undefined, name: string): string =>
    setting === undefined ? `${POD}/${name}` : resolve(repoPath, setting);
  return {
    apiUrl: apiUrl.origin,
    caFile: path(values.kubernetes_ca_file, 'ca.crt'),
    tokenFile: path(values.kubernetes_token_file, 'token'),
    namespace: values.kubernetes_namespace,
    namespaceFile: `${POD}/namespace`,
  };
}

function readTokens(
  { values, env }: AuthContext,
  requestTimeoutMs: number,
  problems: ProblemList,
): Omit<Extract<AuthConfig, { kind: 'kubernetes' }>, 'kind' | 'kubernetes'> {
  const intraServerSecret = env['INTRA_COMMUNICATION_BASE64'] || undefined;
  if (intraServerSecret !== undefined) {
    problems.warnings.push(
      'INTRA_COMMUNICATION_BASE64 is set: whoever knows it may do everything, with a token that nobody signed; unset it unless other servers of Feast call this one',
    );
  }
  return {
    maxTokenBytes: values.max_token_bytes,
    cacheMs: values.token_cache_ms,
    maxCachedTokens: values.token_cache_entries,
    requestTimeoutMs,
    requiredTags: values.permission_tags,
    withoutPermissions: values.without_permissions,
    intraServerSecret,
  };
}
