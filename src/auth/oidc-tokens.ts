import { decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose';
import type { OidcConfig } from '../config/auth-config.ts';
import { isSideboardError, type SideboardError } from '../errors.ts';
import { authenticationUnavailable, unauthenticated } from './auth-errors.ts';
import type { VerifyToken } from './bearer-tokens.ts';
import type { ProviderKeys } from './provider-keys.ts';

/** What Feast takes: nothing else, whatever a token says of itself. */
const ALGORITHMS = ['RS256'];
/** How far the clocks of provider and server may be apart, as in Feast. */
const LEEWAY_SECONDS = 10;
/** Where the name of a caller is looked for, as in Feast. */
const NAME_CLAIMS = ['preferred_username', 'upn', 'azp', 'appid', 'sub'] as const;

/** Access tokens of an OpenID provider: signed by one of its keys, in their time, for the audience where one is configured. */
export function createOidcVerifier(
  config: Pick<OidcConfig, 'audience' | 'issuer' | 'clientId'>,
  keys: ProviderKeys,
): VerifyToken {
  return async (token) => {
    const payload = await verified(token, config, keys);
    const { clientId } = config;
    const access = recordOf(payload['resource_access']);
    const clientRoles = clientId === undefined ? [] : textsOf(recordOf(access[clientId])['roles']);
    return {
      name: nameOf(payload),
      roles: [...new Set([...clientRoles, ...textsOf(payload['roles'])])],
      groups: textsOf(payload['groups']),
      namespaces: [],
      isServer: false,
      validUntilMs: (payload.exp! + LEEWAY_SECONDS) * 1000,
    };
  };
}

/** The claims of a token, unproved. `undefined` where it is no token that has claims. */
export function unprovedClaims(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}

async function verified(
  token: string,
  { audience, issuer }: Pick<OidcConfig, 'audience' | 'issuer'>,
  keys: ProviderKeys,
): Promise<JWTPayload> {
  let payload: JWTPayload;
  try {
    ({ payload } = await jwtVerify(token, keys.keyOf, {
      algorithms: ALGORITHMS,
      clockTolerance: LEEWAY_SECONDS,
      requiredClaims: ['exp'],
      ...(audience === undefined ? {} : { audience }),
      ...(issuer === undefined ? {} : { issuer }),
    }));
  } catch (error) {
    throw refusalOf(error);
  }
  if (payload.iat !== undefined && payload.iat > Date.now() / 1000 + LEEWAY_SECONDS) {
    throw unauthenticated('the token was issued in the future (iat)');
  }
  return payload;
}

/** Reasons name claims and never what they hold. */
function refusalOf(error: unknown): SideboardError {
  if (isSideboardError(error)) return error;
  if (error instanceof errors.JWTExpired) return unauthenticated('the token has expired (exp)');
  if (error instanceof errors.JWTClaimValidationFailed) {
    const isEarly = error.claim === 'nbf' && error.reason === 'check_failed';
    return unauthenticated(
      isEarly
        ? 'the token is not valid yet (nbf)'
        : `the claim ${error.claim} of the token ${error.reason === 'missing' ? 'is missing' : 'is not what it has to be'}`,
    );
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return unauthenticated(`the token is not signed with ${ALGORITHMS.join(' or ')}`);
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return unauthenticated('the signature of the token is wrong');
  }
  if (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys
  ) {
    return unauthenticated('the token names no key that its provider has (kid)');
  }
  if (error instanceof errors.JWKSInvalid || error instanceof errors.JWKSTimeout) {
    return authenticationUnavailable('the OpenID provider publishes no keys that can be read');
  }
  if (error instanceof errors.JOSEError) return unauthenticated('the token is not a signed JWT');
  throw error;
}

function nameOf(payload: JWTPayload): string {
  for (const claim of NAME_CLAIMS) {
    const value = payload[claim];
    if (typeof value === 'string') return value;
  }
  throw unauthenticated(`the token names nobody (${NAME_CLAIMS.join(', ')})`);
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
