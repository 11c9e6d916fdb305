/**
 * The seam between HTTP/2 and what runs on it. An engine turns connections into streams of bytes; the application sees
 * a request head and pushes bytes back. Nothing here knows gRPC. `engine.ts` is our implementation, `builtin-engine.ts`
 * the one on `node:http2`.
 */
import type { Duplex } from 'node:stream';
import type { HeaderBlock } from './header-block.ts';

/** One header field; its name is in lower case. */
export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

/** Head of a request. It may be shared by requests with equal heads: do not change it. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  /** `http` or `https`, as the client says. */
  readonly scheme: string;
  /** `:authority`, or the `host` field, or ''. */
  readonly authority: string;
  /** All fields but the pseudo-header ones, in the order of the request. */
  readonly fields: readonly HeaderField[];
  /** The value of a field by its lower-case name, several joined by ", "; `undefined` = absent. */
  header(name: string): string | undefined;
}

/** What the application does with the body of one request. Called in order, never after `onClose`. */
export interface RequestBody {
  /** The next bytes; they do not change afterwards and may be kept. */
  onData(chunk: Uint8Array): void;
  /** The client has sent everything. */
  onEnd(): void;
  /** The stream is over: finished, reset by the client, or its connection went away. Called exactly once. */
  onClose(): void;
}

/** The response side of one stream. Calls after the stream was closed are ignored. */
export interface ResponseStream {
  /** Sends the header fields; with `end` they are all there is (gRPC: trailers-only). */
  respond(headers: HeaderBlock, end: boolean): void;
  /**
   * Sends part of the body. The bytes must not change afterwards. False: the client reads slowly or other streams are
   * being served, see `onDrain`.
   */
  write(bytes: Uint8Array): boolean;
  /** Calls back once when what was written has left. */
  onDrain(callback: () => void): void;
  /**
   * Sends the last bytes of the body, if any, and the trailer fields, if any, and ends the stream. A client that is not done
   * with its request may be told to stop, once all has left (RST_STREAM with NO_ERROR, RFC 9113 section 8.1).
   */
  end(bytes: Uint8Array | undefined, trailers: HeaderBlock | undefined): void;
  /** `respond` and `end` in one: the way of a unary call. */
  reply(headers: HeaderBlock, body: Uint8Array, trailers: HeaderBlock | undefined): void;
  /**
   * While held, the client gets no more flow-control window for this stream, so that at most what it has already still comes;
   * other streams go on.
   */
  hold(isHeld: boolean): void;
  /**
   * The application has let go of all that has come so far, or all but the last of it. Until then it counts among what the
   * client makes us keep. Once the client has sent everything it does no more, unless the application says what it keeps.
   *
   * @param keptBytes so many of it are still needed, in so many pieces; the stream is reset where that is too much
   */
  release(keptBytes?: number, pieceCount?: number): void;
  /** Ends the stream with an HTTP/2 error code (RFC 9113 section 7). */
  reset(errorCode: number): void;
  /** Where the request comes from, as `peerOf` has it. */
  readonly peer: string;
}

/** Called for every new stream. */
export interface StreamListener {
  (head: RequestHead, response: ResponseStream): RequestBody;
  /**
   * Asked before a stream is made for a request. What it returns is all of the response, and the request costs no more than that:
   * whatever else the client sends of it is dropped. An engine need not ask.
   */
  readonly turnAway?: (head: RequestHead) => HeaderBlock | undefined;
}

/** Limits of one engine. Those of a connection hold for every one; times are milliseconds, 0 = without such a limit. */
export interface EngineLimits {
  /** Streams that one connection may have open; more are refused with REFUSED_STREAM. */
  readonly maxConcurrentStreams: number;
  /** Bytes of header fields of one request, 32 more for each field. */
  readonly maxHeaderListBytes: number;
  /** Flow-control window of a stream and of a connection for what clients send; it opens again as bytes come. */
  readonly windowBytes: number;
  /**
   * Bytes that may wait for one client: for it to read its responses, and for it to go on with requests that it has begun.
   * Beyond it streams are refused and reset. One response waits always.
   */
  readonly maxQueuedBytes: number;
  /** The same for all clients together; beyond it the connection that holds most is cut. */
  readonly maxQueuedBytesTotal: number;
  /** A response, or a connection, of which nothing is read for so long is ended. */
  readonly slowClientTimeoutMs: number;
  /** A connection of this age, a tenth more or less, is asked to go elsewhere. */
  readonly maxConnectionAgeMs: number;
  /** The same for one that has had no stream for so long. */
  readonly maxConnectionIdleMs: number;
  /** How long streams may take to end after that. */
  readonly drainGraceMs: number;
  /** A connection that was not heard of for so long is pinged … */
  readonly keepAliveMs: number;
  /** … and cut when it has not answered by then. */
  readonly keepAliveTimeoutMs: number;
  /** Clients that ping more often, without being answered anything, are turned away (`too_many_pings`). */
  readonly minPingIntervalMs: number;
}

/** What an engine has counted since its start. */
export interface EngineCounters {
  connections: number;
  /** Connections ended for what their client did. */
  connectionErrors: number;
  streams: number;
  /** Streams that are over, and those of them whose response was sent to its end. */
  streamsClosed: number;
  streamsSucceeded: number;
  /** Streams that clients reset. */
  streamsReset: number;
  /** Streams that were reset for what their client did. */
  streamErrors: number;
  pings: number;
  /** Pings that asked silent clients whether they are there. */
  keepAlivesSent: number;
  /** Times that a response had to wait for its client to open a window. */
  flowControlStalls: number;
}

/** Is told what goes wrong. */
export interface EngineObserver {
  /** A client's connection was ended for what it did; `code` is of RFC 9113 section 7. */
  onConnectionError?(peer: string, code: number, reason: string): void;
  /** Something of ours threw; the connection was ended. */
  onFault?(error: unknown): void;
}

export interface Http2Engine {
  /** Takes over a connection (TCP, TLS, unix); bytes already read are unshifted into the socket first. */
  accept(socket: Duplex): void;
  readonly connectionCount: number;
  /** Bytes that wait for clients: for them to read responses, and to go on with requests. */
  readonly queuedBytes: number;
  readonly counters: Readonly<EngineCounters>;
  /** Tells clients to go elsewhere (GOAWAY), lets open streams end; resolves when the last connection has. */
  drain(): Promise<void>;
  /** Cuts every connection. */
  close(): void;
}
