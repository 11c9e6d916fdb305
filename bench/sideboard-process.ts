import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startPinned, stopProcess } from './processes.ts';

const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts');

/** Our server in a process of its own, bound to a core. */
export interface SideboardProcess {
  readonly pid: number;
  readonly port: number;
  /** Base URL of the admin server. */
  readonly adminUrl: string;
  /** From the start of the process to the line that says it serves. */
  readonly startMs: number;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
}

/** How to start it. */
export interface SideboardOptions {
  readonly repoPath: string;
  readonly core: number;
  /** For Node, such as `--cpu-prof`. */
  readonly nodeArguments?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the server on ports of its own choice and resolves when it says that it serves. @throws Error when it ends */
export async function startSideboard(options: SideboardOptions): Promise<SideboardProcess> {
  const startedAtMs = performance.now();
  const child = startPinned(
    options.core,
    [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      ...(options.nodeArguments ?? []),
      MAIN,
      '-c',
      options.repoPath,
      'serve',
      '--host',
      '127.0.0.1',
      '--port',
      '0',
    ],
    { SIDEBOARD_ADMIN_PORT: '0', NODE_ENV: 'production', ...options.env },
  );
  const { address, admin } = await whenServing(child);
  return {
    pid: child.pid ?? 0,
    port: Number(address.slice(address.lastIndexOf(':') + 1)),
    adminUrl: `http://${admin}`,
    startMs: performance.now() - startedAtMs,
    stop: () => stopProcess(child),
  };
}

interface ServingLine {
  readonly msg?: string;
  readonly address: string;
  readonly admin: string;
}

function whenServing(child: ChildProcess): Promise<ServingLine> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null || child.stderr === null) throw new Error('output is not piped');
    let tail = '';
    const remember = (line: string): void => {
      tail = `${tail}\n${line}`.slice(-4000);
    };
    createInterface({ input: child.stderr }).on('line', remember);
    createInterface({ input: child.stdout }).on('line', (line) => {
      remember(line);
      if (!line.includes('"serving"')) return;
      const parsed = JSON.parse(line) as ServingLine;
      if (parsed.msg === 'serving') resolve(parsed);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`the server ended (${code ?? signal}):${tail}`)),
    );
  });
}
