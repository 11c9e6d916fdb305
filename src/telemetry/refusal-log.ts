import type { ServerConfig } from '../config/config.ts';
import type { Door } from '../port/connection-router.ts';
import type { Logger } from './logger.ts';

/** Clients that come again and again fill no log: there is at most one line in this time. */
const QUIET_MS = 10_000;

/** Logs connections that were too many: a line in `QUIET_MS`, with how many more there were since the one before. */
export function createRefusalLog(
  logger: Logger,
  { maxConnections, workers }: Pick<ServerConfig, 'maxConnections' | 'workers'>,
): (door: Door, peer: string) => void {
  let quietUntilMs = -Infinity;
  let more = 0;
  return (door, peer) => {
    const nowMs = performance.now();
    if (nowMs < quietUntilMs) {
      more += 1;
      return;
    }
    quietUntilMs = nowMs + QUIET_MS;
    logger.warn(
      {
        door,
        peer,
        maxConnections,
        ...(workers > 1 ? { workers } : {}),
        ...(more > 0 ? { more } : {}),
      },
      'connection refused: max_connections, or the share of it that a worker has, are open; raise it, or find the client that does not close them',
    );
    more = 0;
  };
}
