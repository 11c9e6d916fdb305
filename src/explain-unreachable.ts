/** Why something cannot be read, and what an operator does about it, as halves of a sentence; neither holds a secret. */
export interface Trouble {
  readonly reason: string;
  /** `undefined` = what helps where nothing is known of the failure. */
  readonly remedy?: string | undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host cannot be looked up',
  ECONNREFUSED: 'nothing listens at the endpoint',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the host',
  ETIMEDOUT: 'the host does not answer',
};

/** Codes of Node's TLS for a certificate that no authority known here vouches for. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/**
 * Why nobody could be asked at all.
 *
 * @param remedy where the host comes from
 * @returns `undefined` = that is not the trouble
 */
export function explainUnreachable(error: unknown, remedy: string): Trouble | undefined {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  if (typeof code !== 'string') return undefined;
  if (UNTRUSTED.has(code)) {
    return {
      reason: `the certificate of the endpoint is not trusted (${code})`,
      remedy: 'name the PEM file of its authority in NODE_EXTRA_CA_CERTS',
    };
  }
  const reason = REASONS[code];
  if (reason === undefined) return undefined;
  // Libraries keep what Node's error says, not what it has.
  const host = /(?:getaddrinfo|connect) [A-Z_]+ ([\w.:-]+)/.exec(message ?? '')?.[1];
  return { reason: host === undefined ? reason : `${reason} (${host})`, remedy };
}
