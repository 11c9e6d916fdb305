import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { routeByFirstBytes } from './http2/first-bytes.ts';
import type { Http2Engine } from './http2/http2-engine.ts';
import { listenOnPort, listenOnUnixSocket, type UnixSocket } from './listen.ts';
import type { ServerCertificate } from './tls/server-certificate.ts';
import { createTlsServer, type TlsServerOptions } from './tls/tls-server.ts';

/** A connection that has not said its first bytes by then is closed. */
const FIRST_BYTES_TIMEOUT_MS = 10_000;

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** What speaks on the port. */
export interface PortOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Absent = plain text. */
  readonly tls?: TlsServerOptions | undefined;
  /** Speaks the same protocols, in plain text: who may connect is a matter of its file's mode. */
  readonly unixSocket?: UnixSocket | undefined;
  /** Takes the connections that begin as HTTP/2. */
  readonly engine: Http2Engine;
  /** Answers HTTP/1.1 requests. */
  readonly handler: HttpHandler;
}

/** The one port of the server: every protocol, told apart by ALPN or by its first bytes. */
export interface Port {
  readonly address: AddressInfo;
  /** Answers TLS connections to come with this certificate; for a port with TLS only. */
  useCertificate(certificate: ServerCertificate): void;
  /**
   * Takes no new connections, tells the open ones to go elsewhere and waits until all that had arrived is answered; cuts
   * what is left after `timeoutMs`.
   *
   * @returns the number of connections that had to be cut
   */
  drain(timeoutMs: number): Promise<number>;
}

/** @throws SideboardError INVALID_CONFIGURATION (by rejection) when the address cannot be listened on */
export async function openPort(options: PortOptions): Promise<Port> {
  const { engine, tls, unixSocket } = options;
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
  const speakHttp1 = (socket: Socket): void => {
    http1.emit('connection', socket);
    // A paused socket stays paused when the parser starts to listen.
    socket.resume();
  };
  const speakEither = (socket: Socket): void =>
    routeByFirstBytes(
      socket,
      { http2: (routed) => engine.accept(routed), http1: speakHttp1 },
      FIRST_BYTES_TIMEOUT_MS,
    );
  const plainServer = (): Server =>
    createServer({ noDelay: true, pauseOnConnect: false }, speakEither);
  const secure =
    tls === undefined
      ? undefined
      : createTlsServer(tls, (socket) => {
          // Over TLS, HTTP/2 has to be negotiated (RFC 9113 section 3.2): who offers nothing speaks HTTP/1.1.
          if (socket.alpnProtocol === 'h2') engine.accept(socket);
          else speakHttp1(socket);
        });

  const servers: Server[] = [];
  const opened = (server: Server): Server => {
    servers.push(server);
    // With TLS this is the connection beneath, which takes the other one with it.
    return server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
  };
  const closeServers = (): Promise<unknown> =>
    Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));

  const address = await listenOnPort(
    opened(secure?.server ?? plainServer()),
    options.host,
    options.port,
  );
  if (unixSocket !== undefined) {
    try {
      await listenOnUnixSocket(opened(plainServer()), unixSocket);
    } catch (error) {
      await closeServers();
      throw error;
    }
  }

  return {
    address,
    useCertificate: (certificate) => secure?.use(certificate),
    async drain(timeoutMs: number): Promise<number> {
      draining = true;
      const closed = closeServers();
      http1.closeIdleConnections();
      void engine.drain();
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
      engine.close();
      http1.close();
      await closed;
      return cutCount;
    },
  };
}
