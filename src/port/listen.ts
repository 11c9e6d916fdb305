import { lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type ListenOptions, type Server } from 'node:net';
import { SideboardError } from '../errors.ts';

/** Connections that the system keeps until they are taken. */
const BACKLOG = 1024;

/** A unix socket in the file system. */
export interface UnixSocket {
  /** Absolute. */
  readonly path: string;
  /** Permission bits of the file: who may connect. */
  readonly mode: number;
}

/** An address to listen on. */
export interface PortPlace {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Share the port with other processes that do so too. */
  readonly reusePort?: boolean;
}

/**
 * Listens on an address.
 *
 * @param flag of the command line that chooses another port
 * @throws SideboardError INVALID_CONFIGURATION (by rejection) when that is not possible
 */
export async function listenOnPort(
  server: Server,
  { host, port, reusePort = false }: PortPlace,
  flag = '--port',
): Promise<AddressInfo> {
  const where = `${host}:${port}`;
  try {
    await listen(server, { host, port, reusePort });
  } catch (error) {
    throw cannotListen(where, error, `choose another with ${flag}, or 0 for any free one`);
  }
  return server.address() as AddressInfo;
}

/** Whether the system lets several processes listen on one port and deals the connections out to them. */
export async function canReusePort(): Promise<boolean> {
  const server = createServer();
  try {
    await listen(server, { host: '127.0.0.1', port: 0, reusePort: true });
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/**
 * Listens on a unix socket. A socket that a dead process left there is replaced; what is no socket, or one that answers, is
 * left alone.
 *
 * @throws SideboardError INVALID_CONFIGURATION (by rejection) when that is not possible
 */
export async function listenOnUnixSocket(
  server: Server,
  { path, mode }: UnixSocket,
): Promise<void> {
  try {
    if (await isAbandoned(path)) await unlink(path);
    // The file is made inside `listen`, at once: nobody sees it with other permissions.
    const before = process.umask(0o777 & ~mode);
    const listening = listen(server, { path });
    process.umask(before);
    await listening;
  } catch (error) {
    throw cannotListen(`unix_socket ${path}`, error, 'choose another with --unix-socket');
  }
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...options, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Whether a socket is there that nobody answers. */
async function isAbandoned(path: string): Promise<boolean> {
  try {
    if (!(await lstat(path)).isSocket()) return false;
  } catch {
    return false;
  }
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

function cannotListen(where: string, error: unknown, remedy: string): SideboardError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new SideboardError(
    'INVALID_CONFIGURATION',
    code === 'EADDRINUSE'
      ? `${where} is in use by another process; ${remedy}`
      : `cannot listen on ${where}: ${message}`,
    { cause: error },
  );
}
