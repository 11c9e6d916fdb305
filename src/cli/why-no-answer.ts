import { Code, ConnectError } from '@connectrpc/connect';
import { ServerRefusal } from './ask-server.ts';

/** Why there is no answer, with what to do about it. */
export interface NoAnswer {
  readonly reason: string;
  /** The server has understood the question, and something is wrong with it. */
  readonly isQuestionWrong: boolean;
}

const NOT_TLS = new Set([
  'EPROTO',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
]);
const CLOSED = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
/** Of certificates that are not believed: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const UNTRUSTED =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA$)/;

/** HTTP statuses of a server that knows nothing of the question: it is another one, or another port of ours. */
const OTHER_SERVER = /^HTTP (?:404|405|501): (?!")/;

/** @param server the address that was asked, `http://` or `https://` and all. */
export function whyNoAnswer(error: unknown, server: string): NoAnswer {
  const failed = (reason: string): NoAnswer => ({ reason, isQuestionWrong: false });
  const code = codeOf(error);
  if (NOT_TLS.has(code)) return failed(`${server} does not speak TLS: ask by http://`);
  if (UNTRUSTED.test(code)) {
    return failed(
      `the certificate of ${server} is not trusted (${code}): name the file of whoever signed it with NODE_EXTRA_CA_CERTS=ca.pem`,
    );
  }
  if (code === 'ERR_HTTP2_ERROR') return failed(otherServer(server, 'gRPC'));
  if (error instanceof ServerRefusal) {
    if (OTHER_SERVER.test(error.message)) return failed(otherServer(server, "Feast's JSON"));
    return { reason: error.message, isQuestionWrong: /^HTTP 4(?!29|08|99)/.test(error.message) };
  }
  if (CLOSED.has(code) || isCutOff(error)) {
    const scheme = server.startsWith('https:') ? 'http' : 'https';
    return failed(
      `${server} closed the connection without an answer: if that is a port with${scheme === 'http' ? 'out' : ''} TLS, ask by ${scheme}://`,
    );
  }
  if (error instanceof ConnectError && !isUnreachable(error)) {
    if (/^HTTP (?:404|405|501)$/.test(error.rawMessage)) {
      return failed(otherServer(server, 'Connect'));
    }
    const name = Code[error.code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
    const wrong = [Code.InvalidArgument, Code.NotFound, Code.FailedPrecondition];
    return {
      reason: `${name}: ${error.rawMessage}`,
      isQuestionWrong: wrong.includes(error.code),
    };
  }
  return failed(
    `cannot reach ${server}: ${causeText(error)}; start it with "sideboard serve", or name another with --server`,
  );
}

function otherServer(server: string, protocol: string): string {
  return `what listens at ${server} does not answer ${protocol}: is it another server, or the port of metrics and probes (--admin-port)? Name the port of features with --server`;
}

/** The stream was reset before there was an answer; nobody here cancels. */
function isCutOff(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Canceled;
}

function isUnreachable(error: ConnectError): boolean {
  return error.code === Code.Unavailable && error.cause !== undefined;
}

/** The innermost code of the system or of a library, or ''. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const inner = codeOf(error.cause);
  if (inner !== '') return inner;
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** The innermost message: libraries wrap "connection refused" in several layers. */
function causeText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? causeText(error.cause) : error.message || error.name;
}
