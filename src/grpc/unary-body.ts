import type { Entrant, PlaceInLine } from '../admission/waiting-line.ts';
import type { Entrance } from '../call/entrance.ts';
import type { SideboardError } from '../errors.ts';
import type { RequestBody } from '../http2/http2-engine.ts';
import { withoutRest } from '../http2/without-rest.ts';
import type { GrpcMethod } from './grpc-service.ts';
import {
  createMessageReader,
  frameMessage,
  unpackMessage,
  wholeMessage,
  type MessageReader,
} from './message-reader.ts';
import { headOf, packsAnswers } from './response-head.ts';
import type { CallLimits, ServerCall } from './server-call.ts';
import { GrpcCode, GrpcStatusError } from './status.ts';
import type { TrailersOf } from './trailers.ts';

/** What all calls of a dispatcher share. */
export interface CommonParts {
  /** Those with streams of requests or answers: they have no end of their own. */
  readonly openStreams: Set<ServerCall>;
  readonly limits: CallLimits;
  readonly trailersOf: TrailersOf;
  readonly entrance: Entrance;
}

type UnaryCall = Extract<GrpcMethod, { kind: 'unary' }>;

/** The body of a call with one request and one response. A class, so that a call costs one object and no closures. */
export class UnaryBody implements RequestBody, Entrant {
  place: PlaceInLine | undefined;
  private readonly call: ServerCall;
  private readonly method: UnaryCall;
  private readonly encoding: string;
  private readonly common: CommonParts;
  private message: Uint8Array | undefined;
  /** It was compressed, and is until its turn comes: a few kilobytes may be all that a request may have. */
  private isPacked = false;
  /** Only for what does not come in one piece. */
  private reader: MessageReader | undefined;

  constructor(call: ServerCall, method: UnaryCall, encoding: string, common: CommonParts) {
    this.call = call;
    this.method = method;
    this.encoding = encoding;
    this.common = common;
  }

  onData(chunk: Uint8Array): void {
    if (this.call.isOver) return;
    if (this.message === undefined && this.reader === undefined) {
      this.message = wholeMessage(chunk, this.common.limits.maxRequestBytes);
      if (this.message !== undefined) return;
    }
    try {
      this.readPiece(chunk);
    } catch (error) {
      this.call.fail(error);
    }
  }

  onEnd(): void {
    const { call, message } = this;
    if (call.isOver) return;
    if (message === undefined) {
      call.fail(this.reader?.isMidMessage === true ? cutOff() : notOneMessage(call.path));
      return;
    }
    call.received();
    this.common.entrance.enter(this, this.method.admission);
    if (this.place !== undefined) this.message = withoutRest(message);
  }

  get deadlineAtMs(): number {
    return this.call.deadlineAtMs;
  }

  get messageBytes(): number {
    return this.message?.length ?? 0;
  }

  letIn(nowMs: number): void {
    const { call } = this;
    const { entrance } = this.common;
    if (call.isOver) {
      entrance.turnBack(nowMs);
      return;
    }
    call.begin(entrance, nowMs);
    try {
      this.method.call(this.unpacked(), call).then(
        (framed) => this.succeed(framed),
        (error: unknown) => call.fail(error),
      );
    } catch (error) {
      call.fail(error);
    }
  }

  refuse(error: SideboardError): void {
    this.call.fail(error);
  }

  onClose(): void {
    this.common.entrance.withdraw(this);
    this.call.close();
  }

  private readPiece(chunk: Uint8Array): void {
    this.reader ??= createMessageReader(this.encoding, this.common.limits.maxRequestBytes);
    this.reader.push(chunk);
    const received = this.message === undefined ? this.reader.nextReceived() : undefined;
    if (received !== undefined) {
      this.message = received.bytes;
      this.isPacked = received.isPacked;
    }
    if (this.message !== undefined && this.reader.isMidMessage) throw notOneMessage(this.call.path);
  }

  private unpacked(): Uint8Array {
    const message = this.message!;
    if (!this.isPacked) return message;
    return unpackMessage(message, this.encoding, this.common.limits.maxRequestBytes);
  }

  private succeed(framed: Uint8Array): void {
    if (this.call.isOver) return;
    const isPacked = packsAnswers(this.call, this.encoding);
    this.call.finish(
      headOf(isPacked),
      frameMessage(framed, isPacked),
      this.common.trailersOf(this.call),
    );
  }
}

export function cutOff(): GrpcStatusError {
  return new GrpcStatusError(GrpcCode.INTERNAL, 'the request message is cut off');
}

export function notOneMessage(path: string): GrpcStatusError {
  return new GrpcStatusError(GrpcCode.UNIMPLEMENTED, `${path} takes one request message`);
}
