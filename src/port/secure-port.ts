import type { AddressInfo } from 'node:net';
import type { ServerConfig } from '../config/config.ts';
import {
  createConnectionRouter,
  type ConnectionRouter,
  type RouterOptions,
} from './connection-router.ts';
import { openDoors } from './port.ts';
import { createHandshakeLog } from '../telemetry/handshake-log.ts';
import { createRefusalLog } from '../telemetry/refusal-log.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ServerCertificate } from '../tls/server-certificate.ts';
import type { TlsServerOptions } from '../tls/tls-server.ts';
import { watchCertificate } from '../tls/watch-certificate.ts';

/** What is spoken on the port, and whom to tell about its certificates. */
export interface SecurePortOptions extends RouterOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Whether to listen, or to take connections from `accept` alone. */
  readonly doors: 'listen' | 'handed over';
}

/** A port whose certificate, if it has one, is kept fresh. */
export interface SecurePort extends ConnectionRouter {
  /** `undefined` = it listens nowhere. */
  readonly address: AddressInfo | undefined;
  /** Reads the certificate's files again, now. */
  reloadCertificate(): Promise<void>;
}

/**
 * Opens the port as configured: plain or with TLS, with or without a unix socket.
 *
 * @throws SideboardError INVALID_CONFIGURATION (by rejection) for files that are no certificate and key, or an address that
 *   cannot be listened on
 */
export async function openSecurePort(
  config: ServerConfig,
  { engine, handler, logger, metrics, doors }: SecurePortOptions,
): Promise<SecurePort> {
  const { tls, maxConnectionsPerWorker: maxConnections } = config;
  const onRefused = createRefusalLog(logger, config);
  const open = (secure?: TlsServerOptions): Promise<OpenedRouter> =>
    openRouter(
      createConnectionRouter({
        engine,
        handler,
        tls: secure,
        slowClientTimeoutMs: config.http2.slowClientTimeoutMs,
        maxConnections,
        onRefused,
      }),
      config,
      doors,
    );
  if (tls === undefined) return { ...(await open()), reloadCertificate: () => Promise.resolve() };
  const certificate = await watchCertificate({
    files: tls,
    pollIntervalMs: tls.pollIntervalMs,
    onChange(next): void {
      opened.useCertificate(next);
      logger.info(describe(next), 'TLS: certificate changed, for connections to come');
    },
    onFailure: (error) =>
      logger.error(
        `TLS: the certificate in use stays; what is in the files is wrong: ${error.message}`,
      ),
    onProblem: ({ level, message }) =>
      logger[level === 'error' ? 'error' : 'warn'](`TLS: ${message}`),
  });
  const opened = await open({
    certificate: certificate.current(),
    clientsNeedCertificate: tls.clientCaFile !== undefined,
    clientNames: tls.clientNames,
    onFailure: createHandshakeLog(logger, metrics),
  }).catch((error: unknown) => {
    certificate.close();
    throw error;
  });
  logger.info(describe(certificate.current()), 'TLS: certificate');
  metrics.watchCertificate(() => certificate.current().expiresAtMs);
  return {
    ...opened,
    reloadCertificate: () => certificate.reload(),
    async drain(timeoutMs: number): Promise<number> {
      certificate.close();
      return opened.drain(timeoutMs);
    },
  };
}

type OpenedRouter = ConnectionRouter & Pick<SecurePort, 'address'>;

/** Opens the doors that lead to a router, if it has any of its own. */
async function openRouter(
  router: ConnectionRouter,
  { host, port, portSharing, workers, unixSocket }: ServerConfig,
  doors: SecurePortOptions['doors'],
): Promise<OpenedRouter> {
  if (doors === 'handed over') return { ...router, address: undefined };
  // Among several workers the unix socket is the supervisor's: no two processes can listen on one.
  const places =
    workers > 1
      ? { host, port, reusePort: portSharing === 'reuse_port' }
      : { host, port, unixSocket };
  const opened = await openDoors(places, router.accept);
  return {
    ...router,
    address: opened.address,
    drain(timeoutMs): Promise<number> {
      opened.close();
      return router.drain(timeoutMs);
    },
  };
}

function describe({ names, fingerprint, expiresAtMs }: ServerCertificate): Record<string, string> {
  return { names, fingerprint, expires: new Date(expiresAtMs).toISOString() };
}
