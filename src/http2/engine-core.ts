import type { Connection } from './connection.ts';
import type {
  EngineCounters,
  EngineLimits,
  EngineObserver,
  StreamListener,
} from './http2-engine.ts';
import type { Intake } from './intake.ts';
import { ChunkPool } from './output.ts';
import type { Stream } from './stream.ts';

/** What the connections of one engine share. */
export class EngineCore {
  readonly limits: EngineLimits;
  readonly listener: StreamListener;
  readonly observer: EngineObserver;
  readonly pool = new ChunkPool();
  readonly connections = new Set<Connection>();
  readonly counters: EngineCounters = {
    connections: 0,
    streams: 0,
    streamsClosed: 0,
    streamsSucceeded: 0,
    streamsReset: 0,
    streamErrors: 0,
    connectionErrors: 0,
    pings: 0,
    keepAlivesSent: 0,
    flowControlStalls: 0,
  };
  /** Bytes of responses that wait for windows or sockets, and of requests that wait for their rest, of all connections. */
  queuedBytes = 0;
  /** `performance.now()` at the last tick: good enough for what is measured in seconds. */
  nowMs = performance.now();
  /** Called after a connection has gone. */
  onRemoved: () => void = () => {};
  private dirty: Connection[] = [];
  private full: Intake[] = [];
  private closed: Stream[] = [];
  private drained: Stream[] = [];
  private isScheduled = false;

  constructor(limits: EngineLimits, listener: StreamListener, observer: EngineObserver) {
    this.limits = limits;
    this.listener = listener;
    this.observer = observer;
  }

  /** The connection has something to send: it is flushed when all that has arrived in this turn has been handled. */
  flushLater(connection: Connection): void {
    this.dirty.push(connection);
    this.schedule();
  }

  /** Tells the application, after the flush and never from within a call of its own, that a stream is over. */
  closeLater(stream: Stream): void {
    this.closed.push(stream);
    this.schedule();
  }

  /** The same for a stream that has room again. */
  drainedLater(stream: Stream): void {
    this.drained.push(stream);
    this.schedule();
  }

  /** A connection has given what is taken of it in one turn. */
  readLater(intake: Intake): void {
    this.full.push(intake);
    this.schedule();
  }

  removeConnection(connection: Connection): void {
    this.connections.delete(connection);
    this.onRemoved();
  }

  /** Cuts the connection that holds most when all together hold too much. */
  relieve(): void {
    if (this.queuedBytes <= this.limits.maxQueuedBytesTotal) return;
    let heaviest: Connection | undefined;
    for (const connection of this.connections) {
      if (connection.queuedBytes > (heaviest?.queuedBytes ?? 0)) heaviest = connection;
    }
    heaviest?.cut('it holds most of what waits for clients');
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    this.isScheduled = false;
    const { dirty, full, closed, drained } = this;
    this.dirty = [];
    for (const connection of dirty) connection.flush();
    if (closed.length > 0) {
      this.closed = [];
      for (const stream of closed) stream.body.onClose();
    }
    if (drained.length > 0) {
      this.drained = [];
      for (const stream of drained) stream.tellDrained();
    }
    if (full.length > 0) {
      this.full = [];
      for (const intake of full) intake.readOn();
    }
  };
}
