import { Buffer } from 'node:buffer';
import { EventQueue, type SimulatedEvent } from './event-queue.ts';
import type {
  RedisRuntime,
  RedisSocket,
  RedisTimer,
  SocketHandlers,
  SocketTarget,
} from '../../src/redis/redis-runtime.ts';

/** The other end of a simulated connection. */
export interface SimulatedPeer {
  /** Bytes of the client have arrived. */
  onBytes(bytes: Buffer): void;
  /** The client ended the connection. */
  onClosed(): void;
}

/** What a peer does to its connection; everything reaches the client later. */
export interface PeerConnection {
  send(bytes: Uint8Array): void;
  /** Closes it, after what has been sent. */
  close(error?: Error): void;
}

/** Something that listens at an address. */
export interface SimulatedListener {
  /** Milliseconds that bytes take one way. */
  readonly latencyMs: number;
  /** `undefined` refuses; `null` never answers, as a black hole. */
  accept(connection: PeerConnection, target: SocketTarget): SimulatedPeer | undefined | null;
}

/** A clock, a network and a die that are all the same at every run: nothing waits, nothing is by chance. */
export class SimulatedWorld implements RedisRuntime {
  /** Who listens, by `host:port` or path. */
  readonly listeners = new Map<string, SimulatedListener>();
  /** Addresses by name. */
  readonly names = new Map<string, readonly string[]>();
  /** Pieces that bytes arrive in at most; each is an event of its own. */
  pieceBytes = Infinity;
  /** Milliseconds between two pieces of what was sent at once, at most; chance decides. */
  pieceGapMs = 0;
  /** Attempts to connect: when and where. */
  readonly attempts: { readonly atMs: number; readonly address: string }[] = [];
  private nowMs = 1_000;
  private order = 0;
  private readonly events = new EventQueue();
  private deferred: (() => void)[] = [];
  private state: number;

  constructor(seed = 1) {
    this.state = seed >>> 0 || 1;
  }

  now(): number {
    return this.nowMs;
  }

  /** xorshift32. */
  random(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state / 2 ** 32;
  }

  setTimer(run: () => void, delayMs: number): RedisTimer {
    const event = this.at(this.nowMs + Math.max(delayMs, 0), run);
    return { cancel: () => void (event.isCancelled = true) };
  }

  defer(run: () => void): void {
    this.deferred.push(run);
  }

  async resolveAddresses(host: string): Promise<readonly string[]> {
    const addresses = this.names.get(host) ?? [host];
    if (addresses.length === 0) throw new Error(`getaddrinfo ENOTFOUND ${host}`);
    return addresses;
  }

  connect(target: SocketTarget, handlers: SocketHandlers): RedisSocket {
    const address = target.path ?? `${target.host}:${target.port}`;
    this.attempts.push({ atMs: this.nowMs, address });
    return new SimulatedSocket(this, target, handlers, this.listeners.get(address));
  }

  /** What is still to happen. */
  get eventCount(): number {
    return this.events.count;
  }

  /** Something that happens then. */
  at(atMs: number, run: () => void): SimulatedEvent {
    const event: SimulatedEvent = { atMs, order: this.order++, isCancelled: false, run };
    this.events.push(event);
    return event;
  }

  /** Lets so much time pass, and everything happen that happens in it. */
  async pass(durationMs: number): Promise<void> {
    const untilMs = this.nowMs + durationMs;
    await this.settle();
    for (
      let event = this.events.takeUntil(untilMs);
      event !== undefined;
      event = this.events.takeUntil(untilMs)
    ) {
      this.nowMs = Math.max(this.nowMs, event.atMs);
      event.run();
      await this.settle();
    }
    this.nowMs = untilMs;
  }

  /** Lets time pass until a promise is settled; fails where that takes longer than `limitMs`. */
  async until<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    const untilMs = this.nowMs + limitMs;
    await this.settle();
    while (!(await isSettled(promise))) {
      const event = this.events.takeUntil(untilMs);
      if (event === undefined) throw new Error(`nothing came of it in ${limitMs} simulated ms`);
      this.nowMs = Math.max(this.nowMs, event.atMs);
      event.run();
      await this.settle();
    }
    return promise;
  }

  /** The end of a turn: promises, then what was deferred to it, until nothing is left. */
  private async settle(): Promise<void> {
    do {
      await drainMicrotasks();
      const deferred = this.deferred;
      this.deferred = [];
      for (const run of deferred) run();
      await drainMicrotasks();
    } while (this.deferred.length > 0);
  }
}

const PENDING = Symbol('pending');

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const first = await Promise.race([promise, Promise.resolve(PENDING)]).catch(() => undefined);
  return first !== PENDING;
}

async function drainMicrotasks(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve();
}

class SimulatedSocket implements RedisSocket {
  private readonly world: SimulatedWorld;
  private readonly handlers: SocketHandlers;
  private readonly latencyMs: number;
  private peer: SimulatedPeer | undefined | null;
  private isOver = false;
  private buffer: Uint8Array | undefined;
  /** Bytes never overtake each other. */
  private busyUntilMs = 0;

  constructor(
    world: SimulatedWorld,
    target: SocketTarget,
    handlers: SocketHandlers,
    listener: SimulatedListener | undefined,
  ) {
    this.world = world;
    this.handlers = handlers;
    this.latencyMs = listener?.latencyMs ?? 0.05;
    world.at(world.now() + 2 * this.latencyMs, () => {
      if (this.isOver) return;
      this.peer = listener?.accept(this.peerConnection(), target);
      if (this.peer === undefined) this.end(new Error('connect ECONNREFUSED'));
      else if (this.peer !== null) {
        this.buffer = handlers.receiveBuffer();
        handlers.onConnect();
      }
    });
  }

  write(bytes: Uint8Array, onWritten: () => void): void {
    const copy = Buffer.from(bytes);
    this.world.at(this.world.now(), () => {
      if (!this.isOver) onWritten();
    });
    this.world.at(this.world.now() + this.latencyMs, () => {
      if (!this.isOver) this.peer?.onBytes(copy);
    });
  }

  destroy(): void {
    if (!this.isOver) {
      this.isOver = true;
      this.world.at(this.world.now() + this.latencyMs, () => this.peer?.onClosed());
    }
  }

  private end(error: Error | undefined): void {
    if (!this.isOver) {
      this.isOver = true;
      this.handlers.onClose(error);
    }
  }

  private peerConnection(): PeerConnection {
    return {
      send: (bytes) => {
        for (let at = 0; at < bytes.length; at += this.world.pieceBytes) {
          const piece = Buffer.from(bytes.subarray(at, at + this.world.pieceBytes));
          this.world.at(this.nextArrival(), () => this.deliver(piece));
        }
      },
      close: (error) => void this.world.at(this.nextArrival(), () => this.end(error)),
    };
  }

  private nextArrival(): number {
    const { pieceGapMs } = this.world;
    const gapMs = pieceGapMs === 0 ? 0 : this.world.random() * pieceGapMs;
    this.busyUntilMs = Math.max(this.busyUntilMs + gapMs, this.world.now() + this.latencyMs);
    return this.busyUntilMs;
  }

  private deliver(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.isOver;) {
      const room = this.buffer!;
      const count = Math.min(room.length, bytes.length - at);
      room.set(bytes.subarray(at, at + count));
      at += count;
      this.handlers.onReceive(count);
      if (!this.isOver) this.buffer = this.handlers.receiveBuffer();
    }
  }
}
