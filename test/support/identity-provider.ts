import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK,
  type JWTPayload,
} from 'jose';

/** What a provider does when it is asked for its keys. */
export type ProviderMood = 'well' | 'failing' | 'silent' | 'huge' | 'gibberish' | 'empty';

/** An OpenID provider of a test: real keys, a real port, and tokens of every kind. */
export interface IdentityProvider {
  readonly issuer: string;
  readonly discoveryUrl: string;
  /** The key that it signs with now. */
  readonly key: SigningKey;
  mood: ProviderMood;
  /** How often it was asked for its keys. */
  readonly keyRequestCount: number;
  /** A good token with these claims on top, or instead: `undefined` leaves one out. */
  token(claims?: Readonly<Record<string, unknown>>, key?: SigningKey): Promise<string>;
  /** Signs with a new key from now on, and publishes that alone. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

export const AUDIENCE = 'feast-feature-server';

export async function createSigningKey(keyId: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid: keyId, alg: 'RS256', use: 'sig' };
  return { keyId, privateKey, publicJwk };
}

export async function startIdentityProvider(): Promise<IdentityProvider> {
  let key = await createSigningKey('key-1');
  let keyRequestCount = 0;
  let rotations = 1;
  const server = createServer((request, response) => {
    if (request.url === '/.well-known/openid-configuration') {
      sendJson(response, { issuer: provider.issuer, jwks_uri: `${provider.issuer}/keys` });
    } else {
      keyRequestCount += 1;
      sendKeys(response, provider.mood, key.publicJwk);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: IdentityProvider = {
    issuer,
    discoveryUrl: `${issuer}/.well-known/openid-configuration`,
    get key() {
      return key;
    },
    mood: 'well',
    get keyRequestCount() {
      return keyRequestCount;
    },
    token: (claims = {}, by = key) => signToken(issuer, by, claims),
    async rotate() {
      rotations += 1;
      key = await createSigningKey(`key-${rotations}`);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return provider;
}

function signToken(
  issuer: string,
  { keyId, privateKey }: SigningKey,
  claims: Readonly<Record<string, unknown>>,
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const payload = Object.fromEntries(
    Object.entries({
      iss: issuer,
      aud: AUDIENCE,
      sub: 'somebody',
      iat: now,
      exp: now + 300,
      ...claims,
    }).filter(([, value]) => value !== undefined),
  ) as JWTPayload;
  return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: keyId }).sign(privateKey);
}

function sendKeys(response: ServerResponse, mood: ProviderMood, key: JWK): void {
  switch (mood) {
    case 'well':
      return sendJson(response, { keys: [key] });
    case 'empty':
      return sendJson(response, { keys: [] });
    case 'failing':
      response.writeHead(500).end('{}');
      return;
    case 'gibberish':
      response.end('<html>');
      return;
    case 'huge':
      return sendJson(response, { keys: [key], padding: 'x'.repeat(2 * 1024 * 1024) });
    case 'silent':
  }
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}
