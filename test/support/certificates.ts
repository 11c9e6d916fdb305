import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files of one certificate and its key. */
export interface IssuedCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** What a certificate says. */
export interface CertificateWish {
  /** Subject alternative names as openssl writes them: `DNS:localhost`, `IP:127.0.0.1`, `URI:spiffe://…`. */
  readonly names: readonly string[];
  /** -1 = it has expired. One day by default. */
  readonly days?: number;
}

/** An authority that a test makes for itself. */
export interface CertificateAuthority {
  /** PEM of its own certificate. */
  readonly certFile: string;
  /** Makes `<name>.pem` and `<name>.key`; a second one of that name replaces the first. */
  issue(name: string, wish: CertificateWish): IssuedCertificate;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes an authority with openssl, in a folder that the caller removes. */
export function createAuthority(folder: string, name: string): CertificateAuthority {
  const certFile = join(folder, `${name}.pem`);
  const caKey = join(folder, `${name}.key`);
  const subject = ['-subj', `/CN=${name}`];
  openssl('req', '-x509', ...NEW_KEY, '-keyout', caKey, '-out', certFile, '-days', '1', ...subject);
  return {
    certFile,
    issue(leaf, { names, days = 1 }): IssuedCertificate {
      const issued = {
        certFile: join(folder, `${leaf}.pem`),
        keyFile: join(folder, `${leaf}.key`),
      };
      const request = join(folder, `${leaf}.csr`);
      const extensions = join(folder, `${leaf}.ext`);
      writeFileSync(extensions, names.length === 0 ? '' : `subjectAltName=${names.join(',')}\n`);
      openssl(
        'req',
        ...NEW_KEY,
        '-keyout',
        issued.keyFile,
        '-out',
        request,
        '-subj',
        `/CN=${leaf}`,
      );
      const signer = ['-CA', certFile, '-CAkey', caKey, '-CAcreateserial'];
      const what = ['-in', request, '-out', issued.certFile, '-extfile', extensions];
      openssl('x509', '-req', ...what, ...signer, '-days', String(days));
      return issued;
    },
  };
}

function openssl(...words: readonly string[]): void {
  execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}
