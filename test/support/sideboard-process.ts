import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '..', '..');
/** The Node that npm installed; the one that runs us may be another. */
const NODE = join(ROOT, 'node_modules', '.bin', 'node');
const MAIN = join(ROOT, 'src', 'main.ts');
/** The flags that the command gives Node, as its first line has them. */
export const NODE_FLAGS: readonly string[] = readFileSync(MAIN, 'utf8')
  .split('\n', 1)[0]!
  .split(' ')
  .filter((word) => word.startsWith('--'));

/** Our server in a process of its own, started as a user starts it. */
export interface SideboardProcess {
  readonly pid: number;
  readonly port: number;
  /** Base URL of the admin server. */
  readonly adminUrl: string;
  /** From the start of the process to the line that says it serves. */
  readonly startMs: number;
  /** Everything that it has printed on standard output so far, a JSON line each. */
  readonly log: readonly string[];
  /** The same of its standard error: nothing, as a rule. */
  readonly errorOutput: readonly string[];
  signal(name: NodeJS.Signals): void;
  /** SIGTERM; resolves to the exit code when it is gone. */
  stop(): Promise<number | null>;
}

/** How to start it. */
export interface SideboardOptions {
  readonly repoPath: string;
  /** What is run; `src/main.ts` by default. */
  readonly mainFile?: string;
  /** Of `feature_store.yaml` in `repoPath` by default. */
  readonly configFile?: string;
  /** Bind it to this core, or to those of a list as `taskset` takes it. */
  readonly core?: number | string;
  /** For Node, such as `--cpu-prof`. */
  readonly nodeArguments?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** More flags of `serve`. */
  readonly serveArguments?: readonly string[];
  /** Is told its process id before it serves. */
  readonly onStart?: (pid: number) => void;
}

/**
 * Starts `sideboard serve` on ports of its own choice and resolves when it says that it serves.
 *
 * @throws Error with its last output when it ends instead
 */
export async function startSideboard(options: SideboardOptions): Promise<SideboardProcess> {
  const startedAtMs = performance.now();
  const { repoPath, mainFile = MAIN, configFile, core, nodeArguments = [] } = options;
  const pin = core === undefined ? [] : ['taskset', '-c', String(core)];
  const node = [NODE, ...NODE_FLAGS, ...nodeArguments, mainFile];
  const config = configFile === undefined ? [] : ['-f', configFile];
  const serve = ['-c', repoPath, ...config, 'serve', '--host', '127.0.0.1', '--port', '0'];
  serve.push(...(options.serveArguments ?? []));
  const [program = '', ...args] = [...pin, ...node, ...serve];
  const child = spawn(program, args, {
    env: {
      ...process.env,
      SIDEBOARD_ADMIN_PORT: '0',
      SIDEBOARD_LOG_LEVEL: 'info',
      NODE_ENV: 'production',
      // As if it were built: nobody strips types in production, and what does takes 20 MiB.
      NODE_COMPILE_CACHE: join(ROOT, 'node_modules', '.cache', 'sideboard'),
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Whatever ends us leaves nothing behind.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const log: string[] = [];
  const errorOutput: string[] = [];
  options.onStart?.(child.pid ?? 0);
  const { address, admin } = await whenServing(child, log, errorOutput);
  return {
    pid: child.pid ?? 0,
    port: Number(address.slice(address.lastIndexOf(':') + 1)),
    adminUrl: `http://${admin}`,
    startMs: performance.now() - startedAtMs,
    log,
    errorOutput,
    signal: (name) => void child.kill(name),
    stop: () => stopProcess(child),
  };
}

/** SIGTERM, after 20 s SIGKILL; resolves to the exit code when the process is gone, `null` after a signal. */
async function stopProcess(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
  });
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const code = await exited;
  clearTimeout(late);
  return code;
}

interface ServingLine {
  readonly msg?: string;
  readonly address: string;
  readonly admin: string;
}

function whenServing(
  child: ChildProcess,
  log: string[],
  errorOutput: string[],
): Promise<ServingLine> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null || child.stderr === null) throw new Error('output is not piped');
    createInterface({ input: child.stderr }).on('line', (line) => errorOutput.push(line));
    createInterface({ input: child.stdout }).on('line', (line) => {
      log.push(line);
      if (!line.includes('"serving"')) return;
      const parsed = JSON.parse(line) as ServingLine;
      if (parsed.msg === 'serving') resolve(parsed);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(
        new Error(
          `the server ended (${code ?? signal}):\n${[...log, ...errorOutput].slice(-40).join('\n')}`,
        ),
      ),
    );
  });
}

/** Process ids of the workers of a supervisor, as the system knows them. */
export function workerPids({ pid }: Pick<SideboardProcess, 'pid'>): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.trim().split(' ').filter(Boolean).map(Number);
}
