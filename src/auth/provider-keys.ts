import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import type { OidcConfig } from '../config/auth-config.ts';
import { authenticationUnavailable } from './auth-errors.ts';
import { requestJson } from './request-json.ts';

/** The keys that a provider signs tokens with. */
export interface ProviderKeys {
  /**
   * The key that a token names. Keys are read again when they are older than `jwks_cache_lifespan_seconds`, and when a token
   * names one that is not known, at most every ten seconds.
   *
   * @throws errors of `jose` where there is no such key; SideboardError AUTHENTICATION_UNAVAILABLE
   */
  readonly keyOf: JWTVerifyGetKey;
  /** Reads the keys now. @throws SideboardError AUTHENTICATION_UNAVAILABLE */
  load(): Promise<void>;
}

/** How often unknown keys may make us ask: tokens with made-up ones cost the provider nothing. */
const COOLDOWN_MS = 10_000;

/** Where a provider is, and how long its keys count. */
export interface ProviderOptions extends Pick<
  OidcConfig,
  'discoveryUrl' | 'verifiesCertificate' | 'jwksLifespanMs' | 'staleKeysMs' | 'requestTimeoutMs'
> {
  /** PEM text of the authorities to trust; `undefined` = those that Node trusts. */
  readonly ca: string | undefined;
}

/**
 * Finds the keys of a provider through its discovery document (OpenID Connect Discovery 1.0 section 4), when the first token
 * comes.
 *
 * @param onChange called when the provider publishes other keys than before
 */
export function createProviderKeys(config: ProviderOptions, onChange: () => void): ProviderKeys {
  const ask = async (url: URL): Promise<unknown> => {
    let reply;
    try {
      reply = await requestJson(url, {
        method: 'GET',
        ca: config.ca,
        verifiesCertificate: config.verifiesCertificate,
        timeoutMs: config.requestTimeoutMs,
      });
    } catch (error) {
      throw authenticationUnavailable(`the OpenID provider ${(error as Error).message}`);
    }
    if (reply.status !== 200) {
      throw authenticationUnavailable(
        `the OpenID provider ${url.origin} answers ${reply.status} to GET ${url.pathname}`,
      );
    }
    return reply.body;
  };
  let last: { readonly keys: string; readonly atMs: number } | undefined;
  const fetchKeys = async (url: string): Promise<Response> => {
    let keys: string;
    try {
      keys = JSON.stringify(await ask(new URL(url)));
    } catch (error) {
      // A provider that is away takes nobody with it for a while.
      if (last === undefined || performance.now() - last.atMs > config.staleKeysMs) throw error;
      return new Response(last.keys);
    }
    if (last !== undefined && keys !== last.keys) onChange();
    last = { keys, atMs: performance.now() };
    return new Response(keys);
  };

  type RemoteKeys = ReturnType<typeof createRemoteJWKSet>;
  let keySet: Promise<RemoteKeys> | undefined;
  const discover = async (): Promise<RemoteKeys> => {
    const discoveryUrl = new URL(config.discoveryUrl);
    const document = await ask(discoveryUrl);
    const jwksUrl = jwksUrlOf(document, discoveryUrl);
    return createRemoteJWKSet(jwksUrl, {
      cacheMaxAge: config.jwksLifespanMs,
      cooldownDuration: Math.min(COOLDOWN_MS, config.jwksLifespanMs),
      timeoutDuration: config.requestTimeoutMs,
      [customFetch]: fetchKeys,
    });
  };
  const known = (): Promise<RemoteKeys> => {
    keySet ??= discover().catch((error: unknown) => {
      // The next token tries again.
      keySet = undefined;
      throw error;
    });
    return keySet;
  };
  return {
    keyOf: async (header, token) => (await known())(header, token),
    load: async () => (await known()).reload(),
  };
}

/** @throws SideboardError AUTHENTICATION_UNAVAILABLE */
function jwksUrlOf(document: unknown, discoveryUrl: URL): URL {
  const { jwks_uri: text } = (document ?? {}) as { readonly jwks_uri?: unknown };
  const url = typeof text === 'string' ? URL.parse(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw authenticationUnavailable(`the document at ${discoveryUrl.origin} names no jwks_uri`);
  }
  if (discoveryUrl.protocol === 'https:' && url.protocol !== 'https:') {
    throw authenticationUnavailable(
      `the document at ${discoveryUrl.origin} names a jwks_uri without TLS`,
    );
  }
  return url;
}
