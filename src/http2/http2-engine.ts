/**
 * The seam between HTTP/2 and what runs on it. An engine turns connections into streams of bytes; the application sees
 * a request head and pushes bytes back. Nothing here knows gRPC. `builtin-engine.ts` is the implementation on
 * `node:http2`.
 */
import type { Socket } from 'node:net';

/** Head of a request: pseudo-header fields and a lookup of the rest by lower-case name. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  /** The value of a header field, several joined by ", "; `undefined` = absent. */
  header(name: string): string | undefined;
}

/** What the application does with the body of one request. Called in order, never after `onClose`. */
export interface RequestBody {
  onData(chunk: Uint8Array): void;
  /** The client has sent everything. */
  onEnd(): void;
  /** The stream is over: finished, reset by the client, or its connection went away. Called exactly once. */
  onClose(): void;
}

export type HeaderFields = Readonly<Record<string, string | number>>;

/** The response side of one stream. Calls after the stream was closed are ignored. */
export interface ResponseStream {
  /** Sends the header fields; with `end` they are all there is (gRPC: trailers-only). */
  respond(fields: HeaderFields, end: boolean): void;
  /** Sends part of the body. The bytes must not change afterwards. False: the client reads slowly, see `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** Calls back once when what was written has left. */
  onDrain(callback: () => void): void;
  /** Sends the last bytes of the body, if any, and the trailer fields, and ends the stream. */
  end(bytes: Uint8Array | undefined, trailers: HeaderFields): void;
  /** Ends the stream with an HTTP/2 error code (RFC 9113 section 7). */
  reset(errorCode: number): void;
  /** What `local` and `remote` are to the log: "address:port". */
  readonly peer: string;
}

/** Called for every new stream. */
export type StreamListener = (head: RequestHead, response: ResponseStream) => RequestBody;

/** Limits of one engine; every connection has its own share. */
export interface EngineLimits {
  /** Streams that one connection may have open; more are refused with REFUSED_STREAM. */
  readonly maxConcurrentStreams: number;
  /** Bytes of header fields of one request. */
  readonly maxHeaderListBytes: number;
  /** Flow-control window of a stream and of a connection for what clients send. */
  readonly windowBytes: number;
  /** Memory that one connection may hold in queues, in MiB. */
  readonly maxConnectionMemoryMiB: number;
}

export interface Http2Engine {
  /** Takes over a connection; bytes already read are unshifted into the socket first. */
  accept(socket: Socket): void;
  readonly connectionCount: number;
  /** Tells clients to go elsewhere (GOAWAY), lets open streams end; resolves when the last connection has. */
  drain(): Promise<void>;
  /** Cuts every connection. */
  close(): void;
}
