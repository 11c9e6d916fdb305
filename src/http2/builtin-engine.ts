import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import type { HeaderBlock } from './header-block.ts';
import type {
  EngineCounters,
  EngineLimits,
  HeaderField,
  Http2Engine,
  RequestHead,
  ResponseStream,
  StreamListener,
} from './http2-engine.ts';
import { peerOf } from './peer-of.ts';

const MIB = 1024 * 1024;
/** What a connection that begins while the server drains may take until it asks for something. */
const FIRST_STREAM_TIMEOUT_MS = 1000;

/** An `Http2Engine` on `node:http2`. Of the limits it knows those of streams, headers, windows and memory. */
export function createBuiltinEngine(limits: EngineLimits, listener: StreamListener): Http2Engine {
  const sessions = new Set<http2.ServerHttp2Session>();
  const counters: EngineCounters = {
    connections: 0,
    connectionErrors: 0,
    streams: 0,
    streamsClosed: 0,
    streamsSucceeded: 0,
    streamsReset: 0,
    streamErrors: 0,
    pings: 0,
    // These it does not know of.
    keepAlivesSent: 0,
    flowControlStalls: 0,
  };
  let isDraining = false;
  const server = http2.createServer({
    maxSessionMemory: Math.max(1, Math.ceil(limits.maxQueuedBytes / MIB)),
    settings: {
      initialWindowSize: limits.windowBytes,
      maxConcurrentStreams: limits.maxConcurrentStreams,
      maxHeaderListSize: limits.maxHeaderListBytes,
      enablePush: false,
    },
  });
  server.on('session', (session) => {
    sessions.add(session);
    counters.connections += 1;
    session.on('ping', () => (counters.pings += 1));
    session.once('close', () => sessions.delete(session));
    session.setLocalWindowSize(limits.windowBytes);
    if (isDraining) drainNewcomer(session);
    // Errors of a connection end that connection only; its streams are told through `onClose`.
    session.on('error', () => {
      counters.connectionErrors += 1;
      session.destroy();
    });
  });
  server.on('stream', (stream, headers) => {
    counters.streams += 1;
    stream.on('aborted', () => (counters.streamsReset += 1));
    stream.once('close', () => {
      counters.streamsClosed += 1;
      if (stream.writableFinished) counters.streamsSucceeded += 1;
    });
    serveStream(stream, headers, listener);
  });
  server.on('sessionError', () => {});

  return {
    counters,
    accept(socket: Duplex): void {
      server.emit('connection', socket);
      // The session takes the unshifted bytes in the next tick and then reads below the stream. A stream that stayed
      // paused would never tell it that the client hung up.
      setImmediate(() => socket.resume());
    },
    get connectionCount(): number {
      return sessions.size;
    },
    get queuedBytes(): number {
      let bytes = 0;
      for (const session of sessions) bytes += session.socket.writableLength;
      return bytes;
    },
    async drain(): Promise<void> {
      isDraining = true;
      await Promise.all([...sessions].map((session) => drainSession(session)));
    },
    close(): void {
      for (const session of sessions) session.destroy();
    },
  };
}

/**
 * Sends GOAWAY with the last stream taken; streams up to it are finished, later ones a gRPC client sends elsewhere by
 * itself. One GOAWAY, not the two of RFC 9113 section 6.8: after the first nghttp2 reads no more once no stream is open.
 */
function drainSession(session: http2.ServerHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    if (session.destroyed) {
      resolve();
      return;
    }
    session.once('close', resolve);
    session.close();
  });
}

/**
 * It was opened before, and came to be known as HTTP/2 now. What it brings along is answered: after a GOAWAY sent at once
 * nghttp2 would not read it.
 */
function drainNewcomer(session: http2.ServerHttp2Session): void {
  const timer = setTimeout(() => session.close(), FIRST_STREAM_TIMEOUT_MS);
  session.once('close', () => clearTimeout(timer));
  // Streams that came together are heard of in one turn.
  session.once('stream', () => setImmediate(() => session.close()));
}

function serveStream(
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  listener: StreamListener,
): void {
  const body = listener(requestHead(headers), responseStream(stream));
  stream.on('data', (chunk: Buffer) => body.onData(chunk));
  stream.on('end', () => body.onEnd());
  stream.on('close', () => body.onClose());
  // What went wrong with the stream is told by 'close'; an unhandled 'error' would end the process.
  stream.on('error', () => {});
}

function requestHead(headers: http2.IncomingHttpHeaders): RequestHead {
  let fields: HeaderField[] | undefined;
  return {
    method: headers[':method'] ?? '',
    path: headers[':path'] ?? '',
    scheme: headers[':scheme'] ?? '',
    authority: headers[':authority'] ?? headers.host ?? '',
    get fields(): readonly HeaderField[] {
      return (fields ??= fieldsOf(headers));
    },
    header(name: string): string | undefined {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
  };
}

function fieldsOf(headers: http2.IncomingHttpHeaders): HeaderField[] {
  return Object.entries(headers)
    .filter(([name]) => !name.startsWith(':'))
    .flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value ?? '']).map((each) => ({ name, value: each })),
    );
}

function responseStream(stream: http2.ServerHttp2Stream): ResponseStream {
  const alive = (): boolean => !stream.destroyed && !stream.closed;
  return {
    respond({ fields }: HeaderBlock, end: boolean): void {
      if (alive() && !stream.headersSent) {
        stream.respond(fields, end ? { endStream: true } : { waitForTrailers: true });
      }
    },
    write(bytes: Uint8Array): boolean {
      return alive() ? stream.write(bytes) : true;
    },
    onDrain(callback: () => void): void {
      stream.once('drain', callback);
    },
    hold(isHeld: boolean): void {
      if (isHeld) stream.pause();
      else if (alive()) stream.resume();
    },
    // It is not counted here.
    release() {},
    end(bytes: Uint8Array | undefined, trailers: HeaderBlock | undefined): void {
      if (!alive()) return;
      // Without fields it sends an empty DATA frame that ends the stream.
      stream.once('wantTrailers', () => stream.sendTrailers(trailers?.fields ?? {}));
      if (bytes === undefined) stream.end();
      else stream.end(bytes);
      // A client that still sends is left to find out by itself: Node's reset overtakes the last of the answer.
    },
    reply(headers: HeaderBlock, body: Uint8Array, trailers: HeaderBlock | undefined): void {
      this.respond(headers, false);
      this.end(body, trailers);
    },
    reset(errorCode: number): void {
      if (alive()) stream.close(errorCode);
    },
    get peer(): string {
      const socket = stream.session?.socket;
      return socket === undefined ? 'gone' : peerOf(socket);
    },
  };
}
