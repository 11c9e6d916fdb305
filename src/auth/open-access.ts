import { readFile } from 'node:fs/promises';
import type { Authenticate, Authorize } from '../call/access.ts';
import type { AuthConfig, KubernetesAuthConfig, OidcConfig } from '../config/auth-config.ts';
import { SideboardError } from '../errors.ts';
import type { Audit } from './audit-record.ts';
import { createAuthorizer } from './authorizer.ts';
import { createBearerTokens, type BearerTokens, type VerifyToken } from './bearer-tokens.ts';
import { acceptServers } from './intra-server.ts';
import { openKubernetesApi, type KubernetesApi } from './kubernetes-api.ts';
import { createKubernetesVerifier, createNamespaceVerifier } from './kubernetes-tokens.ts';
import { createOidcVerifier, unprovedClaims } from './oidc-tokens.ts';
import { createProviderKeys } from './provider-keys.ts';
import { unauthenticated } from './auth-errors.ts';

/** Who may do what on one server. */
export interface Access {
  readonly authenticate: Authenticate;
  readonly authorize: Authorize;
  /** Asks whoever vouches for callers whether it is there. @throws SideboardError AUTHENTICATION_UNAVAILABLE */
  probe(): Promise<void>;
}

/**
 * Opens what Feast's `auth` block asks for. Nobody is asked yet: a provider that is down does not keep a server from
 * starting, and lets nobody in.
 *
 * @throws SideboardError INVALID_CONFIGURATION where a file that the configuration names cannot be read
 */
export async function openAccess(config: AuthConfig, audit: Audit): Promise<Access> {
  const authorize = createAuthorizer({ ...config, audit });
  const parts =
    config.kind === 'oidc' ? await openOidc(config, () => tokens) : await openCluster(config);
  const { verify, probe, secretClaim } = parts;
  const tokens: BearerTokens = createBearerTokens({
    ...config,
    verify:
      config.intraServerSecret === undefined
        ? verify
        : acceptServers(config.intraServerSecret, secretClaim, verify),
    audit,
  });
  return { authenticate: tokens.authenticate, authorize, probe };
}

/** One way to find out whose a token is. */
interface Way {
  readonly verify: VerifyToken;
  readonly probe: () => Promise<void>;
  readonly secretClaim: 'preferred_username' | 'sub';
}

async function openOidc(config: OidcConfig, tokens: () => BearerTokens): Promise<Way> {
  const ca =
    config.caFile === undefined ? undefined : await readText(config.caFile, 'auth.ca_cert_path');
  const keys = createProviderKeys({ ...config, ca }, () => tokens().forgetAll());
  const ofProvider = createOidcVerifier(config, keys);
  const ofCluster =
    config.kubernetes === undefined
      ? () => Promise.reject(unauthenticated('tokens of a cluster are not accepted outside of one'))
      : createNamespaceVerifier(await openApi(config.kubernetes, config));
  return {
    verify: (token) => {
      const mark = unprovedClaims(token)?.['kubernetes.io'];
      return typeof mark === 'object' && mark !== null ? ofCluster(token) : ofProvider(token);
    },
    probe: keys.load,
    secretClaim: 'preferred_username',
  };
}

async function openCluster(config: KubernetesAuthConfig): Promise<Way> {
  const api = await openApi(config.kubernetes, config);
  return {
    verify: createKubernetesVerifier(api),
    probe: async () => {
      // What it says of this token does not matter: that it says something does.
      await api.review('probe');
      await api.roleBindings(api.namespace);
    },
    secretClaim: 'sub',
  };
}

async function openApi(
  place: KubernetesAuthConfig['kubernetes'],
  { requestTimeoutMs }: AuthConfig,
): Promise<KubernetesApi> {
  try {
    return await openKubernetesApi(place, requestTimeoutMs);
  } catch (error) {
    const { path, code } = error as NodeJS.ErrnoException;
    throw new SideboardError(
      'INVALID_CONFIGURATION',
      `cannot read ${path} (${code}), which a pod has of its service account; see kubernetes_ca_file and kubernetes_namespace`,
    );
  }
}

async function readText(path: string, key: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SideboardError('INVALID_CONFIGURATION', `${key}: cannot read ${path} (${code})`);
  }
}
