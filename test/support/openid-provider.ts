import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { Provider } from 'oidc-provider';

/** A certified OpenID provider that nobody here wrote (oidc-provider), with clients that have a secret and roles. */
export interface OpenIdProvider {
  readonly discoveryUrl: string;
  readonly issuer: string;
  /** What its tokens are for. */
  readonly audience: string;
  /** A token, got as a client gets it: by its secret from the token endpoint. */
  tokenOf(clientId: string): Promise<string>;
  /** A token that it never gave to anybody, signed with its key: it is good but for what the claims say otherwise. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>;
  close(): Promise<void>;
}

export const CLIENT_SECRET = 'a-secret-that-is-long-enough';
const AUDIENCE = 'https://features.example/';

/** @param rolesOf the clients, and the roles that their tokens say */
export async function startOpenIdProvider(
  rolesOf: Readonly<Record<string, readonly string[]>>,
): Promise<OpenIdProvider> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: 'signing', alg: 'RS256', use: 'sig' };
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: Object.keys(rolesOf).map((clientId) => ({
      client_id: clientId,
      client_secret: CLIENT_SECRET,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post' as const,
    })),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: () => ({
          scope: '',
          audience: AUDIENCE,
          accessTokenTTL: 300,
          accessTokenFormat: 'jwt' as const,
          jwt: { sign: { alg: 'RS256' as const } },
        }),
      },
    },
    jwks: { keys: [key] },
    ttl: { ClientCredentials: 300 },
    extraTokenClaims: (_context, { clientId }) => ({ roles: rolesOf[clientId ?? ''] ?? [] }),
  });
  const answer = provider.callback();
  server.on('request', (request, response) => void answer(request, response));
  return {
    discoveryUrl: `${issuer}/.well-known/openid-configuration`,
    issuer,
    audience: AUDIENCE,
    async tokenOf(clientId) {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: clientId,
          client_secret: CLIENT_SECRET,
        }),
      });
      if (!response.ok) throw new Error(`no token: ${await response.text()}`);
      return ((await response.json()) as { access_token: string }).access_token;
    },
    sign(claims) {
      const now = Math.floor(Date.now() / 1000);
      const usual = { iss: issuer, aud: AUDIENCE, sub: 'somebody', iat: now, exp: now + 300 };
      const { kid, alg } = key;
      const payload: JWTPayload = { ...usual, ...claims };
      return new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(privateKey);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
