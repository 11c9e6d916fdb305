import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import type { PeerSocket } from '../http2/peer-of.ts';

/**
 * A request as the handlers see it, and its body. `IncomingMessage` of node:http is one; `stream-exchange.ts` makes one of
 * an HTTP/2 stream.
 */
export interface HttpRequest extends Readable {
  readonly httpVersion: string;
  readonly method?: string | undefined;
  /** Path and query. */
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Of HTTP/1.1. */
  readonly socket?: PeerSocket & { readonly destroyed: boolean; readonly encrypted?: boolean };
  /** Of a stream of HTTP/2, as `peerOf` has it, and what its client says of TLS. */
  readonly peer?: string;
  readonly scheme?: string;
  /** Everything has arrived. */
  readonly complete: boolean;
}

/** The answer to one request; `ServerResponse` of node:http is one. */
export interface HttpResponse extends Writable {
  readonly statusCode: number;
  readonly headersSent: boolean;
  writeHead(status: number, headers?: OutgoingHttpHeaders): unknown;
}

/** Answers one request. */
export type HttpHandler = (request: HttpRequest, response: HttpResponse) => void;
