import { createServer, type AddressInfo } from 'node:net';
import {
  createConnectionRouter,
  type ConnectionRouter,
  type RouterOptions,
} from './connection-router.ts';
import { listenOnPort, listenOnUnixSocket, type UnixSocket } from './listen.ts';

/** Where to listen. */
export interface ListenPlaces {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Share the port with other processes that do so too. */
  readonly reusePort?: boolean;
  /** Speaks the same protocols, in plain text: who may connect is a matter of its file's mode. */
  readonly unixSocket?: UnixSocket | undefined;
}

/** What speaks on the port. */
export interface PortOptions extends ListenPlaces, RouterOptions {}

/** The one port of the server: every protocol, told apart by ALPN or by its first bytes. */
export interface Port extends Pick<ConnectionRouter, 'useCertificate'> {
  readonly address: AddressInfo;
  /** As `ConnectionRouter.drain`; takes no new connections either. */
  drain(timeoutMs: number): Promise<number>;
}

/** @throws SideboardError INVALID_CONFIGURATION (by rejection) when the address cannot be listened on */
export async function openPort(options: PortOptions): Promise<Port> {
  const router = createConnectionRouter(options);
  const doors = await openDoors(options, (socket, door) => router.accept(socket, door));
  return {
    address: doors.address,
    useCertificate: (certificate) => router.useCertificate(certificate),
    drain(timeoutMs): Promise<number> {
      doors.close();
      return router.drain(timeoutMs);
    },
  };
}

/** What is listened on. */
export interface Doors {
  readonly address: AddressInfo;
  /** Takes no new connections; those that are open stay. */
  close(): void;
}

/** @throws SideboardError INVALID_CONFIGURATION (by rejection) when a place cannot be listened on */
export async function openDoors(
  places: ListenPlaces,
  onConnection: ConnectionRouter['accept'],
  options: { readonly pauseOnConnect: boolean } = { pauseOnConnect: false },
): Promise<Doors> {
  const server = createServer({ noDelay: true, ...options }, (socket) =>
    onConnection(socket, 'port'),
  );
  const address = await listenOnPort(server, places);
  if (places.unixSocket === undefined) return { address, close: () => void server.close() };
  try {
    const unixDoor = await openUnixDoor(places.unixSocket, onConnection, options);
    return {
      address,
      close(): void {
        server.close();
        unixDoor.close();
      },
    };
  } catch (error) {
    server.close();
    throw error;
  }
}

/** The unix socket alone. @throws SideboardError INVALID_CONFIGURATION (by rejection) when it cannot be listened on */
export async function openUnixDoor(
  unixSocket: UnixSocket,
  onConnection: ConnectionRouter['accept'],
  options: { readonly pauseOnConnect: boolean } = { pauseOnConnect: false },
): Promise<Pick<Doors, 'close'>> {
  const server = createServer(options, (socket) => onConnection(socket, 'unix'));
  await listenOnUnixSocket(server, unixSocket);
  return { close: () => void server.close() };
}
