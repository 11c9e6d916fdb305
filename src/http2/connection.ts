import type { Duplex } from 'node:stream';
import { startTimes, type ConnectionTimes } from './connection-times.ts';
import type { EngineCore } from './engine-core.ts';
import { Cost, createFloodGuard, spendCredit } from './flood-guard.ts';
import {
  ConnectionError,
  DEFAULT_WINDOW_BYTES,
  ErrorCode,
  FrameType,
  MAX_STREAM_ID,
  protocolError,
} from './frame.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { writeGoaway, writePing, writeResetStream } from './frame-writer.ts';
import { HeadCache } from './head-cache.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { TABLE_BYTES } from './hpack-table.ts';
import { Intake } from './intake.ts';
import { Output } from './output.ts';
import { peerOf, type PeerSocket } from './peer-of.ts';
import { FRAME_HANDLERS, receiveUnknown } from './receive-frame.ts';
import type { HeaderAssembly } from './receive-headers.ts';
import { SendLine } from './send-line.ts';
import { sendQueued } from './send-queue.ts';
import type { Stream } from './stream.ts';
import { RecentResets } from './recent-resets.ts';
import { StreamTable } from './stream-table.ts';

/** Payload of the ping between the two GOAWAYs. */
const DRAIN_PING = Buffer.from('draining', 'latin1');

/**
 * One HTTP/2 connection of a client. Reads frames as they come, answers in one write per turn of the event loop. Its fields
 * are shared with the files that handle its frames, its queue and its times; the application sees none of them.
 */
export class Connection implements FrameSink {
  readonly core: EngineCore;
  readonly peer: string;
  readonly output: Output;
  readonly decoder = new HpackDecoder();
  readonly heads = new HeadCache();
  readonly guard = createFloodGuard();
  readonly streams = new StreamTable<Stream>();
  readonly times: ConnectionTimes;
  readonly intake: Intake;

  /** Nothing is taken from the client any more, and nothing sent but what is in the socket. */
  isClosed = false;
  /** The client's SETTINGS have come: nothing else may come first. */
  hasSettings = false;
  /** Something was sent since the client's last ping. */
  hasAnswered = false;
  /** Highest stream that the client opened. */
  lastStreamId = 0;
  /** A header block whose end has not come. */
  assembly: HeaderAssembly | undefined;
  /** Received bytes that the client has not got back as window. */
  uncreditedBytes = 0;

  /** The client has made the table of HPACK smaller: the next header block has to say that we know (RFC 7541 section 4.2). */
  hasTableToEmpty = false;
  encoderTableBytes = TABLE_BYTES;
  sendWindow = DEFAULT_WINDOW_BYTES;
  initialSendWindow = DEFAULT_WINDOW_BYTES;
  readonly line = new SendLine<Stream>();
  queuedBytes = 0;
  /** The socket takes no more for now. */
  isCongested = false;
  /** 0 = taking streams, 1 = first GOAWAY sent, 2 = last one sent. */
  drainStage: 0 | 1 | 2 = 0;

  private readonly socket: Duplex;
  private readonly reader = new FrameReader();
  private recentResets: RecentResets | undefined;
  private isDirty = false;

  constructor(core: EngineCore, socket: Duplex, preface: Uint8Array) {
    this.core = core;
    this.socket = socket;
    this.intake = new Intake(socket);
    this.peer = peerOf(socket as PeerSocket);
    this.output = new Output(core.pool);
    this.times = startTimes(core.limits);
    this.output.append(preface);
    this.markDirty();
    socket.on('data', (chunk: Buffer) => this.onBytes(chunk));
    socket.on('drain', () => this.onSocketDrain());
    // What went wrong with a socket is told by 'close'; an unhandled 'error' would end the process.
    socket.on('error', () => {});
    socket.on('end', () => this.hangUp());
    socket.on('close', () => this.onSocketClose());
    socket.resume();
  }

