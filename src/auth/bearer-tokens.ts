import type { AskingCall, Authenticate, Caller } from '../call/access.ts';
import { isSideboardError, OverloadedError, type SideboardError } from '../errors.ts';
import type { Audit } from './audit-record.ts';
import { unauthenticated } from './auth-errors.ts';

/** Finds out whose a token is. Rejects with UNAUTHENTICATED where it is nobody's. */
export type VerifyToken = (token: string) => Promise<Caller>;

/** How tokens are remembered. */
export interface BearerTokensOptions {
  readonly verify: VerifyToken;
  readonly maxTokenBytes: number;
  /** How long a token that was found good is taken without asking again. */
  readonly cacheMs: number;
  /** Tokens that are remembered; beyond them those that came first are forgotten. */
  readonly maxCachedTokens: number;
  readonly audit: Audit;
}

/** The tokens of the header `authorization`. */
export interface BearerTokens {
  readonly authenticate: Authenticate;
  /** Asks about every token again: what vouched for them has changed. */
  forgetAll(): void;
}

interface KnownToken {
  readonly caller: Caller;
  /** Milliseconds since the epoch. */
  readonly untilMs: number;
}

interface RefusedToken {
  readonly error: SideboardError;
  readonly untilMs: number;
}

/** A bad token is bad again for so long: whoever repeats it costs nobody anything. */
const REFUSED_MS = 5_000;
const MAX_REFUSED_TOKENS = 1_000;
/** Tokens that are being looked at; while so many are, others are turned away. */
const MAX_PENDING = 256;
const RETRY_AFTER_MS = 1_000;

/** RFC 6750 section 2.1; the scheme in any case, the token any visible ASCII. */
const BEARER = /^bearer +([\u0021-\u007e]+) *$/i;

const NO_CREDENTIALS = unauthenticated(
  'credentials are missing; send "authorization: Bearer <token>"',
);
const NO_BEARER = unauthenticated('the authorization header is not of the form "Bearer <token>"');

/**
 * Finds out who asks, looking at each token once: what is known of a token is found by the header as it came, so that all
 * but the first request of a caller wait for nothing.
 */
export function createBearerTokens(options: BearerTokensOptions): BearerTokens {
  const { verify, maxTokenBytes, cacheMs, maxCachedTokens, audit } = options;
  const known = new Map<string, KnownToken>();
  const refused = new Map<string, RefusedToken>();
  const pending = new Map<string, Promise<Caller>>();
  let generation = 0;

  const refuse = (error: SideboardError, call: AskingCall): SideboardError => {
    audit({ decision: 'denied', what: 'authentication', reason: error.message }, call);
    return error;
  };
  /** Each call that is refused is on record, also where one look was for several. */
  const onRecord = async (asked: Promise<Caller>, call: AskingCall): Promise<Caller> => {
    try {
      return await asked;
    } catch (error) {
      throw isRefusal(error) ? refuse(error, call) : error;
    }
  };
  const look = async (header: string, token: string): Promise<Caller> => {
    const begunIn = generation;
    try {
      const caller = await verify(token);
      // Keys that have changed meanwhile may not vouch for it any more.
      if (begunIn === generation) {
        const untilMs = Math.min(Date.now() + cacheMs, caller.validUntilMs);
        keep(known, header, { caller, untilMs }, maxCachedTokens);
      }
      return caller;
    } catch (error) {
      if (isRefusal(error)) {
        keep(refused, header, { error, untilMs: Date.now() + REFUSED_MS }, MAX_REFUSED_TOKENS);
      }
      throw error;
    } finally {
      pending.delete(header);
    }
  };

  return {
    authenticate(call) {
      const header = call.metadata('authorization');
      if (header === undefined) throw refuse(NO_CREDENTIALS, call);
      const found = known.get(header);
      if (found !== undefined && Date.now() < found.untilMs) return found.caller;
      if (header.length > maxTokenBytes) {
        throw refuse(
          unauthenticated(`the token has more than ${maxTokenBytes} bytes (max_token_bytes)`),
          call,
        );
      }
      const refusal = refused.get(header);
      if (refusal !== undefined && Date.now() < refusal.untilMs) throw refuse(refusal.error, call);
      const token = BEARER.exec(header)?.[1];
      if (token === undefined) throw refuse(NO_BEARER, call);
      const underWay = pending.get(header);
      if (underWay !== undefined) return onRecord(underWay, call);
      if (pending.size >= MAX_PENDING) {
        throw new OverloadedError(
          `${MAX_PENDING} tokens are being looked at already`,
          RETRY_AFTER_MS,
        );
      }
      const caller = look(header, token);
      pending.set(header, caller);
      return onRecord(caller, call);
    },
    forgetAll() {
      generation += 1;
      known.clear();
      refused.clear();
    },
  };
}

/** A token that proves nothing, unlike one that nobody could look at. */
function isRefusal(error: unknown): error is SideboardError {
  return isSideboardError(error) && error.code === 'UNAUTHENTICATED';
}

/** Adds an entry as the newest, and drops the oldest where there are too many. */
function keep<T>(entries: Map<string, T>, name: string, entry: T, maxEntries: number): void {
  entries.delete(name);
  entries.set(name, entry);
  if (entries.size <= maxEntries) return;
  for (const oldest of entries.keys()) {
    entries.delete(oldest);
    return;
  }
}
