import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Http2Config, ServerConfig, TlsConfig, UnixSocketConfig } from './config.ts';
import type { ProblemList } from './configuration-error.ts';
import type { SettingValues } from './settings.ts';

/** `sun_path` of Linux (unix(7)), whose last byte is 0. */
const MAX_SOCKET_PATH_BYTES = 107;

/** Where and how the process serves; paths are resolved against the repository. */
export function readServer(
  values: SettingValues,
  repoPath: string,
  problems: ProblemList,
): ServerConfig {
  const workers = values.workers || availableParallelism();
  return {
    host: values.host,
    port: values.port,
    workers,
    portSharing: values.port_sharing,
    corsOrigins: values.cors_origins,
    unixSocket: readUnixSocket(values, repoPath, problems),
    tls: readTls(values, repoPath, problems),
    maxConnections: values.max_connections,
    // Whole connections for every worker, even if there are more workers than connections.
    maxConnectionsPerWorker: Math.ceil(values.max_connections / workers),
    adminHost: values.admin_host,
    adminPort: values.admin_port,
    drainTimeoutMs: values.drain_timeout_ms,
    http2: readHttp2(values),
    loadReports: values.load_reports,
    defaultDeadlineMs: values.default_deadline_ms,
    logLevel: values.log_level,
  };
}

function readHttp2(values: SettingValues): Http2Config {
  return {
    engine: values.engine,
    maxConcurrentStreams: values.max_concurrent_streams,
    maxHeaderListBytes: values.max_header_bytes,
    windowBytes: values.http2_window_bytes,
    maxQueuedBytes: values.max_queued_bytes,
    maxQueuedBytesTotal: values.max_queued_bytes_total,
    slowClientTimeoutMs: values.slow_client_timeout_ms,
    maxConnectionAgeMs: values.max_connection_age_ms,
    maxConnectionIdleMs: values.max_connection_idle_ms,
    drainGraceMs: values.max_connection_grace_ms,
    keepAliveMs: values.keep_alive_ms,
    keepAliveTimeoutMs: values.keep_alive_timeout_ms,
    minPingIntervalMs: values.min_ping_interval_ms,
  };
}

function readUnixSocket(
  values: SettingValues,
  repoPath: string,
  problems: ProblemList,
): UnixSocketConfig | undefined {
  if (values.unix_socket === undefined) return undefined;
  const path = resolve(repoPath, values.unix_socket);
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    problems.addAt(
      ['sideboard', 'unix_socket'],
      `unix_socket has ${bytes} bytes with its folders, and the path of a socket at most ${MAX_SOCKET_PATH_BYTES}; choose a shorter one, such as /run/sideboard.sock`,
    );
  }
  return { path, mode: values.unix_socket_mode };
}

/** A certificate turns TLS on. What would be ignored without one is refused: its author believes the port is closed. */
function readTls(
  values: SettingValues,
  repoPath: string,
  problems: ProblemList,
): TlsConfig | undefined {
  const { tls_cert_file, tls_key_file, tls_client_ca_file, tls_client_names } = values;
  if ((tls_cert_file === undefined) !== (tls_key_file === undefined)) {
    const given = tls_cert_file === undefined ? 'tls_key_file' : 'tls_cert_file';
    problems.addAt(
      ['sideboard', given],
      'tls_cert_file and tls_key_file go together; give both or none',
    );
  }
  if (tls_client_ca_file !== undefined && tls_cert_file === undefined) {
    problems.addAt(
      ['sideboard', 'tls_client_ca_file'],
      'tls_client_ca_file needs tls_cert_file and tls_key_file',
    );
  }
  if (tls_client_names.length > 0 && tls_client_ca_file === undefined) {
    problems.addAt(
      ['sideboard', 'tls_client_names'],
      'tls_client_names needs tls_client_ca_file: nobody checks names without it',
    );
  }
  if (tls_cert_file === undefined || tls_key_file === undefined) return undefined;
  return {
    certFile: resolve(repoPath, tls_cert_file),
    keyFile: resolve(repoPath, tls_key_file),
    clientCaFile:
      tls_client_ca_file === undefined ? undefined : resolve(repoPath, tls_client_ca_file),
    clientNames: tls_client_names,
    minVersion: values.tls_min_version,
    pollIntervalMs: values.tls_poll_ms,
  };
}
