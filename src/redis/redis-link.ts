import { Buffer } from 'node:buffer';
import { CommandQueue } from './command-queue.ts';
import type { ConnectionOptions, RedisCredentials } from './connection-options.ts';
import { isHello, lacksHello, setupCommands, setupError, setupSteps } from './connection-setup.ts';
import { errorText } from './decode-reply.ts';
import type { LinkEnding, LinkEvents } from './link-events.ts';
import { OutgoingCommands } from './outgoing-commands.ts';
import type { RedisCommand } from './redis-command.ts';
import type { RedisConnection } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';
import type { RedisSocket, RedisTimer } from './redis-runtime.ts';
import { protocolError, ReplyReader, Resp } from './reply-reader.ts';

/** Setting up is a round trip of a node that answers. */
const SETUP_TIMEOUT_MS = 1_000;
/** One reply may take so many times longer to arrive than a node may be silent. */
const REPLY_PATIENCE = 3;

export interface LinkSetup {
  readonly credentials: RedisCredentials;
  readonly protocol: 2 | 3;
  readonly isReplicaReader: boolean;
}

/** One socket from its connecting to its end: commands out, one write per turn; replies in, in their order. */
export class RedisLink {
  isReady = false;
  /** When bytes last arrived. */
  lastReceivedAtMs: number;
  /** When a reply was last whole. */
  private lastReplyAtMs: number;
  private isClosed = false;
  /** The node has taken the connection. */
  private isTaken = false;
  private readonly owner: RedisConnection;
  private readonly options: ConnectionOptions;
  private readonly setup: LinkSetup;
  private readonly events: LinkEvents;
  private readonly socket: RedisSocket;
  private readonly reader = new ReplyReader();
  private readonly due = new CommandQueue();
  private readonly unsent: OutgoingCommands;
  private isFlushDue = false;
  private isWriting = false;
  private timer: RedisTimer;
  private isWatching = false;

  constructor(
    owner: RedisConnection,
    options: ConnectionOptions,
    setup: LinkSetup,
    events: LinkEvents,
  ) {
    const { runtime, tls, keepAliveMs, connectTimeoutMs } = options;
    this.owner = owner;
    this.options = options;
    this.unsent = new OutgoingCommands(options.maxPendingBytes);
    this.setup = setup;
    this.events = events;
    this.lastReceivedAtMs = runtime.now();
    this.lastReplyAtMs = this.lastReceivedAtMs;
    const giveUp = (): void => {
      if (!this.isTaken)
        this.close(this.unreachable(`no connection within ${connectTimeoutMs} ms`));
    };
    // It may stand since long where this process was busy: nobody has heard of it yet.
    this.timer = runtime.setTimer(() => runtime.defer(giveUp), connectTimeoutMs);
    this.socket = runtime.connect(
      { ...owner.target, tls, keepAliveMs },
      {
        onConnect: () => this.startSetup(),
        receiveBuffer: () => this.reader.room(),
        onReceive: (byteCount) => this.receive(byteCount),
        onClose: (error) => this.onSocketClosed(error),
      },
    );
  }

  /** Commands that wait to be sent or answered. */
  get pendingCount(): number {
    return this.due.length + this.unsent.length;
  }

  /** Milliseconds that the node has owed an answer without sending anything. */
  silentForMs(nowMs: number): number {
    return this.due.length === 0
      ? 0
      : nowMs - Math.max(this.lastReceivedAtMs, this.due.firstSentAtMs());
  }

  /** Takes a command to be sent in this turn; false where too many are pending. */
  send(command: RedisCommand): boolean {
    const bytes = command.encodedLength();
    if (!this.hasRoomFor(command.count ?? 1, bytes)) {
      return false;
    }
    this.take(command, bytes);
    return true;
  }

  /** Takes commands to be sent one right after the other: all of them, or none. */
  sendAll(commands: readonly RedisCommand[]): boolean {
    const sizes = commands.map((command) => command.encodedLength());
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const count = commands.reduce((sum, command) => sum + (command.count ?? 1), 0);
    if (!this.hasRoomFor(count, bytes)) {
      return false;
    }
    commands.forEach((command, i) => this.take(command, sizes[i]!));
    return true;
  }

