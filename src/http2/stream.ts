import type { Connection } from './connection.ts';
import type { HeaderBlock } from './header-block.ts';
import type { RequestBody, ResponseStream } from './http2-engine.ts';
import { creditStream, countKept } from './receive-data.ts';
import type { InLine } from './send-line.ts';
import { endBody, queueBody, sendHeaders, sendReply } from './send-queue.ts';

const NO_BODY: RequestBody = { onData() {}, onEnd() {}, onClose() {} };

/**
 * One request and its response. A class, so that a stream costs one object and no closures. The parts of the connection
 * read and write its fields; the application sees a `ResponseStream`.
 */
export class Stream implements ResponseStream, InLine<Stream> {
  readonly id: number;
  readonly connection: Connection;
  body: RequestBody = NO_BODY;
  isClosed = false;

  /** The client has sent END_STREAM. */
  isRequestEnded = false;
  /** Received bytes that the client has not got back as window. */
  uncreditedBytes = 0;
  /** The application wants no more for now: no window is given back. */
  isHeld = false;
  /** What has come of a request that has not ended, unless the application let go of it. */
  keptBytes = 0;
  /** What is missing of the announced content length; -1 = none was announced. */
  missingBytes = -1;

  /** What the client lets us send; negative after it shrank its windows. */
  sendWindow: number;
  hasHeaders = false;
  /** The application has ended the response; END_STREAM follows what is queued. */
  isEnding = false;
  trailers: HeaderBlock | undefined;
  /** Parts of the body that wait; the first from `queueAt` on. */
  queue: Uint8Array[] | undefined;
  queueAt = 0;
  queuedBytes = 0;
  /** It is in the connection's line of those who may send. */
  isInLine = false;
  nextInLine: Stream | undefined;
  previousInLine: Stream | undefined;
  /** Bytes sent since `stalledSinceMs`. */
  progressBytes = 0;
  stalledSinceMs = 0;
  private drainCallback: (() => void) | undefined;

  constructor(id: number, connection: Connection) {
    this.id = id;
    this.connection = connection;
    this.sendWindow = connection.initialSendWindow;
  }

  respond(headers: HeaderBlock, end: boolean): void {
    if (!this.isClosed && !this.hasHeaders) sendHeaders(this, headers, end);
  }

  write(bytes: Uint8Array): boolean {
    return this.isClosed || this.isEnding || queueBody(this, bytes);
  }

  end(bytes: Uint8Array | undefined, trailers: HeaderBlock | undefined): void {
    if (!this.isClosed && !this.isEnding) endBody(this, bytes, trailers);
  }

  reply(headers: HeaderBlock, body: Uint8Array, trailers: HeaderBlock | undefined): void {
    if (!this.isClosed && !this.hasHeaders) sendReply(this, headers, body, trailers);
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    if (!isHeld && !this.isClosed) creditStream(this);
  }

  release(keptBytes = 0, pieceCount = 0): void {
    if (this.isClosed && keptBytes > 0) return;
    if (this.keptBytes > 0 || keptBytes > 0) countKept(this, keptBytes, pieceCount);
  }

  onDrain(callback: () => void): void {
    this.drainCallback = callback;
    if (this.queuedBytes === 0) this.connection.core.drainedLater(this);
  }

  tellDrained(): void {
    const callback = this.drainCallback;
    this.drainCallback = undefined;
    if (!this.isClosed) callback?.();
  }

  reset(errorCode: number): void {
    if (this.isClosed) return;
    this.connection.sendReset(this.id, errorCode);
    this.connection.closeStream(this);
  }

  get peer(): string {
    return this.connection.peer;
  }
}
