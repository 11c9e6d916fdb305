import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls';
import { SideboardError } from '../errors.ts';

/** The files of a server's certificate, and what it asks of clients. */
export interface CertificateFiles {
  /** PEM: the certificate, then those between it and its authority. Absolute. */
  readonly certFile: string;
  /** PEM, without a passphrase. Absolute. */
  readonly keyFile: string;
  /** PEM of the authorities whose clients may connect; absent = clients need no certificate. Absolute. */
  readonly clientCaFile?: string | undefined;
  readonly minVersion: SecureVersion;
}

/** A certificate that was read and fits its key. */
export interface ServerCertificate {
  /** For `tls.createServer` and `setSecureContext`. */
  readonly context: SecureContextOptions;
  /** Names that clients may call the server by, as the certificate lists them; '' = none. */
  readonly names: string;
  /** SHA-256 of the certificate, hexadecimal with colons. */
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
  /** Every certificate of the files, with the file that it is from. */
  readonly all: readonly { readonly file: string; readonly certificate: X509Certificate }[];
}

/** Something about a certificate that keeps, or soon will keep, clients from connecting. */
export interface CertificateProblem {
  readonly level: 'warning' | 'error';
  /** Names the file. */
  readonly message: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Time enough to renew by hand. */
const EXPIRES_SOON_DAYS = 14;

/**
 * Reads and checks certificate, key and client authorities.
 *
 * @throws SideboardError INVALID_CONFIGURATION (by rejection) naming the file, when one cannot be read or used
 */
export async function readServerCertificate(files: CertificateFiles): Promise<ServerCertificate> {
  const { certFile, keyFile, clientCaFile, minVersion } = files;
  const [cert, key, ca] = await Promise.all([
    readPem('tls_cert_file', certFile),
    readPem('tls_key_file', keyFile),
    clientCaFile === undefined ? undefined : readPem('tls_client_ca_file', clientCaFile),
  ]);
  const chain = parseCertificates('tls_cert_file', certFile, cert);
  const leaf = chain[0]!;
  const isPair = attempt(
    () => leaf.checkPrivateKey(createPrivateKey(key)),
    (reason) =>
      wrongFile('tls_key_file', keyFile, `holds no private key that can be used (${reason})`),
  );
  if (!isPair) {
    throw wrongFile('tls_key_file', keyFile, `is not the key of the certificate in ${certFile}`);
  }
  const authorities =
    clientCaFile === undefined || ca === undefined
      ? []
      : parseCertificates('tls_client_ca_file', clientCaFile, ca).map((certificate) => ({
          file: clientCaFile,
          certificate,
        }));
  const context = { cert, key, ...(ca === undefined ? {} : { ca }), minVersion };
  // What OpenSSL would refuse later (a key too short, say) is refused here.
  attempt(
    () => createSecureContext(context),
    (reason) => wrongFile('tls_cert_file', certFile, `cannot be used: ${reason}`),
  );
  return {
    context,
    names: leaf.subjectAltName ?? '',
    fingerprint: leaf.fingerprint256,
    expiresAtMs: leaf.validToDate.getTime(),
    all: [...chain.map((certificate) => ({ file: certFile, certificate })), ...authorities],
  };
}

/** What is wrong with the dates of a certificate, its chain and its client authorities. */
export function certificateProblems(
  { all, names }: ServerCertificate,
  nowMs: number,
): readonly CertificateProblem[] {
  const problems: CertificateProblem[] = [];
  for (const { file, certificate } of all) {
    const startsInMs = certificate.validFromDate.getTime() - nowMs;
    const endsInMs = certificate.validToDate.getTime() - nowMs;
    const what = `certificate ${oneLine(certificate.subject)} in ${file}`;
    if (endsInMs <= 0) {
      problems.push({ level: 'error', message: `${what} has expired (${certificate.validTo})` });
    } else if (startsInMs > 0) {
      const since = certificate.validFrom;
      problems.push({ level: 'error', message: `${what} is not valid before ${since}` });
    } else if (endsInMs < EXPIRES_SOON_DAYS * DAY_MS) {
      const days = Math.floor(endsInMs / DAY_MS);
      problems.push({ level: 'warning', message: `${what} expires in ${days} days` });
    }
  }
  if (names === '') {
    problems.push({
      level: 'warning',
      message:
        'the certificate in tls_cert_file has no subject alternative name; most clients refuse it',
    });
  }
  return problems;
}

async function readPem(setting: string, file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw wrongFile(setting, file, `cannot be read: ${code}`, error);
  }
  if (!text.includes('-----BEGIN ')) throw wrongFile(setting, file, 'holds no PEM (-----BEGIN …)');
  return text;
}

function parseCertificates(setting: string, file: string, pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const begunCount = pem.split('-----BEGIN CERTIFICATE-----').length - 1;
  // OpenSSL would take those before it, and shut out the clients of an authority that is being written.
  if (blocks.length < begunCount) {
    throw wrongFile(setting, file, 'holds a certificate that is cut off');
  }
  if (blocks.length === 0) throw wrongFile(setting, file, 'holds no certificate');
  return attempt(
    () => blocks.map((block) => new X509Certificate(block)),
    (reason) => wrongFile(setting, file, `holds a broken certificate (${reason})`),
  );
}

function attempt<T>(work: () => T, explain: (reason: string) => SideboardError): T {
  try {
    return work();
  } catch (error) {
    throw explain(error instanceof Error ? error.message : String(error));
  }
}

function wrongFile(setting: string, file: string, why: string, cause?: unknown): SideboardError {
  return new SideboardError('INVALID_CONFIGURATION', `${setting}: ${file} ${why}`, { cause });
}

function oneLine(subject: string): string {
  return subject === '' ? '(no subject)' : subject.replaceAll('\n', ', ');
}
