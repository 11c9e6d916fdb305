import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { Readable, Writable } from 'node:stream';
import { encodeHeaderBlock, type HeaderFields } from '../http2/header-block.ts';
import type {
  RequestBody,
  RequestHead,
  ResponseStream,
  StreamListener,
} from '../http2/http2-engine.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts';

/** Lets a handler written for HTTP/1.1 answer the streams of an HTTP/2 engine. */
export function createStreamListener(handler: HttpHandler): StreamListener {
  return (head, stream): RequestBody => {
    const request = new StreamRequest(head, stream);
    const response = new StreamResponse(stream);
    handler(request, response);
    return {
      onData: (chunk) => request.receive(chunk),
      onEnd: () => request.receive(null),
      onClose(): void {
        if (!request.complete) request.destroy();
        if (!response.writableFinished) response.destroy();
      },
    };
  };
}

/** The request of one HTTP/2 stream. */
class StreamRequest extends Readable implements HttpRequest {
  readonly httpVersion = '2.0';
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly scheme: string;
  complete = false;
  readonly #stream: ResponseStream;

  constructor(head: RequestHead, stream: ResponseStream) {
    super();
    this.#stream = stream;
    this.method = head.method;
    this.url = head.path;
    this.headers = headersOf(head);
    this.scheme = head.scheme;
    // A caller that goes away is seen by 'close'.
    this.on('error', () => {});
  }

  get peer(): string {
    return this.#stream.peer;
  }

  /** More of the body; `null` = that was all. What nobody reads any more is dropped. */
  receive(chunk: Uint8Array | null): void {
    if (chunk === null) this.complete = true;
    if (this.destroyed || this.push(chunk) || chunk === null) return;
    // Whoever is to read has enough for now; what the client's window lets it send still comes.
    this.#stream.hold(true);
  }

  override _read(): void {
    this.#stream.hold(false);
  }
}

function headersOf({ fields, authority }: RequestHead): IncomingHttpHeaders {
  const headers: Record<string, string> = {};
  for (const { name, value } of fields) {
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else headers[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  headers['host'] = authority;
  return headers;
}

/** The answer on one HTTP/2 stream; the head leaves with the first bytes of the body, or alone. */
class StreamResponse extends Writable implements HttpResponse {
  readonly #stream: ResponseStream;
  #fields: HeaderFields = {};
  #responded = false;
  statusCode = 200;
  headersSent = false;

  constructor(stream: ResponseStream) {
    super();
    this.#stream = stream;
  }

  writeHead(status: number, headers: OutgoingHttpHeaders = {}): this {
    this.statusCode = status;
    this.headersSent = true;
    const fields: Record<string, string | number | string[]> = { ':status': status };
    for (const [name, value] of Object.entries(headers)) {
      // What belongs to a connection has no meaning on a stream (RFC 9113 section 8.2.2).
      if (value !== undefined && name !== 'connection') fields[name] = value;
    }
    this.#fields = fields;
    return this;
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: () => void): void {
    this.#respond(false);
    if (this.#stream.write(chunk)) callback();
    else this.#stream.onDrain(callback);
  }

  override _final(callback: () => void): void {
    if (this.#responded) this.#stream.end(undefined, undefined);
    else this.#respond(true);
    callback();
  }

  #respond(end: boolean): void {
    if (this.#responded) return;
    this.#responded = true;
    if (!this.headersSent) this.writeHead(this.statusCode);
    this.#stream.respond(encodeHeaderBlock(this.#fields), end);
  }
}
