import type { ServerConfig } from './config/config.ts';
import { openPort, type Port, type PortOptions } from './port.ts';
import { createHandshakeLog } from './telemetry/handshake-log.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';
import type { ServerCertificate } from './tls/server-certificate.ts';
import { watchCertificate } from './tls/watch-certificate.ts';

/** What is spoken on the port, and whom to tell about its certificates. */
export interface SecurePortOptions extends Pick<PortOptions, 'engine' | 'handler'> {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A port whose certificate, if it has one, is kept fresh. */
export interface SecurePort extends Port {
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
  { engine, handler, logger, metrics }: SecurePortOptions,
): Promise<SecurePort> {
  const { host, port, unixSocket, tls } = config;
  const where = { host, port, unixSocket, engine, handler };
  if (tls === undefined) {
    return { ...(await openPort(where)), reloadCertificate: () => Promise.resolve() };
  }
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
  const opened = await openPort({
    ...where,
    tls: {
      certificate: certificate.current(),
      clientsNeedCertificate: tls.clientCaFile !== undefined,
      clientNames: tls.clientNames,
      onFailure: createHandshakeLog(logger, metrics),
    },
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

function describe({ names, fingerprint, expiresAtMs }: ServerCertificate): Record<string, string> {
  return { names, fingerprint, expires: new Date(expiresAtMs).toISOString() };
}
