import { isIP } from 'node:net';

/** Kinds of subject alternative names, as OpenSSL prints them (RFC 5280 section 4.2.1.6). */
type NameKind = 'DNS' | 'URI' | 'IP Address' | 'email';

/** RFC 3986 section 3.1. No DNS name and hardly an e-mail address has a colon. */
const URI_SCHEME = /^[a-z][a-z0-9+.-]*:/i;

/**
 * Decides by the names in a client's certificate. An entry of the list matches a name of its own kind only: `spiffe://mesh/ns/a`
 * and `urn:uuid:…` a URI, `10.0.0.7` an IP address, `ops@example.com` an e-mail address, anything else a DNS name. Names are
 * compared whole, DNS names without regard to case; nothing is a pattern.
 *
 * @param allowed empty = every name
 */
export function createNameCheck(
  allowed: readonly string[],
): (subjectAltName: string | undefined) => boolean {
  if (allowed.length === 0) return () => true;
  const wanted = new Set(allowed.map((name) => canonical(kindOf(name), name)));
  return (subjectAltName) =>
    parseAltNames(subjectAltName ?? '').some(({ kind, name }) => wanted.has(canonical(kind, name)));
}

function kindOf(name: string): NameKind {
  if (isIP(name) !== 0) return 'IP Address';
  if (URI_SCHEME.test(name)) return 'URI';
  return name.includes('@') ? 'email' : 'DNS';
}

function canonical(kind: string, name: string): string {
  if (kind === 'DNS') return `DNS ${name.toLowerCase()}`;
  if (kind === 'IP Address') return `IP Address ${canonicalIp(name)}`;
  return `${kind} ${name}`;
}

/** OpenSSL prints IPv6 without `::` (`0:0:0:0:0:0:0:1`); a URL writes the shortest form. */
function canonicalIp(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname : address;
}

/**
 * Splits `X509Certificate.subjectAltName`: `DNS:a.example, URI:spiffe://b/c`. A name with characters that could be taken for
 * the list's own is in double quotes, written as JSON writes it.
 */
export function parseAltNames(text: string): readonly { kind: string; name: string }[] {
  const names: { kind: string; name: string }[] = [];
  for (const match of text.matchAll(/([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)) {
    const [, kind = '', printed = ''] = match;
    const name = printed.startsWith('"') ? (JSON.parse(printed) as string) : printed;
    names.push({ kind, name });
  }
  return names;
}
