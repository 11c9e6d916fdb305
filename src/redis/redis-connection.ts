import { callNode } from './call-command.ts';
import type { ConnectionOptions, RedisCredentials } from './connection-options.ts';
import { CredentialRenewal } from './credential-renewal.ts';
import { LatencyWindow } from './latency-window.ts';
import { reconnectDelayMs } from './reconnect-schedule.ts';
import type { LinkEnding } from './link-events.ts';
import type { RedisCommand } from './redis-command.ts';
import { RedisError } from './redis-error.ts';
import { RedisLink } from './redis-link.ts';
import type { RedisRuntime, RedisTimer } from './redis-runtime.ts';

/** Where a node is. */
export interface NodeTarget {
  readonly host: string;
  readonly port: number;
  /** The name that `host` is an address of; absent = `host` itself. */
  readonly servername?: string | undefined;
  /** Path of a unix socket; wins over host and port. */
  readonly path?: string | undefined;
}

/** How a node is named in messages. */
export function addressOf({ host, port, path }: NodeTarget): string {
  return path ?? (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
}

/** A connection that stood for so long was a good one: the next is made at once. */
const MIN_STANDING_MS = 250;
/** Connections that stood for less, in a row, before commands are refused instead of waiting for the next one. */
const MAX_SHORT_LIVES = 5;
/** Of these the next one is made at once: a node that takes connections may be well. */
const FREE_SHORT_LIVES = 2;

export interface ConnectionEvents {
  /** Commands may be sent, for the first time or again. */
  onReady?(): void;
  /** The connection broke, or could not be made once more. */
  onDown?(error: RedisError): void;
}

/**
 * A connection to one node that is made again for ever when it breaks. Commands wait for the first attempt, and for the one
 * right after a break; when that fails they are refused at once until the node is back.
 */
export class RedisConnection {
  readonly target: NodeTarget;
  readonly address: string;
  /** Of commands that were answered. */
  readonly latency = new LatencyWindow();
  /** Whether what is answered may be the word of a replica of a cluster; a primary's word is what else there is. */
  mayBeReplica = false;
  /** How often it has been connected. */
  connectCount = 0;
  private readonly options: ConnectionOptions;
  /** Whether a replica of a cluster is to answer, now and when it is connected again. */
  private isReplicaReader = false;
  private modeChanges = 0;
  private readonly events: ConnectionEvents;
  private link: RedisLink | undefined;
  private waiting: RedisCommand[] = [];
  private waitingBytes = 0;
  private readonly renewal: CredentialRenewal;
  private timer: RedisTimer | undefined;
  private isClosed = false;
  private isStarted = false;
  private protocol: 2 | 3 = 3;
  /** Attempts that failed, or ended soon, in a row: they make the next one wait. */
  private failures = 0;
  private wasReady = false;
  private readySinceMs = 0;
  /** Why commands are refused; `undefined` = they are taken. */
  private refusal: RedisError | undefined;

  constructor(target: NodeTarget, options: ConnectionOptions, events: ConnectionEvents = {}) {
    this.target = target;
    this.address = addressOf(target);
    this.options = options;
    this.events = events;
    this.renewal = new CredentialRenewal(this, options);
  }

  get runtime(): RedisRuntime {
    return this.options.runtime;
  }

  get isReady(): boolean {
    return this.link?.isReady === true;
  }

  get pendingCount(): number {
    return this.waiting.length + (this.link?.pendingCount ?? 0);
  }

  /** Why a command sent now would be refused; `undefined` = it would not. */
  get problem(): RedisError | undefined {
    return this.refusal;
  }

  /** Milliseconds that the node has owed an answer without sending anything. */
  silentForMs(nowMs: number): number {
    return this.link?.silentForMs(nowMs) ?? 0;
  }

  /** Connects, if that has not begun. */
  open(): void {
    if (!this.isStarted && !this.isClosed) {
      this.isStarted = true;
      void this.connect();
    }
  }

  /** Sends a command, or tells it that it is lost. */
  send(command: RedisCommand): void {
    if (this.refusal !== undefined) {
      command.onLost(this.refusal, false, this);
      return;
    }
    this.open();
    if (this.link?.isReady === true) {
      if (!this.link.send(command)) this.refuse(command);
    } else {
      this.wait(command);
    }
  }

  /** Sends commands one right after the other, or tells all of them that they are lost. */
  sendAll(commands: readonly RedisCommand[]): void {
    if (this.link?.isReady !== true) {
      for (const command of commands) this.send(command);
    } else if (!this.link.sendAll(commands)) {
      for (const command of commands) this.refuse(command);
    }
  }

  /** Ends it for good. @param error why, for the commands that it has; absent = the client is closed. */
  close(error = new RedisError('CLOSED', 'the client is closed', { address: this.address })): void {
    if (this.isClosed) {
      return;
    }
    this.isClosed = true;
    this.timer?.cancel();
    this.renewal.end();
    this.refusal = error;
    this.link?.close(error);
    this.link = undefined;
    this.loseWaiting(error);
  }

  /** Breaks the connection, if one stands, and makes it again. */
  reconnect(error: RedisError): void {
    this.link?.close(error);
  }

  /** Whether its node answers reads of keys also where it is a replica of a cluster; else it sends who asks to the primary. */
  readFromReplica(isWanted: boolean): void {
    this.isReplicaReader = isWanted;
    const change = ++this.modeChanges;
    if (!this.isReady) return;
    // Answers come in the order of the questions: those after `OK` are of the new mode.
    if (isWanted) this.mayBeReplica = true;
    const { link } = this;
    const changed = (): void => {
      if (change === this.modeChanges) this.mayBeReplica = isWanted;
    };
    // A new connection begins in that mode.
    const failed = (error: RedisError): void => void (isWanted || link?.close(error));
    callNode(this, [isWanted ? 'READONLY' : 'READWRITE']).then(changed, failed);
  }

  private wait(command: RedisCommand): void {
    const { maxPendingCommands, maxPendingBytes } = this.options;
    const bytes = this.waitingBytes + command.encodedLength();
    const isTooMuch = this.waiting.length > 0 && bytes > maxPendingBytes;
    if (isTooMuch || this.waiting.length >= maxPendingCommands) {
      this.refuse(command);
      return;
    }
    this.waiting.push(command);
    this.waitingBytes = bytes;
  }

  /** Takes out all that wait. */
  private takeWaiting(): readonly RedisCommand[] {
    const { waiting } = this;
    this.waiting = [];
    this.waitingBytes = 0;
    return waiting;
  }

  private refuse(command: RedisCommand): void {
    const { maxPendingCommands, maxPendingBytes } = this.options;
    const error = new RedisError(
      'OVERLOADED',
      `more than ${maxPendingCommands} commands or ${maxPendingBytes} bytes wait for ${this.address}`,
      { address: this.address },
    );
    command.onLost(error, false, this);
  }

  private async connect(): Promise<void> {
    let credentials: RedisCredentials;
    try {
      credentials = await this.options.credentials();
    } catch (cause) {
      if (!this.isClosed) {
        const { address } = this;
        const message = `no credentials: ${cause instanceof Error ? cause.message : String(cause)}`;
        this.onAttemptFailed(new RedisError('UNREACHABLE', message, { address, cause }));
      }
      return;
    }
    if (!this.isClosed) {
      this.openLink(credentials);
    }
  }

  private openLink(credentials: RedisCredentials): void {
    const { protocol, isReplicaReader } = this;
    this.link = new RedisLink(
      this,
      this.options,
      { credentials, protocol, isReplicaReader },
      {
        onReady: () => this.onReady(credentials, isReplicaReader),
        onClosed: (error, ending) => this.onLinkClosed(error, ending),
      },
    );
  }

  private onReady(credentials: RedisCredentials, isReplicaReader: boolean): void {
    this.modeChanges++;
    this.mayBeReplica = isReplicaReader;
    // The node changed its part while it was set up.
    if (this.isReplicaReader !== isReplicaReader) this.readFromReplica(this.isReplicaReader);
    this.connectCount++;
    this.wasReady = true;
    this.readySinceMs = this.options.runtime.now();
    this.refusal = undefined;
    for (const command of this.takeWaiting()) {
      if (!command.isOver) this.send(command);
    }
    this.renewal.begin(credentials);
    this.events.onReady?.();
  }

  private onLinkClosed(error: RedisError, ending: LinkEnding): void {
    if (this.isClosed) {
      return;
    }
    const { wasReady } = this;
    const stoodMs = wasReady ? this.options.runtime.now() - this.readySinceMs : 0;
    this.wasReady = false;
    this.link = undefined;
    this.renewal.end();
    if (ending === 'lacks-resp3' && this.protocol === 3) {
      this.protocol = 2;
      void this.connect();
    } else if (!wasReady && ending !== 'broken') {
      this.onAttemptFailed(error);
    } else {
      this.failures = stoodMs >= MIN_STANDING_MS ? 0 : this.failures + 1;
      // One that breaks as soon as it is made, again and again, is as good as none.
      const isRefusing = this.problem !== undefined || this.failures > MAX_SHORT_LIVES;
      this.refusal = isRefusing ? error : undefined;
      this.connectLater(Math.max(this.failures - FREE_SHORT_LIVES, 0));
      if (isRefusing) this.loseWaiting(error);
      this.events.onDown?.(error);
    }
  }

  private onAttemptFailed(error: RedisError): void {
    this.failures++;
    this.refusal = error;
    this.connectLater(this.failures);
    this.loseWaiting(error);
    this.events.onDown?.(error);
  }

  private connectLater(failures: number): void {
    const { runtime } = this.options;
    this.timer?.cancel();
    const delayMs = reconnectDelayMs(runtime, failures);
    this.timer = runtime.setTimer(() => this.connectAgain(), delayMs);
  }

  private connectAgain(): void {
    if (this.options.isOnDemand === true && this.waiting.length === 0) {
      this.isStarted = false;
      this.refusal = undefined;
    } else {
      void this.connect();
    }
  }

  private loseWaiting(error: RedisError): void {
    for (const command of this.takeWaiting()) {
      if (!command.isOver) command.onLost(error, false, this);
    }
  }
}
