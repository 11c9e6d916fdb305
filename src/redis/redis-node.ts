import { callNode } from './call-command.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { addressOf, RedisConnection, type NodeTarget } from './redis-connection.ts';
import type { RedisError } from './redis-error.ts';
import type { RedisTimer } from './redis-runtime.ts';

/** How often a node is asked for a sign of life. */
const PROBE_INTERVAL_MS = 1_000;
/** A new round trip counts so much against those before. */
const ROUND_TRIP_WEIGHT = 0.3;
/** A node that owes answers for so long is left out where another one has the data. */
const SUSPECT_AFTER_MS = 50;
/** Writes and scans may take so many times longer than reads until their connection counts as silent. */
const BULK_PATIENCE = 10;
/** A node that said that it cannot serve now is left out for so long. */
const EXCLUDED_MS = 500;

export interface NodeOptions {
  readonly connection: ConnectionOptions;
  /** Whether its data are read when it is a replica of a cluster. */
  readonly isReplicaReader: boolean;
  /** Zone by `host:port` or host, as configured. */
  readonly zones: ReadonlyMap<string, string>;
  /** Whether nodes are asked for their zone. */
  readonly asksForZone: boolean;
  /** A connection to the node broke or could not be made. */
  onDown(node: RedisNode, error: RedisError): void;
}

/** One Redis process: a connection for reads, another one for what may take long, and how it fares. */
export class RedisNode {
  readonly target: NodeTarget;
  readonly address: string;
  readonly reads: RedisConnection;
  /** Availability zone; `undefined` = not known. */
  zone: string | undefined;
  /** Of a `PING` on an open connection, smoothed; `undefined` = not measured yet. */
  roundTripMs: number | undefined;
  private readonly options: NodeOptions;
  private isCopy = false;
  private bulkConnection: RedisConnection | undefined;
  private excludedUntilMs = Number.NEGATIVE_INFINITY;
  private probe: RedisTimer | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private isClosed = false;
  private closeReason: RedisError | undefined;

  constructor(target: NodeTarget, options: NodeOptions) {
    this.target = target;
    this.address = addressOf(target);
    this.options = options;
    this.zone = options.zones.get(this.address) ?? options.zones.get(target.host);
    this.reads = new RedisConnection(target, options.connection, {
      onReady: () => this.onReady(),
      onDown: (error) => options.onDown(this, error),
    });
    this.probeLater();
  }

  /** For writes and scans: what is large or slow does not stand in the way of reads. Connected when first used. */
  get bulk(): RedisConnection {
    if (this.bulkConnection === undefined) {
      const { connection } = this.options;
      const silenceTimeoutMs = BULK_PATIENCE * connection.silenceTimeoutMs;
      this.bulkConnection = new RedisConnection(this.target, {
        ...connection,
        silenceTimeoutMs,
        isOnDemand: true,
      });
      // A write to a node that is closed ends here.
      if (this.isClosed) this.bulkConnection.close(this.closeReason);
    }
    return this.bulkConnection;
  }

  /** As the topology last had it. One of a cluster that is taken for a primary sends who reads from it away where it is none. */
  get isReplica(): boolean {
    return this.isCopy;
  }

  set isReplica(isReplica: boolean) {
    if (isReplica !== this.isCopy) {
      this.isCopy = isReplica;
      if (this.options.isReplicaReader) this.reads.readFromReplica(isReplica);
    }
  }

  /** Runs work when all earlier work given here has ended. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  get pendingCount(): number {
    return this.reads.pendingCount + (this.bulkConnection?.pendingCount ?? 0);
  }

  /** Whether a read sent now is likely to be answered soon. */
  isWell(nowMs: number): boolean {
    return (
      this.reads.isReady &&
      nowMs >= this.excludedUntilMs &&
      this.reads.silentForMs(nowMs) < SUSPECT_AFTER_MS
    );
  }

  /** Whether a read sent now is not likely to be answered at all; a connection that is just being made again will do. */
  isAway(nowMs: number): boolean {
    return (
      this.reads.problem !== undefined ||
      nowMs < this.excludedUntilMs ||
      this.reads.silentForMs(nowMs) >= SUSPECT_AFTER_MS
    );
  }

  /** Leaves the node out for a moment: it said that it cannot serve. */
  exclude(nowMs: number): void {
    this.excludedUntilMs = nowMs + EXCLUDED_MS;
  }

  /** Ends it for good. @param error why, for the commands that it has and those to come; absent = the client is closed. */
  close(error?: RedisError): void {
    this.isClosed = true;
    this.closeReason = error;
    this.probe?.cancel();
    this.reads.close(error);
    this.bulkConnection?.close(error);
  }

  private onReady(): void {
    void this.ping();
    if (this.options.asksForZone && this.zone === undefined) {
      void this.askForZone();
    }
  }

  private probeLater(): void {
    const { runtime } = this.options.connection;
    const delayMs = PROBE_INTERVAL_MS * (0.75 + runtime.random() / 2);
    this.probe = runtime.setTimer(() => {
      void this.ping();
      this.probeLater();
    }, delayMs);
  }

  private async ping(): Promise<void> {
    if (!this.reads.isReady) {
      return;
    }
    const { runtime, silenceTimeoutMs } = this.options.connection;
    const sentAtMs = runtime.now();
    try {
      await callNode(this.reads, ['PING'], silenceTimeoutMs);
    } catch {
      return; // A node that does not answer is found out by its connection.
    }
    const elapsedMs = runtime.now() - sentAtMs;
    const before = this.roundTripMs ?? elapsedMs;
    this.roundTripMs = before + ROUND_TRIP_WEIGHT * (elapsedMs - before);
  }

  /** Valkey tells its zone in `INFO`; others do not know. */
  private async askForZone(): Promise<void> {
    const reply = await callNode(this.reads, ['INFO', 'server']).catch(() => null);
    const zone = /^availability_zone:(\S+)/m.exec(String(reply))?.[1];
    if (zone !== undefined && !this.isClosed) {
      this.zone = zone;
    }
  }
}