  /** A header block or a frame whose rest is missing; the same object as long as it is the same one. */
  get unfinished(): object | undefined {
    return this.assembly ?? this.reader.unfinished;
  }

  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (this.assembly !== undefined && type !== FrameType.CONTINUATION) {
      throw protocolError('a header block is interrupted by another frame');
    }
    if (!this.hasSettings && type !== FrameType.SETTINGS) {
      throw protocolError('the first frame is not SETTINGS');
    }
    const receive = FRAME_HANDLERS[type] ?? receiveUnknown;
    receive(this, flags, streamId, bytes, start, end);
  }

  /** Something was written to `output`: it leaves at the end of this turn. */
  markDirty(): void {
    if (this.isDirty) return;
    this.isDirty = true;
    this.core.flushLater(this);
  }

  flush(): void {
    this.isDirty = false;
    this.intake.endTurn();
    if (this.isClosed) return;
    if (!this.isCongested) sendQueued(this);
    if (!this.output.flush(this.socket)) this.isCongested = true;
    if (this.isCongested) this.holdBack();
    else if (this.line.first !== undefined && this.sendWindow > 0) this.markDirty();
    if (this.drainStage === 2 && this.streams.size === 0) this.hangUp();
  }

  /** A stream that the client has not opened. */
  isIdle(streamId: number): boolean {
    // After the last GOAWAY there are some that it opened and that we let pass.
    return (streamId & 1) === 0 || (streamId > this.lastStreamId && this.drainStage !== 2);
  }

  /**
   * Ends a stream for what the client did.
   *
   * @throws ConnectionError where there is no such stream, or when that happens too often
   */
  failStream(streamId: number, code: ErrorCode): void {
    if (this.isIdle(streamId)) throw new ConnectionError(code, 'a frame for a stream that is idle');
    this.core.counters.streamErrors += 1;
    const stream = this.streams.get(streamId);
    if (stream === undefined) this.sendReset(streamId, code);
    else stream.reset(code);
    spendCredit(this.guard, Cost.RESET);
  }

  sendReset(streamId: number, code: number): void {
    writeResetStream(this.output, streamId, code);
    (this.recentResets ??= new RecentResets()).add(streamId);
    this.markDirty();
  }

  /** Takes a stream out; the application hears of it after the next flush. */
  closeStream(stream: Stream): void {
    stream.isClosed = true;
    this.streams.delete(stream.id);
    this.line.leave(stream);
    stream.release();
    this.queuedBytes -= stream.queuedBytes;
    this.core.queuedBytes -= stream.queuedBytes;
    stream.queuedBytes = 0;
    stream.queue = undefined;
    if (this.streams.size === 0) this.times.idleSinceMs = this.core.nowMs;
    this.core.counters.streamsClosed += 1;
    this.core.closeLater(stream);
  }

  wasReset(streamId: number): boolean {
    return this.recentResets?.has(streamId) === true;
  }

  /**
   * Asks the client to go elsewhere in two steps (RFC 9113 section 6.8, gRPC's A9): streams that it opened before it heard
   * of it are served. The last GOAWAY goes out when it answers the ping.
   */
  startDrain(reason: string): void {
    if (this.drainStage > 0 || this.isClosed) return;
    this.drainStage = 1;
    this.times.drainingSinceMs = performance.now();
    writeGoaway(this.output, MAX_STREAM_ID, ErrorCode.NO_ERROR, reason);
    writePing(this.output, 0, DRAIN_PING, 0);
    this.markDirty();
  }

  /** The client has answered a ping; the one between two GOAWAYs says that all it opened before them is here. */
  onPingAck(bytes: Buffer, start: number): void {
    if (DRAIN_PING.equals(bytes.subarray(start, start + DRAIN_PING.length))) this.finishDrain();
  }

  /** All that the client opened is here: names the last stream and closes when it has been answered. */
  finishDrain(): void {
    if (this.drainStage !== 1) return;
    this.drainStage = 2;
    writeGoaway(this.output, this.lastStreamId, ErrorCode.NO_ERROR, 'draining');
    this.markDirty();
  }

  /** Ends the connection for what the client did: GOAWAY with a code, then the socket. */
  fail(code: ErrorCode, reason: string): void {
    if (this.isClosed) return;
    this.core.counters.connectionErrors += 1;
    this.core.observer.onConnectionError?.(this.peer, code, reason);
    writeGoaway(this.output, this.lastStreamId, code, reason);
    this.hangUp();
  }

  /** Ends the connection at once: the client is gone, or does not read. */
  cut(reason: string): void {
    if (!this.isClosed) this.core.observer.onConnectionError?.(this.peer, ErrorCode.CANCEL, reason);
    this.destroy();
  }

  destroy(): void {
    this.output.reset();
    this.close();
    this.socket.destroy();
  }

  /** Sends what is pending and FIN. What still comes is thrown away, so that the client can read to the end. */
  private hangUp(): void {
    if (this.isClosed) return;
    this.output.flush(this.socket);
    this.close();
    this.socket.end();
    this.socket.resume();
  }

  private close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.assembly = undefined;
    this.times.closedAtMs = performance.now();
    for (const stream of this.streams.values()) this.closeStream(stream);
  }

  private onBytes(chunk: Buffer): void {
    if (this.isClosed) return;
    this.times.hasHeard = true;
    if (this.intake.take(chunk.length)) this.core.readLater(this.intake);
    try {
      this.reader.read(chunk, this);
    } catch (error) {
      if (error instanceof ConnectionError) {
        this.fail(error.code, error.message);
      } else {
        // A fault of ours. It costs this connection only.
        this.fail(ErrorCode.INTERNAL_ERROR, 'internal error');
        this.core.observer.onFault?.(error);
      }
    }
  }

  private onSocketDrain(): void {
    this.isCongested = false;
    this.times.congestedSinceMs = undefined;
    this.intake.drained();
    if (!this.isClosed) this.markDirty();
  }

  private onSocketClose(): void {
    this.output.reset();
    this.close();
    this.core.removeConnection(this);
  }

  private holdBack(): void {
    this.times.congestedSinceMs ??= performance.now();
    this.intake.holdBack();
  }
}
