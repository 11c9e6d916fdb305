import { constants } from 'node:crypto';
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import { createNameCheck } from './client-names.ts';
import { handshakeFailure, nameRefused, type HandshakeFailure } from './handshake-failure.ts';
import type { ServerCertificate } from './server-certificate.ts';

/** A handshake that takes longer is given up. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** What OpenSSL calls it. */
const NO_CERTIFICATE = 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';

/** Who may connect, and as what we answer. */
export interface TlsServerOptions {
  readonly certificate: ServerCertificate;
  /** Whether clients need a certificate of one of the authorities of `certificate`. */
  readonly clientsNeedCertificate: boolean;
  /** Subject alternative names of clients that may connect; empty = any. */
  readonly clientNames: readonly string[];
  readonly onFailure: (failure: HandshakeFailure) => void;
}

/** A server that is not listening yet. */
export interface TlsServer {
  readonly server: Server;
  /** For connections to come; those that are open keep theirs. */
  use(certificate: ServerCertificate): void;
}

/**
 * A server that hands over connections once their handshake is done and their certificate is accepted. ALPN offers HTTP/2,
 * then HTTP/1.1.
 */
export function createTlsServer(
  options: TlsServerOptions,
  onConnection: (socket: TLSSocket) => void,
): TlsServer {
  const { certificate, clientsNeedCertificate, clientNames, onFailure } = options;
  // A client's certificate is looked at in every handshake: a resumed session would skip that.
  const contextOptions = ({ context }: ServerCertificate): SecureContextOptions =>
    clientsNeedCertificate ? { ...context, secureOptions: constants.SSL_OP_NO_TICKET } : context;
  const isAllowed = createNameCheck(clientNames);
  const server = createServer(
    {
      ...contextOptions(certificate),
      ALPNProtocols: ['h2', 'http/1.1'],
      requestCert: clientsNeedCertificate,
      // `refusalOf` does it, while the log can still say who was refused.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      noDelay: true,
    },
    (socket) => {
      // Of what goes wrong after the handshake, a record that is no TLS say, Node tells without closing.
      socket.on('error', () => socket.destroy());
      // HTTP/2 forbids it (RFC 9113 section 9.2.1), and for others it is work that a client makes the server do.
      socket.disableRenegotiation();
      const refusal = clientsNeedCertificate ? refusalOf(socket, isAllowed) : undefined;
      if (refusal === undefined) {
        onConnection(socket);
        return;
      }
      onFailure(refusal);
      socket.destroy();
    },
  );
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    onFailure(handshakeFailure(error.code ?? error.message, peerOf(socket)));
  });
  return { server, use: (next) => server.setSecureContext(contextOptions(next)) };
}

/** Why this client may not connect; `undefined` = it may. */
function refusalOf(
  socket: TLSSocket,
  isAllowed: (subjectAltName: string | undefined) => boolean,
): HandshakeFailure | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return handshakeFailure(NO_CERTIFICATE, peerOf(socket));
  const subject = certificate.subject.replaceAll('\n', ', ');
  if (!socket.authorized) {
    // Typed as an error, it is a code.
    return { ...handshakeFailure(String(socket.authorizationError), peerOf(socket)), subject };
  }
  return isAllowed(certificate.subjectAltName)
    ? undefined
    : { ...nameRefused(peerOf(socket)), subject };
}

function peerOf({ remoteAddress, remotePort }: TLSSocket): string {
  return remoteAddress === undefined ? 'gone' : `${remoteAddress}:${remotePort}`;
}
