import { SideboardError } from '../errors.ts';

/** `reason` never holds a token or a part of one. */
export function unauthenticated(reason: string): SideboardError {
  return new SideboardError('UNAUTHENTICATED', reason);
}

/** Nobody can be let in or turned away: what would tell them apart does not answer. */
export function authenticationUnavailable(detail: string, cause?: unknown): SideboardError {
  return new SideboardError('AUTHENTICATION_UNAVAILABLE', `cannot authenticate: ${detail}`, {
    cause,
  });
}

export function permissionDenied(reason: string): SideboardError {
  return new SideboardError('PERMISSION_DENIED', reason);
}
