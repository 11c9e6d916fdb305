import { OverloadedError } from '../errors.ts';

/** Callers that are refused together are told to come back at this many different moments. */
const PUSHBACK_COUNT = 16;
/** The advice to come back is renewed so often; counts of what was admitted and refused too. */
const ADVICE_MS = 100;
const SHORTEST_PUSHBACK_MS = 20;
const LONGEST_PUSHBACK_MS = 5000;
/** A message for every whole millisecond up to this. */
const MAX_TOO_LATE_MS = 1000;

/** What those who are refused are told. The errors are made before they are needed: under overload they have to cost nothing. */
export class Refusals {
  /** Refused because too many were there before, and because the answer would have come after the deadline. */
  readonly counts: { limit: number; deadline: number } = { limit: 0, deadline: 0 };
  private admittedLately = 0;
  private refusedLately = 0;
  private advice: readonly OverloadedError[] = [];
  private adviceEndsAtMs = 0;
  private next = 0;
  private readonly tooLates = new Map<number, OverloadedError>();

  /** Somebody was let in. */
  admitted(): void {
    this.admittedLately += 1;
  }

  /** @param limit how many may be in work */
  tooMany(nowMs: number, limit: number): OverloadedError {
    this.counts.limit += 1;
    this.refusedLately += 1;
    if (nowMs >= this.adviceEndsAtMs) this.renewAdvice(nowMs, limit);
    this.next = (this.next + 1) % PUSHBACK_COUNT;
    return this.advice[this.next]!;
  }

  /** Few whole milliseconds come up again and again. */
  tooLate(expectedMs: number): OverloadedError {
    this.counts.deadline += 1;
    const key = Math.min(Math.ceil(expectedMs), MAX_TOO_LATE_MS);
    let error = this.tooLates.get(key);
    if (error === undefined) {
      error = new OverloadedError(
        `the server is overloaded: an answer takes ${key} ms now, longer than the deadline allows`,
        key,
      );
      this.tooLates.set(key, error);
    }
    return error;
  }

  private renewAdvice(nowMs: number, limit: number): void {
    this.adviceEndsAtMs = nowMs + ADVICE_MS;
    // Whoever was refused lately comes back; so long it takes to let them in one by one.
    const wantedMs = (ADVICE_MS * this.refusedLately) / Math.max(this.admittedLately, 1);
    const pushbackMs = Math.min(Math.max(wantedMs, SHORTEST_PUSHBACK_MS), LONGEST_PUSHBACK_MS);
    this.advice = Array.from({ length: PUSHBACK_COUNT }, (_, i) => {
      const spread = 0.5 + (i + 0.5) / PUSHBACK_COUNT;
      return overloaded(Math.floor(limit), Math.round(pushbackMs * spread));
    });
    this.admittedLately = 0;
    this.refusedLately = 0;
  }
}

function overloaded(count: number, retryAfterMs: number): OverloadedError {
  return new OverloadedError(
    `the server is overloaded: ${count} requests are in work, which is as many as it can answer in time`,
    retryAfterMs,
  );
}
