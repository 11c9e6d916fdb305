import type { Socket } from 'node:net';

/** What every HTTP/2 client sends first (RFC 9113 section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Where a connection goes once its first bytes are known. */
export interface ProtocolRoutes {
  http2(socket: Socket): void;
  http1(socket: Socket): void;
}

/**
 * Tells HTTP/2 with prior knowledge from HTTP/1.1 by the client's first bytes and hands the socket on with those bytes
 * put back. A client that says nothing for `timeoutMs` is disconnected.
 */
export function routeByFirstBytes(socket: Socket, routes: ProtocolRoutes, timeoutMs: number): void {
  let seen: Buffer = Buffer.alloc(0);
  const giveUp = (): void => {
    socket.destroy();
  };
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    const matches = PREFACE.compare(seen, 0, length, 0, length) === 0;
    if (matches && length < PREFACE.length) return;
    socket.pause();
    socket.off('data', onData);
    socket.off('timeout', giveUp);
    socket.off('error', giveUp);
    socket.setTimeout(0);
    socket.unshift(seen);
    if (matches) routes.http2(socket);
    else routes.http1(socket);
  };
  socket.setTimeout(timeoutMs);
  socket.on('timeout', giveUp);
  socket.on('error', giveUp);
  socket.on('data', onData);
}
