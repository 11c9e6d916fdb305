import { isIPv4 } from 'node:net';
import type { ServerConfig, TlsConfig, UnixSocketConfig } from '../config/config.ts';
import { isSideboardError } from '../errors.ts';
import type { CheckFinding } from './check-finding.ts';

type NetworkFinding = Omit<CheckFinding, 'part'>;

const STEALABLE = 'whoever listens in on it can use the tokens of others';
const READABLE_BY_ALL = 'whoever reaches it can read every feature';

/**
 * Who can reach the server, and with what in hand: every open door of the configuration.
 *
 * @param needsTokens whether callers have to say who they are
 */
export async function checkNetwork(
  server: ServerConfig,
  needsTokens: boolean,
): Promise<readonly CheckFinding[]> {
  const findings = [
    describePort(server, needsTokens),
    ...(server.tls === undefined ? [] : await describeCertificate(server.tls)),
    ...(server.unixSocket === undefined ? [] : [describeUnixSocket(server.unixSocket)]),
    ...(server.corsOrigins.length === 0 ? [] : [describePages(server)]),
    ...(server.workers === 1 ? [] : [describeShares(server)]),
    describeAdmin(server),
  ];
  return findings.map((finding) => ({ part: 'network', ...finding }));
}

function describePort({ host, port, tls }: ServerConfig, needsTokens: boolean): NetworkFinding {
  const where = `port ${host}:${port}`;
  if (tls !== undefined) return { level: 'ok', message: `${where}: TLS, ${whoMayConnect(tls)}` };
  if (isLoopback(host)) {
    return { level: 'ok', message: `${where}: plain text, reachable from this machine alone` };
  }
  return {
    level: 'warning',
    message: `${where}: plain text, open to the network: ${needsTokens ? STEALABLE : READABLE_BY_ALL}`,
    remedy:
      'set tls_cert_file and tls_key_file, and tls_client_ca_file to let in known clients alone; or set host to 127.0.0.1 behind a proxy that does',
  };
}

function whoMayConnect({ clientCaFile, clientNames }: TlsConfig): string {
  if (clientCaFile === undefined) return 'open to every client that reaches it';
  if (clientNames.length === 0) return `clients need a certificate of ${clientCaFile}`;
  return `clients need a certificate of ${clientCaFile} with one of the names ${clientNames.join(', ')}`;
}

async function describeCertificate(tls: TlsConfig): Promise<readonly NetworkFinding[]> {
  const { certificateProblems, readServerCertificate } =
    await import('../tls/server-certificate.ts');
  try {
    const certificate = await readServerCertificate(tls);
    const expires = new Date(certificate.expiresAtMs).toISOString().slice(0, 10);
    return [
      { level: 'ok', message: `certificate for ${certificate.names}, until ${expires}` },
      ...certificateProblems(certificate, Date.now()),
    ];
  } catch (error) {
    if (!isSideboardError(error)) throw error;
    return [{ level: 'error', message: error.message }];
  }
}

function describeUnixSocket({ path, mode }: UnixSocketConfig): NetworkFinding {
  const message = `unix socket ${path}: plain text, mode 0${mode.toString(8).padStart(3, '0')}`;
  if ((mode & 0o002) === 0) return { level: 'ok', message };
  return {
    level: 'warning',
    message: `${message}: every user of this machine may connect`,
    remedy: 'set unix_socket_mode to "0600", or "0660" for a group',
  };
}

/** Browsers carry requests of pages from elsewhere to wherever they are, to this machine too. */
function describePages({ corsOrigins }: ServerConfig): NetworkFinding {
  if (!corsOrigins.includes('*')) {
    return { level: 'ok', message: `cors_origins: pages of ${corsOrigins.join(', ')} may call` };
  }
  return {
    level: 'warning',
    message:
      'cors_origins *: every page of the web may call, through the browser of whoever reaches the port',
    remedy: 'name the origins of your own pages',
  };
}

function describeShares(server: ServerConfig): NetworkFinding {
  const { workers, maxConnections, maxConnectionsPerWorker } = server;
  return {
    level: 'ok',
    message: `max_connections ${maxConnections}: each of ${workers} workers has ${maxConnectionsPerWorker} open at most`,
  };
}

function describeAdmin({ adminHost, adminPort }: ServerConfig): NetworkFinding {
  const where = `admin port ${adminHost}:${adminPort}`;
  if (isLoopback(adminHost)) {
    return { level: 'ok', message: `${where}: reachable from this machine alone` };
  }
  return {
    level: 'warning',
    message: `${where}: metrics are open to the network; it has no TLS`,
    remedy: 'set admin_host to 127.0.0.1, or keep that port inside a network of your own',
  };
}

/** Whether an address belongs to this machine alone. Names other than localhost may lead anywhere. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
