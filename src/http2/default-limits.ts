import type { EngineLimits } from './http2-engine.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Limits for a server that faces a network it does not know. */
export const DEFAULT_LIMITS: EngineLimits = {
  maxConcurrentStreams: 1000,
  maxHeaderListBytes: 16 * KIB,
  windowBytes: 4 * MIB,
  maxQueuedBytes: 256 * MIB,
  maxQueuedBytesTotal: 1024 * MIB,
  slowClientTimeoutMs: 30_000,
  maxConnectionAgeMs: 0,
  maxConnectionIdleMs: 0,
  drainGraceMs: 0,
  keepAliveMs: 60_000,
  keepAliveTimeoutMs: 20_000,
  minPingIntervalMs: 5000,
};
