import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { SideboardError } from './errors.ts';
import { routeByFirstBytes } from './http2/first-bytes.ts';
import type { Http2Engine } from './http2/http2-engine.ts';

/** A connection that has not said its first bytes by then is closed. */
const FIRST_BYTES_TIMEOUT_MS = 10_000;

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** What speaks on the port. */
export interface PortOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Takes the connections that begin as HTTP/2. */
  readonly engine: Http2Engine;
  /** Answers HTTP/1.1 requests. */
  readonly handler: HttpHandler;
}

/** The one port of the server: every protocol, told apart by its first bytes. */
export interface Port {
  readonly address: AddressInfo;
  /**
   * Takes no new connections, tells the open ones to go elsewhere and waits until all that had arrived is answered; cuts
   * what is left after `timeoutMs`.
   *
   * @returns the number of connections that had to be cut
   */
  drain(timeoutMs: number): Promise<number>;
}

export async function openPort(options: PortOptions): Promise<Port> {
  const sockets = new Set<Socket>();
  let draining = false;

  const http1 = createHttpServer(
    { requestTimeout: 60_000, headersTimeout: 15_000 },
    (request, response) => {
      if (draining) response.setHeader('connection', 'close');
      options.handler(request, response);
    },
  );
  // It never listens itself; this starts its checks for slow and idle connections.
  http1.emit('listening');
  const server = createServer({ noDelay: true, pauseOnConnect: false }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    routeByFirstBytes(
      socket,
      {
        http2: (routed) => options.engine.accept(routed),
        http1(routed) {
          http1.emit('connection', routed);
          // A paused socket stays paused when the parser starts to listen.
          routed.resume();
        },
      },
      FIRST_BYTES_TIMEOUT_MS,
    );
  });
  await listen(server, options);

  return {
    address: server.address() as AddressInfo,
    async drain(timeoutMs: number): Promise<number> {
      draining = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      http1.closeIdleConnections();
      void options.engine.drain();
      const idleCheck = setInterval(() => http1.closeIdleConnections(), 50);
      let timer: NodeJS.Timeout | undefined;
      const timedOut = new Promise<true>((resolve) => {
        timer = setTimeout(resolve, timeoutMs, true);
      });
      const isLate = (await Promise.race([closed, timedOut])) === true;
      clearTimeout(timer);
      clearInterval(idleCheck);
      const cutCount = isLate ? sockets.size : 0;
      for (const socket of sockets) socket.destroy();
      options.engine.close();
      http1.close();
      await closed;
      return cutCount;
    },
  };
}

/** @throws SideboardError INVALID_CONFIGURATION when the address cannot be listened on */
function listen(server: Server, options: PortOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const where = `${options.host}:${options.port}`;
      reject(
        new SideboardError(
          'INVALID_CONFIGURATION',
          error.code === 'EADDRINUSE'
            ? `${where} is in use by another process; choose another with --port, or 0 for any free one`
            : `cannot listen on ${where}: ${error.message}`,
          { cause: error },
        ),
      );
    };
    server.once('error', onError);
    server.listen(options.port, options.host, 1024, () => {
      server.off('error', onError);
      resolve();
    });
  });
}
