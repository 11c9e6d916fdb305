/** Why a client did not get in: label of a metric and field of the log. */
export type HandshakeFailureReason =
  | 'certificate_missing'
  | 'certificate_expired'
  | 'certificate_untrusted'
  | 'name_refused'
  | 'refused_by_client'
  | 'not_tls'
  | 'version'
  | 'cipher'
  | 'protocol'
  | 'timeout'
  | 'connection_lost'
  | 'other';

/** One connection that came to nothing. */
export interface HandshakeFailure {
  readonly reason: HandshakeFailureReason;
  /** For the operator: what the client did wrong and what mends it. */
  readonly message: string;
  /** Address and port of the client. */
  readonly peer: string;
  /** Of the client's certificate, where it has one that was refused. */
  readonly subject?: string;
}

const MESSAGES: Readonly<Record<HandshakeFailureReason, string>> = {
  certificate_missing: 'the client has no certificate; tls_client_ca_file asks for one',
  certificate_expired: "the client's certificate has expired or is not valid yet",
  certificate_untrusted: "the client's certificate is not of an authority in tls_client_ca_file",
  name_refused: "the client's certificate has none of the names in tls_client_names",
  refused_by_client:
    "the client does not accept the server's certificate: expired, of an authority that it does not trust, or without the name that it called",
  not_tls: 'the client does not speak TLS, which this port wants',
  version: 'the client speaks no version of TLS from tls_min_version on',
  cipher: 'the client and the server have no cipher in common',
  protocol: 'the client speaks neither h2 nor http/1.1 (ALPN)',
  timeout: 'the client did not finish its handshake in time',
  connection_lost: 'the client went away during its handshake',
  other: 'the handshake failed',
};

/** Error codes of Node and OpenSSL; a code that stands for an alert is one that the client sent. */
const REASON_BY_CODE: Readonly<Record<string, HandshakeFailureReason>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'certificate_missing',
  CERT_HAS_EXPIRED: 'certificate_expired',
  CERT_NOT_YET_VALID: 'certificate_expired',
  ERR_SSL_HTTP_REQUEST: 'not_tls',
  ERR_SSL_HTTPS_PROXY_REQUEST: 'not_tls',
  ERR_SSL_WRONG_VERSION_NUMBER: 'not_tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'not_tls',
  ERR_SSL_RECORD_LENGTH_MISMATCH: 'not_tls',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'version',
  ERR_SSL_VERSION_TOO_LOW: 'version',
  ERR_SSL_NO_SHARED_CIPHER: 'cipher',
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: 'cipher',
  ERR_SSL_NO_SHARED_GROUP: 'cipher',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'protocol',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'timeout',
  ECONNRESET: 'connection_lost',
  EPIPE: 'connection_lost',
  ETIMEDOUT: 'connection_lost',
};

/**
 * Explains the error of a handshake.
 *
 * @param code of Node, of OpenSSL, or of the verification of a certificate
 */
export function handshakeFailure(code: string, peer: string): HandshakeFailure {
  const reason = reasonOf(code);
  const detail = reason === 'other' ? ` (${code})` : '';
  return { reason, message: MESSAGES[reason] + detail, peer };
}

/** A client whose certificate is good but whose name is not on the list. */
export function nameRefused(peer: string): HandshakeFailure {
  return { reason: 'name_refused', message: MESSAGES.name_refused, peer };
}

function reasonOf(code: string): HandshakeFailureReason {
  const known = REASON_BY_CODE[code];
  if (known !== undefined) return known;
  if (code.includes('_ALERT_')) return 'refused_by_client';
  // What remains of OpenSSL's verification codes: no chain to an authority, a signature or a purpose that is wrong.
  if (!code.startsWith('E') || code.startsWith('ERROR_IN_CERT')) return 'certificate_untrusted';
  return 'other';
}
