import type { Duplex } from 'node:stream';
import { Connection } from './connection.ts';
import { checkTimes } from './connection-times.ts';
import { EngineCore } from './engine-core.ts';
import { DEFAULT_WINDOW_BYTES } from './frame.ts';
import { encodeServerPreface } from './frame-writer.ts';
import type { EngineLimits, EngineObserver, Http2Engine, StreamListener } from './http2-engine.ts';

/** Times of connections are looked at every second, or four times in the shortest of them. */
const MAX_TICK_MS = 1000;
/** Why clients are sent elsewhere, for their logs. */
const STOPS = 'the server stops';

/**
 * Our own HTTP/2 server (RFC 9113, RFC 7541), written for small requests and answers in great number: frames are read where
 * they lie, header blocks that repeat are compared instead of decoded, what is answered in one turn of the event loop
 * leaves in one write per connection.
 */
export function createEngine(
  limits: EngineLimits,
  listener: StreamListener,
  observer: EngineObserver = {},
): Http2Engine {
  const core = new EngineCore(limits, listener, observer);
  const preface = encodeServerPreface(limits, DEFAULT_WINDOW_BYTES);
  let ticker: NodeJS.Timeout | undefined;
  let onEmpty: (() => void)[] = [];
  let isDraining = false;

  const tick = (): void => {
    const nowMs = performance.now();
    const elapsedMs = nowMs - core.nowMs;
    core.nowMs = nowMs;
    for (const connection of core.connections) checkTimes(connection, nowMs, elapsedMs);
  };
  core.onRemoved = () => {
    if (core.connections.size > 0) return;
    clearInterval(ticker);
    ticker = undefined;
    for (const resolve of onEmpty) resolve();
    onEmpty = [];
  };

  return {
    counters: core.counters,
    accept(socket: Duplex): void {
      if (ticker === undefined) {
        core.nowMs = performance.now();
        ticker = setInterval(tick, tickMs(limits));
        ticker.unref();
      }
      core.counters.connections += 1;
      const connection = new Connection(core, socket, preface);
      core.connections.add(connection);
      // It was opened before, and came to be known as HTTP/2 now.
      if (isDraining) connection.startDrain(STOPS);
    },
    get connectionCount(): number {
      return core.connections.size;
    },
    get queuedBytes(): number {
      return core.queuedBytes;
    },
    drain(): Promise<void> {
      isDraining = true;
      for (const connection of core.connections) connection.startDrain(STOPS);
      if (core.connections.size === 0) return Promise.resolve();
      return new Promise((resolve) => onEmpty.push(resolve));
    },
    close(): void {
      for (const connection of core.connections) connection.destroy();
    },
  };
}

function tickMs(limits: EngineLimits): number {
  const times = [
    limits.slowClientTimeoutMs,
    limits.maxConnectionAgeMs,
    limits.maxConnectionIdleMs,
    limits.drainGraceMs,
    limits.keepAliveMs,
    limits.keepAliveTimeoutMs,
  ].filter((timeMs) => timeMs > 0);
  return Math.max(5, Math.min(MAX_TICK_MS, ...times.map((timeMs) => timeMs / 4)));
}
