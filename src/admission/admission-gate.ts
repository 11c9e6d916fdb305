import { OverloadedError } from '../errors.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';

/** Callers that are refused together are told to come back at this many different moments. */
const PUSHBACK_COUNT = 16;
/** The advice to come back is renewed so often; counts of what was admitted and refused too. */
const ADVICE_MS = 100;
const SHORTEST_PUSHBACK_MS = 20;
const LONGEST_PUSHBACK_MS = 5000;

/** How strict a gate is. */
export interface AdmissionOptions {
  /** Mean latency up to which nobody is refused, milliseconds; 0 = as soon as requests wait for each other. */
  readonly latencyMs: number;
  /** So many requests in work are never too many. */
  readonly minRequests: number;
  /** So many always are. */
  readonly maxRequests: number;
  /** How long the process has been busy since it started, milliseconds. */
  readonly busyMs: () => number;
}

/** Lets in as many requests as can be answered in time; the others hear so at once. */
export interface AdmissionGate {
  /**
   * Lets a request in, or says why not; one that was let in has to `leave`.
   *
   * @param deadlineAtMs on the clock of `nowMs`; `Infinity` = none
   * @returns `undefined` = it may begin. The error is shared by callers: do not change it.
   */
  enter(nowMs: number, deadlineAtMs: number): OverloadedError | undefined;
  /** @param enteredAtMs `undefined` = its latency says nothing, as of a caller who went away */
  leave(nowMs: number, enteredAtMs: number | undefined): void;
  /** Requests that may be in work at once, now. */
  readonly limit: number;
  /** Refused because too many were in work, and because the answer would have come after the deadline. */
  readonly refusedCount: { readonly limit: number; readonly deadline: number };
}

export function createAdmissionGate(options: AdmissionOptions, nowMs: number): AdmissionGate {
  const { latencyMs, minRequests, maxRequests, busyMs } = options;
  // Before an overload is measured there is no reason to refuse a burst, unless answers may not wait for each other.
  const initial = latencyMs > 0 ? maxRequests : Math.min(Math.max(minRequests, 20), maxRequests);
  const limit = new ConcurrencyLimit(
    {
      initial,
      min: minRequests,
      max: maxRequests,
      latencyMs,
      busyMs,
    },
    nowMs,
  );
  const refusedCount = { limit: 0, deadline: 0 };
  let admittedLately = 0;
  let refusedLately = 0;
  let advice: readonly OverloadedError[] = [];
  let adviceEndsAtMs = nowMs;
  let next = 0;

  /** Errors made before they are needed: under overload they have to cost nothing. */
  const renewAdvice = (now: number): void => {
    adviceEndsAtMs = now + ADVICE_MS;
    // Whoever was refused lately comes back; so long it takes to let them in one by one.
    const wantedMs = (ADVICE_MS * refusedLately) / Math.max(admittedLately, 1);
    advice = Array.from({ length: PUSHBACK_COUNT }, (_, i) => {
      const spread = 0.5 + (i + 0.5) / PUSHBACK_COUNT;
      const pushbackMs = Math.min(Math.max(wantedMs, SHORTEST_PUSHBACK_MS), LONGEST_PUSHBACK_MS);
      return overloaded(Math.floor(limit.current), Math.round(pushbackMs * spread));
    });
    admittedLately = 0;
    refusedLately = 0;
  };

  return {
    enter(now, deadlineAtMs): OverloadedError | undefined {
      if (deadlineAtMs !== Infinity) {
        const expectedMs = limit.expectedMs(now);
        if (now + expectedMs > deadlineAtMs && now < deadlineAtMs) {
          refusedCount.deadline += 1;
          return tooLate(Math.ceil(expectedMs));
        }
      }
      if (limit.tryEnter()) {
        admittedLately += 1;
        return undefined;
      }
      refusedCount.limit += 1;
      refusedLately += 1;
      if (now >= adviceEndsAtMs) renewAdvice(now);
      next = (next + 1) % PUSHBACK_COUNT;
      return advice[next];
    },
    leave: (now, enteredAtMs) => limit.leave(now, enteredAtMs),
    get limit() {
      return Math.floor(limit.current);
    },
    refusedCount,
  };
}

function overloaded(count: number, retryAfterMs: number): OverloadedError {
  return new OverloadedError(
    `the server is overloaded: ${count} requests are in work, which is as many as it can answer in time`,
    retryAfterMs,
  );
}

/** Few whole milliseconds come up again and again. */
const TOO_LATE = new Map<number, OverloadedError>();
const MAX_TOO_LATE = 1000;

function tooLate(expectedMs: number): OverloadedError {
  const key = Math.min(expectedMs, MAX_TOO_LATE);
  let error = TOO_LATE.get(key);
  if (error === undefined) {
    error = new OverloadedError(
      `the server is overloaded: an answer takes ${key} ms now, longer than the deadline allows`,
      key,
    );
    TOO_LATE.set(key, error);
  }
  return error;
}