  /** Ends the link: what is pending on it is lost. Safe to call again. */
  close(error: RedisError, ending: LinkEnding = 'failed'): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isReady = false;
    this.timer.cancel();
    this.socket.destroy();
    const { due } = this;
    const unsent = this.unsent.drain();
    this.events.onClosed(error, ending);
    for (let command = due.first(); command !== undefined; command = due.first()) {
      due.dropFirst();
      if (!command.isOver) command.onLost(error, true, this.owner);
    }
    for (const command of unsent) {
      if (!command.isOver) command.onLost(error, false, this.owner);
    }
  }

  private hasRoomFor(commandCount: number, bytes: number): boolean {
    return (
      this.pendingCount + commandCount <= this.options.maxPendingCommands &&
      this.unsent.hasRoomFor(bytes)
    );
  }

  private take(command: RedisCommand, bytes: number): void {
    this.unsent.push(command, bytes);
    this.flushSoon();
  }

  private unreachable(reason: string, cause?: Error): RedisError {
    const { address } = this.owner;
    return new RedisError('UNREACHABLE', reason, { address, cause });
  }

  private onSocketClosed(cause: Error | undefined): void {
    const error = this.unreachable(cause?.message ?? 'the connection was closed', cause);
    this.close(error, this.isTaken ? 'broken' : 'failed');
  }

  private startSetup(): void {
    this.isTaken = true;
    const { runtime, connectTimeoutMs } = this.options;
    this.timer.cancel();
    const timeoutMs = Math.max(connectTimeoutMs, SETUP_TIMEOUT_MS);
    this.timer = runtime.setTimer(
      () => this.close(this.unreachable(`no answer to HELLO within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const { credentials, protocol, isReplicaReader } = this.setup;
    const steps = setupSteps(this.options, credentials, protocol, isReplicaReader);
    const commands = setupCommands(steps, {
      onDone: () => {
        this.timer.cancel();
        this.isReady = true;
        this.events.onReady();
      },
      onRefused: (step, text) =>
        this.close(
          setupError(step, text, this.owner.address),
          isHello(step) && lacksHello(text, credentials) ? 'lacks-resp3' : 'failed',
        ),
    });
    for (const command of commands) {
      this.due.push(command, runtime.now());
    }
    this.isWriting = true;
    this.socket.write(Buffer.concat(steps.map(({ bytes }) => bytes)), () => this.onWritten());
  }

  private flushSoon(): void {
    if (!this.isFlushDue && !this.isWriting) {
      this.isFlushDue = true;
      this.options.runtime.defer(() => {
        this.isFlushDue = false;
        this.flush();
      });
    }
  }

  private onWritten(): void {
    this.isWriting = false;
    if (this.unsent.length > 0) {
      this.flushSoon();
    }
  }

  /** Sends what has gathered, in one write. */
  private flush(): void {
    if (!this.isReady || this.isWriting || this.unsent.length === 0) {
      return;
    }
    const bytes = this.unsent.encode(this.due, this.options.runtime.now());
    if (bytes.length > 0) {
      this.isWriting = true;
      this.socket.write(bytes, () => this.onWritten());
      this.watchSilence();
    } else if (this.unsent.length > 0) {
      this.flushSoon();
    }
  }

  private receive(byteCount: number): void {
    this.reader.end += byteCount;
    this.lastReceivedAtMs = this.options.runtime.now();
    try {
      this.takeReplies();
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      this.close(this.unreachable(error.message, error));
    }
  }

  private takeReplies(): void {
    const { reader, due, owner } = this;
    while (!this.isClosed && reader.start < reader.end) {
      const type = reader.bytes[reader.start]!;
      if (type === Resp.PUSH) {
        if (!reader.skip()) return;
        reader.next();
        continue;
      }
      const command = due.first();
      if (command === undefined) {
        throw protocolError('a reply that nobody asked for');
      }
      const isError = type === Resp.ERROR || type === Resp.BULK_ERROR;
      if (command.isOver && !isError && command.isAnsweredBy?.(type) === false) {
        throw protocolError('a reply of another kind than was asked for');
      }
      if (isError || command.isOver) {
        // What began to be read by the command is passed over from its beginning.
        if (reader.elementCount > 0) reader.restart();
        if (!reader.skip()) return;
      } else if (!command.readReply(reader)) {
        return;
      }
      if (this.isReady) {
        owner.latency.record(this.lastReceivedAtMs - due.firstSentAtMs());
      }
      this.lastReplyAtMs = this.lastReceivedAtMs;
      due.dropFirst();
      if (!command.isOver) this.hand(command, isError);
      reader.next();
    }
  }

  /** Gives a command its reply. @throws RedisError PROTOCOL where it cannot be read: the command is lost then. */
  private hand(command: RedisCommand, isError: boolean): void {
    const { reader, owner } = this;
    try {
      if (isError) command.onErrorReply(errorText(reader) ?? 'ERR', owner);
      else command.onReply(reader, owner);
    } catch (error) {
      if (!command.isOver && error instanceof RedisError) {
        command.onLost(this.unreachable(error.message, error), true, owner);
      }
      throw error;
    }
  }

  /**
   * Gives the link up when the node owes answers and sends nothing, or nothing that becomes one: after a header that
   * promises too much, all replies seem to be its payload. One timer, however many commands pass.
   */
  private watchSilence(delayMs = this.options.silenceTimeoutMs): void {
    if (this.isWatching) {
      return;
    }
    this.isWatching = true;
    const { runtime, silenceTimeoutMs } = this.options;
    this.timer = runtime.setTimer(() => {
      this.isWatching = false;
      if (this.due.length === 0) {
        return;
      }
      const nowMs = runtime.now();
      const leftMs = silenceTimeoutMs - this.silentForMs(nowMs);
      const owesSinceMs = Math.max(this.lastReplyAtMs, this.due.firstSentAtMs());
      const longestReplyMs = REPLY_PATIENCE * silenceTimeoutMs;
      if (leftMs <= 0) this.close(this.unreachable(`silent for ${silenceTimeoutMs} ms`));
      else if (nowMs - owesSinceMs < longestReplyMs) this.watchSilence(Math.max(leftMs, 1));
      else this.close(this.unreachable(`one reply took more than ${longestReplyMs} ms`));
    }, delayMs);
  }
}
