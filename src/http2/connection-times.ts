import type { Connection } from './connection.ts';
import { earnByTime } from './flood-guard.ts';
import { ErrorCode } from './frame.ts';
import { writePing } from './frame-writer.ts';
import type { EngineLimits } from './http2-engine.ts';
import type { Stream } from './stream.ts';

/** What a connection remembers of time, on the clock of `performance.now()`. A tick of the engine looks at it. */
export interface ConnectionTimes {
  /** When the connection has to go; `Infinity` = it may stay. */
  readonly endsAtMs: number;
  readonly openedAtMs: number;
  /** Bytes have come since the last tick. */
  hasHeard: boolean;
  lastHeardAtMs: number;
  /** A ping of ours is unanswered since then. */
  askedAtMs: number | undefined;
  /** Without a stream since then. */
  idleSinceMs: number;
  /** The socket is full since then. */
  congestedSinceMs: number | undefined;
  /** What the last tick found half done, and since when ticks have found that. */
  unfinished: object | undefined;
  unfinishedSinceMs: number;
  drainingSinceMs: number;
  closedAtMs: number;
  /** The client's pings. */
  lastPingAtMs: number;
  pingStrikes: number;
}

const KEEP_ALIVE_PING = Buffer.from('keepaliv', 'latin1');
/** Ages differ by a tenth to each side, so that the clients of a restarted server do not come back together for ever. */
const AGE_JITTER = 0.1;
/** The first SETTINGS, the rest of a frame and the answer to the ping between two GOAWAYs have to come within it. */
const FRAME_TIMEOUT_MS = 10_000;
const DRAIN_PING_TIMEOUT_MS = 1000;
/** What is left of a connection after its GOAWAY: time for the client to read it. */
const CLOSE_TIMEOUT_MS = 1000;
/** A response of which so much is read in `slowClientTimeoutMs` may take as long as it wants. */
const PROGRESS_BYTES = 16 * 1024;

export function startTimes({ maxConnectionAgeMs }: EngineLimits): ConnectionTimes {
  const nowMs = performance.now();
  const jitter = 1 + AGE_JITTER * (2 * Math.random() - 1);
  return {
    endsAtMs: maxConnectionAgeMs === 0 ? Infinity : nowMs + maxConnectionAgeMs * jitter,
    openedAtMs: nowMs,
    hasHeard: false,
    lastHeardAtMs: nowMs,
    askedAtMs: undefined,
    idleSinceMs: nowMs,
    congestedSinceMs: undefined,
    unfinished: undefined,
    unfinishedSinceMs: 0,
    drainingSinceMs: 0,
    closedAtMs: 0,
    lastPingAtMs: -Infinity,
    pingStrikes: 0,
  };
}

/** Does what is due. Called by the engine about once a second. */
export function checkTimes(connection: Connection, nowMs: number, elapsedMs: number): void {
  const { times, core } = connection;
  if (connection.isClosed) {
    if (nowMs - times.closedAtMs > closeTimeoutMs(connection)) connection.destroy();
    return;
  }
  earnByTime(connection.guard, elapsedMs);
  if (connection.intake.isHeldBack) {
    // Whatever it has sent meanwhile, we do not know of it.
    times.hasHeard = true;
    times.unfinishedSinceMs = nowMs;
  }
  checkAge(connection, nowMs);
  checkFrames(connection, nowMs);
  if (!connection.isClosed) checkReader(connection, nowMs);
  if (!connection.isClosed && core.limits.keepAliveMs > 0) checkAlive(connection, nowMs);
}

/** A client that was told off has a second to read it; one that was served, as long as a slow one has. */
function closeTimeoutMs({ drainStage, core }: Connection): number {
  return drainStage === 2 ? core.limits.slowClientTimeoutMs || Infinity : CLOSE_TIMEOUT_MS;
}

function checkAge(connection: Connection, nowMs: number): void {
  const { times, core, drainStage } = connection;
  const { maxConnectionIdleMs, drainGraceMs } = core.limits;
  if (drainStage === 0) {
    if (nowMs >= times.endsAtMs) {
      connection.startDrain('max_age');
    } else if (maxConnectionIdleMs > 0 && connection.streams.size === 0) {
      if (nowMs - times.idleSinceMs >= maxConnectionIdleMs) connection.startDrain('max_idle');
    }
    return;
  }
  const drainingMs = nowMs - times.drainingSinceMs;
  if (drainStage === 1 && drainingMs > DRAIN_PING_TIMEOUT_MS) connection.finishDrain();
  if (drainGraceMs > 0 && drainingMs > drainGraceMs) connection.cut('it did not end in time');
}

/** Clients that begin something and do not go on with it: half-open ones, and those that send a byte now and then. */
function checkFrames(connection: Connection, nowMs: number): void {
  const { times } = connection;
  if (!connection.hasSettings && nowMs - times.openedAtMs > FRAME_TIMEOUT_MS) {
    connection.fail(ErrorCode.SETTINGS_TIMEOUT, 'no SETTINGS came');
    return;
  }
  // A busy client has always begun one; what counts is that it is another one each time.
  const { unfinished } = connection;
  if (unfinished !== times.unfinished) {
    times.unfinished = unfinished;
    times.unfinishedSinceMs = nowMs;
  } else if (unfinished !== undefined && nowMs - times.unfinishedSinceMs > FRAME_TIMEOUT_MS) {
    connection.fail(ErrorCode.ENHANCE_YOUR_CALM, 'a frame did not end');
  }
}

/** Clients that ask and do not read: their responses are memory that they hold. */
function checkReader(connection: Connection, nowMs: number): void {
  const { times, core } = connection;
  const { slowClientTimeoutMs } = core.limits;
  if (slowClientTimeoutMs === 0) return;
  if (nowMs - (times.congestedSinceMs ?? nowMs) > slowClientTimeoutMs) {
    connection.cut('it does not read');
  } else if (connection.queuedBytes > 0) {
    for (const stream of connection.streams.values()) checkStream(stream, nowMs);
  }
}

function checkStream(stream: Stream, nowMs: number): void {
  const { connection } = stream;
  if (stream.queuedBytes === 0) return;
  // Whoever waits for its turn while others move on is not stalled.
  const isWaiting = stream.isInLine && connection.sendWindow > 0 && !connection.isCongested;
  if (stream.progressBytes >= PROGRESS_BYTES || isWaiting) {
    stream.progressBytes = 0;
    stream.stalledSinceMs = nowMs;
  } else if (nowMs - stream.stalledSinceMs > connection.core.limits.slowClientTimeoutMs) {
    connection.core.counters.streamErrors += 1;
    stream.reset(ErrorCode.ENHANCE_YOUR_CALM);
  }
}

/** Asks a client that was not heard of for long whether it is there. */
function checkAlive(connection: Connection, nowMs: number): void {
  const { times, core } = connection;
  if (times.hasHeard) {
    times.hasHeard = false;
    times.lastHeardAtMs = nowMs;
    times.askedAtMs = undefined;
  } else if (times.askedAtMs === undefined) {
    if (nowMs - times.lastHeardAtMs < core.limits.keepAliveMs) return;
    times.askedAtMs = nowMs;
    core.counters.keepAlivesSent += 1;
    writePing(connection.output, 0, KEEP_ALIVE_PING, 0);
    connection.markDirty();
  } else if (nowMs - times.askedAtMs > core.limits.keepAliveTimeoutMs) {
    connection.cut('it does not answer pings');
  }
}
