import type { HandshakeFailure, HandshakeFailureReason } from '../tls/handshake-failure.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** A client that retries fills no log: each reason gets at most one line in this time. */
const QUIET_MS = 10_000;

/** What happens all the time without anybody being at fault: probes that only connect, clients that give up. */
const ORDINARY: ReadonlySet<HandshakeFailureReason> = new Set(['connection_lost', 'timeout']);

/** Counts handshakes that failed, and logs them: a line per reason and `QUIET_MS`, with how many more there were. */
export function createHandshakeLog(
  logger: Logger,
  metrics: Metrics,
): (failure: HandshakeFailure) => void {
  const quietUntilMs = new Map<HandshakeFailureReason, number>();
  const unloggedCount = new Map<HandshakeFailureReason, number>();
  return ({ reason, message, peer, subject }) => {
    metrics.observeHandshakeFailure(reason);
    const nowMs = performance.now();
    const more = unloggedCount.get(reason) ?? 0;
    if (nowMs < (quietUntilMs.get(reason) ?? 0)) {
      unloggedCount.set(reason, more + 1);
      return;
    }
    quietUntilMs.set(reason, nowMs + QUIET_MS);
    unloggedCount.set(reason, 0);
    const fields = { reason, peer, subject, ...(more > 0 ? { more } : {}) };
    if (ORDINARY.has(reason)) logger.debug(fields, `TLS: ${message}`);
    else logger.warn(fields, `TLS: ${message}`);
  };
}
