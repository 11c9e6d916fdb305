import type { OnlineStore } from '../online-store/online-store.ts';
import type { Logger } from './logger.ts';

/** What was away for less may stay unseen: clients mend that by themselves. */
const INTERVAL_MS = 1_000;

/**
 * Logs which nodes of the online store cannot be reached, whenever that changes, and once a second at most: from the start
 * on, whether or not anybody reads. Returns how to end it.
 */
export function watchNodes(
  { awayNodes }: Pick<OnlineStore, 'awayNodes'>,
  logger: Logger,
): () => Promise<void> {
  const awaySinceMs = new Map<string, number>();
  const look = (): void => {
    const nowMs = performance.now();
    const away = new Map(awayNodes?.().map(({ address, reason }) => [address, reason]));
    for (const [node, reason] of away) {
      if (awaySinceMs.has(node)) continue;
      awaySinceMs.set(node, nowMs);
      logger.warn({ node, reason }, 'a node of the online store cannot be reached');
    }
    for (const [node, sinceMs] of awaySinceMs) {
      if (away.has(node)) continue;
      awaySinceMs.delete(node);
      const awayMs = Math.round(nowMs - sinceMs);
      logger.info(
        { node, awayMs },
        'a node of the online store is back, or is none of it any more',
      );
    }
  };
  if (awayNodes === undefined) return () => Promise.resolve();
  look();
  const timer = setInterval(look, INTERVAL_MS).unref();
  return () => Promise.resolve(clearInterval(timer));
}
