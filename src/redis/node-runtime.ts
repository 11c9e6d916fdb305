import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type {
  RedisRuntime,
  RedisSocket,
  RedisTlsOptions,
  SocketHandlers,
  SocketTarget,
} from './redis-runtime.ts';

/** The real world: Node's sockets, timers and chance. */
export const nodeRuntime: RedisRuntime = {
  now: () => performance.now(),
  random: () => Math.random(),
  setTimer(run, delayMs) {
    const timer = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  defer: (run) => void setImmediate(run),
  connect: openSocket,
  async resolveAddresses(host) {
    if (isIP(host) !== 0) {
      return [host];
    }
    return (await lookup(host, { all: true })).map(({ address }) => address);
  },
};

function openSocket(target: SocketTarget, handlers: SocketHandlers): RedisSocket {
  let isOver = false;
  let failure: Error | undefined;
  let socket: Socket;
  try {
    socket = createSocket(target, handlers);
  } catch (error) {
    // A port that is none, a certificate that cannot be read: Node throws what it tells otherwise.
    return failedSocket(handlers, error instanceof Error ? error : new Error(String(error)));
  }
  socket.setNoDelay(true);
  socket.setKeepAlive(target.keepAliveMs > 0, target.keepAliveMs);
  socket.once(target.tls === false ? 'connect' : 'secureConnect', () => {
    if (!isOver) handlers.onConnect();
  });
  socket.on('error', (error) => {
    failure ??= error;
  });
  socket.once('close', () => {
    if (!isOver) {
      isOver = true;
      handlers.onClose(failure);
    }
  });
  return {
    write(bytes, onWritten) {
      socket.write(bytes, (error) => {
        if (error === undefined || error === null) {
          if (!isOver) onWritten();
        }
      });
    },
    destroy() {
      isOver = true;
      socket.destroy();
    },
  };
}

/** A socket that never came to be. */
function failedSocket({ onClose }: SocketHandlers, error: Error): RedisSocket {
  const told = setImmediate(onClose, error);
  return { write: () => {}, destroy: () => clearImmediate(told) };
}

/** Bytes go straight into the buffers of `handlers`: no stream, no copy, no allocation of Node's. */
function createSocket(target: SocketTarget, handlers: SocketHandlers): Socket {
  const onread: NonNullable<TcpNetConnectOpts['onread']> = {
    buffer: () => handlers.receiveBuffer(),
    callback(byteCount) {
      handlers.onReceive(byteCount);
      return true;
    },
  };
  const { host, port, path, tls } = target;
  const place = path === undefined ? { host, port } : { path };
  if (tls === false) {
    return connectTcp({ ...place, onread });
  }
  // Node passes `onread` on to the socket that it makes; its types do not say so.
  const options: ConnectionOptions & { onread: typeof onread } = {
    ...place,
    ...tlsOptions(tls),
    ...serverName(target, tls),
    onread,
  };
  return connectTls(options);
}

function tlsOptions(tls: RedisTlsOptions): ConnectionOptions {
  return {
    rejectUnauthorized: tls.rejectUnauthorized,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.checkServerIdentity === false ? { checkServerIdentity: () => undefined } : {}),
  };
}

/** The name that is asked for (never an address) and that the certificate has to carry. */
function serverName(target: SocketTarget, tls: RedisTlsOptions): ConnectionOptions {
  const name = tls.servername ?? target.servername ?? target.host;
  return isIP(name) === 0 ? { servername: name } : {};
}
