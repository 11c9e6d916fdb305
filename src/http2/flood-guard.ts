import { ConnectionError, ErrorCode } from './frame.ts';

/**
 * A connection's patience. Frames that cost the server something and ask it for nothing (pings, settings, resets, empty
 * DATA, windows opened by a byte …) spend credit; answered requests and passing time earn it. One account for all of
 * them, so that no mixture gets through. A client that does its work never comes near the end.
 */
export interface FloodGuard {
  credit: number;
}

/** So many resets at once, as when all deadlines of a busy client pass together, are 1,000 times `Cost.RESET`. */
const MAX_CREDIT = 10_000;
/** Earned by a second: 100 resets, or 1,000 pieces of window. */
const CREDIT_PER_SECOND = 1000;
/** Earned by a request that was answered: its windows, and a reset of another one. */
const CREDIT_PER_ANSWER = 12;
/** Earned by content that is sent: Go opens the windows of stream and connection for every 4 KiB that it has read. */
const CREDIT_PER_BYTE = 1 / 1024;

export const Cost = {
  /** WINDOW_UPDATE, PRIORITY, CONTINUATION, DATA without content, frames of unknown types and for closed streams. */
  FRAME: 1,
  /** It is answered. */
  PING: 4,
  /** It is answered, and may change every stream. */
  SETTINGS: 10,
  /** A request that was begun for nothing: reset by the client, refused, malformed. */
  RESET: 10,
} as const;

export function createFloodGuard(): FloodGuard {
  return { credit: MAX_CREDIT };
}

/** @throws ConnectionError ENHANCE_YOUR_CALM when there is no credit left */
export function spendCredit(guard: FloodGuard, cost: number): void {
  guard.credit -= cost;
  if (guard.credit < 0) {
    throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames that ask for nothing');
  }
}

export function earnByAnswer(guard: FloodGuard): void {
  guard.credit = Math.min(MAX_CREDIT, guard.credit + CREDIT_PER_ANSWER);
}

/** @param length of a piece of content; what is sent byte by byte earns next to nothing */
export function earnByContent(guard: FloodGuard, length: number): void {
  guard.credit = Math.min(MAX_CREDIT, guard.credit + length * CREDIT_PER_BYTE);
}

export function earnByTime(guard: FloodGuard, elapsedMs: number): void {
  guard.credit = Math.min(MAX_CREDIT, guard.credit + (elapsedMs * CREDIT_PER_SECOND) / 1000);
}
