import type { RequestBody } from '../http2/http2-engine.ts';
import { withoutRest } from '../http2/without-rest.ts';
import { FRAME_HEADROOM, type GrpcMethod, type StreamingCall } from './grpc-service.ts';
import { createMessageReader, frameMessage, type MessageReader } from './message-reader.ts';
import { headOf, packsAnswers } from './response-head.ts';
import type { ServerCall } from './server-call.ts';
import { cutOff, notOneMessage, type CommonParts } from './unary-body.ts';

type StreamingMethod = Extract<GrpcMethod, { kind: 'streaming' }>;

/**
 * The body of a call with a stream of requests or answers. Requests are read one after the other while the method takes them
 * and the caller takes the answers; until then they stay as they came, in what flow control lets in.
 */
export class StreamingBody implements RequestBody {
  private readonly call: ServerCall;
  private readonly requests: StreamingMethod['requests'];
  private readonly openStreams: Set<ServerCall>;
  private readonly reader: MessageReader;
  private readonly streaming: StreamingCall;
  private messageCount = 0;
  private isHeldByMethod = false;
  private isHeldByAnswers = false;
  private hasAll = false;
  private isEnded = false;

  constructor(
    call: ServerCall,
    { open, requests }: StreamingMethod,
    encoding: string,
    { limits, openStreams, trailersOf }: CommonParts,
  ) {
    this.call = call;
    this.requests = requests;
    this.openStreams = openStreams;
    openStreams.add(call);
    call.waitForEver();
    this.reader = createMessageReader(encoding, limits.maxRequestBytes);
    const isPacked = packsAnswers(call, encoding);
    const head = headOf(isPacked);
    this.streaming = open(call, {
      open: () => call.open(head),
      send: (message) => {
        if (call.isOver) return;
        const framed = Buffer.allocUnsafe(FRAME_HEADROOM + message.length);
        framed.set(message, FRAME_HEADROOM);
        if (!call.send(head, frameMessage(framed, isPacked))) this.waitForAnswers();
      },
      hold: (isHeld) => {
        this.isHeldByMethod = isHeld;
        this.goOn();
      },
      end(error?: unknown): void {
        if (error === undefined) call.finish(head, undefined, trailersOf(call));
        else call.fail(error);
      },
    });
  }

  onData(chunk: Uint8Array): void {
    if (this.call.isOver) return;
    this.reader.push(this.isHeld ? withoutRest(chunk) : chunk);
    this.readMessages();
  }

  onEnd(): void {
    this.hasAll = true;
    this.readMessages();
  }

  onClose(): void {
    this.openStreams.delete(this.call);
    this.call.close();
  }

  private get isHeld(): boolean {
    return this.isHeldByMethod || this.isHeldByAnswers;
  }

  private waitForAnswers(): void {
    if (this.isHeldByAnswers) return;
    this.isHeldByAnswers = true;
    this.call.hold(true);
    this.call.onDrain(() => {
      this.isHeldByAnswers = false;
      this.goOn();
    });
  }

  /** What is here is read before more is let in: a window of more with each of a few requests that are read would pile up. */
  private goOn(): void {
    if (!this.isHeld) this.readMessages();
    this.call.hold(this.isHeld);
  }

  private readMessages(): void {
    const { call, reader } = this;
    try {
      while (!this.isHeld && !call.isOver) {
        const message = reader.next();
        if (message === undefined) break;
        this.messageCount += 1;
        call.received();
        if (this.requests === 'one' && this.messageCount > 1) throw notOneMessage(call.path);
        this.streaming.onMessage(message);
      }
      call.release(reader.waitingBytes, reader.pieceCount);
      if (this.hasAll) this.end();
    } catch (error) {
      call.fail(error);
    }
  }

  private end(): void {
    const { call, reader } = this;
    const hasMore = this.isHeld && reader.isMidMessage;
    if (call.isOver || this.isEnded || hasMore) return;
    this.isEnded = true;
    if (reader.isMidMessage) throw cutOff();
    if (this.requests === 'one' && this.messageCount === 0) throw notOneMessage(call.path);
    this.streaming.onEnd();
  }
}
