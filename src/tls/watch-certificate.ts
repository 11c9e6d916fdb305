import { SideboardError } from '../errors.ts';
import { stampOf } from '../file-stamp.ts';
import {
  certificateProblems,
  readServerCertificate,
  type CertificateFiles,
  type CertificateProblem,
  type ServerCertificate,
} from './server-certificate.ts';

/** Which files to watch, and whom to tell. */
export interface WatchOptions {
  readonly files: CertificateFiles;
  /** How often size and time of the files are looked at; 0 = never. */
  readonly pollIntervalMs: number;
  /** A new certificate was read; the one in use before stays with the connections that have it. */
  readonly onChange: (certificate: ServerCertificate) => void;
  /** The files are wrong; the last good certificate stays. Told once per reason. */
  readonly onFailure: (error: SideboardError) => void;
  /** Dates that keep clients out, or soon will; told when they change. */
  readonly onProblem: (problem: CertificateProblem) => void;
}

/** A certificate that is kept fresh. */
export interface WatchedCertificate {
  current(): ServerCertificate;
  /** Reads the files now; never rejects, see `onFailure`. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * Reads a certificate and reads it again when its files change.
 *
 * @throws SideboardError INVALID_CONFIGURATION (by rejection) when there is nothing good to begin with
 */
export async function watchCertificate(options: WatchOptions): Promise<WatchedCertificate> {
  const { files, pollIntervalMs } = options;
  const paths = [files.certFile, files.keyFile, files.clientCaFile].filter(
    (path) => path !== undefined,
  );
  let stamp = await stampOf(paths);
  let current = await readServerCertificate(files);
  let lastFailure = '';
  let lastProblems = '';

  const reportProblems = (): void => {
    const problems = certificateProblems(current, Date.now());
    const text = problems.map(({ message }) => message).join('\n');
    if (text === lastProblems) return;
    lastProblems = text;
    for (const problem of problems) options.onProblem(problem);
  };
  const reload = async (): Promise<void> => {
    stamp = await stampOf(paths);
    try {
      const next = await readServerCertificate(files);
      lastFailure = '';
      if (!isSame(next, current)) {
        current = next;
        options.onChange(next);
      }
    } catch (error) {
      if (!(error instanceof SideboardError)) throw error;
      // A certificate and its key are written one after the other: the next look finds both.
      if (error.message !== lastFailure) options.onFailure(error);
      lastFailure = error.message;
    }
    reportProblems();
  };
  let running: Promise<void> = Promise.resolve();
  const reloadInTurn = (): Promise<void> => (running = running.then(reload));
  const poll = async (): Promise<void> => {
    if ((await stampOf(paths)) === stamp) reportProblems();
    else await reloadInTurn();
  };

  reportProblems();
  const timer = pollIntervalMs > 0 ? setInterval(() => void poll(), pollIntervalMs) : undefined;
  timer?.unref();
  return {
    current: () => current,
    reload: reloadInTurn,
    close: () => clearInterval(timer),
  };
}

function isSame(a: ServerCertificate, b: ServerCertificate): boolean {
  return (
    a.context.cert === b.context.cert &&
    a.context.key === b.context.key &&
    a.context.ca === b.context.ca
  );
}
