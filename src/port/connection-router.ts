import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { routeByFirstBytes } from '../http2/first-bytes.ts';
import type { Http2Engine } from '../http2/http2-engine.ts';
import type { ServerCertificate } from '../tls/server-certificate.ts';
import { createServer as createHttpServer } from '../node-http.ts';
import { createTlsServer, type TlsServerOptions } from '../tls/tls-server.ts';

/** A connection that has not said its first bytes by then is closed. */
const FIRST_BYTES_TIMEOUT_MS = 10_000;
/** How long connections that ask for nothing stay when the server drains: a request may be on its way. */
const IDLE_GRACE_MS = 100;
const DRAIN_CHECK_MS = 50;

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** What speaks on the connections. */
export interface RouterOptions {
  /** For connections of the port; absent = plain text. */
  readonly tls?: TlsServerOptions | undefined;
  /** Takes the connections that begin as HTTP/2. */
  readonly engine: Http2Engine;
  /** Answers HTTP/1.1 requests. */
  readonly handler: HttpHandler;
  /** A client of HTTP/1.1 that reads nothing of its answer for so long is cut; 0, or absent = it may take its time. */
  readonly slowClientTimeoutMs?: number | undefined;
  /** Connections that may be open at once; one more is closed when it comes. Absent = as many as the system allows. */
  readonly maxConnections?: number | undefined;
  /** A connection was too many. */
  readonly onRefused?: ((door: Door, peer: string) => void) | undefined;
}

/** By which way a connection came: TLS is for the port alone. */
export type Door = 'port' | 'unix';

/** Connections that came by one door since the start. */
export interface DoorCounts {
  opened: number;
  closed: number;
  /** Those that were too many; they are not among the others. */
  refused: number;
}

/** Gives every connection to the protocol that it speaks, and ends them all in the end. */
export interface ConnectionRouter {
  /** Takes a connection over, with nothing read of it yet. */
  readonly accept: (socket: Socket, door: Door) => void;
  readonly counts: Readonly<Record<Door, Readonly<DoorCounts>>>;
  /** Answers TLS connections to come with this certificate; where there is TLS only. */
  useCertificate(certificate: ServerCertificate): void;
  /**
   * Tells the open connections to go elsewhere and waits until all that had arrived is answered; cuts what is left after
   * `timeoutMs`. `accept` must not be called any more.
   *
   * @returns the number of connections that had to be cut
   */
  drain(timeoutMs: number): Promise<number>;
}

/**
 * Lets Node's timeout of a silent socket, which does not count while some of an answer is being read, end only those where
 * something of it is left to read: the others wait for the answer.
 */
function limitReading(response: ServerResponse): void {
  response.on('timeout', (socket: Socket) => {
    if (socket.writableLength > 0) socket.destroy();
  });
}

export function createConnectionRouter({
  engine,
  handler,
  tls,
  slowClientTimeoutMs = 0,
  maxConnections = Infinity,
  onRefused,
}: RouterOptions): ConnectionRouter {
  const counts: Record<Door, DoorCounts> = {
    port: { opened: 0, closed: 0, refused: 0 },
    unix: { opened: 0, closed: 0, refused: 0 },
  };
  const sockets = new Set<Socket>();
  /** Of those, the ones whose protocol is not known yet. */
  const undecided = new Set<Socket>();
  let draining = false;
  let onEmpty = (): void => {};

  const http1 = createHttpServer(
    { requestTimeout: 60_000, headersTimeout: 15_000 },
    (request, response) => {
      if (draining) response.setHeader('connection', 'close');
      limitReading(response);
      handler(request, response);
    },
  );
  http1.timeout = slowClientTimeoutMs;
  // It never listens itself; this starts its checks for slow and idle connections.
  http1.emit('listening');
  const speakHttp1 = (socket: Socket): void => {
    http1.emit('connection', socket);
    // A paused socket stays paused when the parser starts to listen.
    socket.resume();
  };
  const routes = {
    http2(socket: Socket): void {
      undecided.delete(socket);
      engine.accept(socket);
    },
    http1(socket: Socket): void {
      undecided.delete(socket);
      speakHttp1(socket);
    },
  };
  const secure =
    tls === undefined
      ? undefined
      : createTlsServer(tls, (socket) => {
          // Over TLS, HTTP/2 has to be negotiated (RFC 9113 section 3.2): who offers nothing speaks HTTP/1.1.
          if (socket.alpnProtocol === 'h2') engine.accept(socket);
          else speakHttp1(socket);
        });

  const refuse = (socket: Socket, door: Door): void => {
    counts[door].refused += 1;
    const { remoteAddress } = socket;
    onRefused?.(door, remoteAddress === undefined ? 'unix socket' : remoteAddress);
    socket.on('error', () => {});
    // FIN, and the descriptor is free: a client that stays would hold what there is too little of.
    socket.destroySoon();
  };

  return {
    counts,
    accept(socket, door): void {
      if (sockets.size >= maxConnections) {
        refuse(socket, door);
        return;
      }
      counts[door].opened += 1;
      // With TLS this is the connection beneath, which takes the other one with it.
      sockets.add(socket);
      socket.once('close', () => {
        counts[door].closed += 1;
        sockets.delete(socket);
        undecided.delete(socket);
        if (sockets.size === 0) onEmpty();
      });
      undecided.add(socket);
      if (secure !== undefined && door === 'port') secure.server.emit('connection', socket);
      else routeByFirstBytes(socket, routes, FIRST_BYTES_TIMEOUT_MS);
    },
    useCertificate: (certificate) => secure?.use(certificate),
    async drain(timeoutMs): Promise<number> {
      draining = true;
      const empty = new Promise<void>((resolve) => {
        onEmpty = resolve;
        if (sockets.size === 0) resolve();
      });
      void engine.drain();
      const startedAtMs = performance.now();
      const idleCheck = setInterval(() => {
        if (performance.now() - startedAtMs < IDLE_GRACE_MS) return;
        http1.closeIdleConnections();
        for (const socket of undecided) if (socket.bytesRead === 0) socket.destroy();
      }, DRAIN_CHECK_MS);
      let timer: NodeJS.Timeout | undefined;
      const timedOut = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs);
      });
      await Promise.race([empty, timedOut]);
      clearTimeout(timer);
      clearInterval(idleCheck);
      const cutCount = sockets.size;
      for (const socket of sockets) socket.destroy();
      engine.close();
      http1.close();
      await empty;
      return cutCount;
    },
  };
}
