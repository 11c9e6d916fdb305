import type { RedisRuntime } from './redis-runtime.ts';

const FIRST_DELAY_MS = 25;
/**
 * From then on a node is tried once in a quarter to half of a second: four times a second is the bound on the rate of a
 * connection, and half of a second what a node that is back waits for its clients.
 */
const MAX_RECONNECT_DELAY_MS = 500;

/**
 * How long to wait before attempt `failures + 1` of connecting to a node, `failures` of them having failed in a row. Delays
 * double to a cap; half of each is chance, so that many clients that lost a node in one moment do not come back in one.
 */
export function reconnectDelayMs(runtime: RedisRuntime, failures: number): number {
  const full = Math.min(FIRST_DELAY_MS * 2 ** Math.max(failures - 1, 0), MAX_RECONNECT_DELAY_MS);
  // The first attempt after a connection broke is soon: the node may be well.
  return failures === 0
    ? runtime.random() * FIRST_DELAY_MS
    : full / 2 + (runtime.random() * full) / 2;
}
