import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

/** A program that listens, started by us. */
export interface ChildServer {
  /** Of the program; its workers are below it. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** What to start. */
export interface ChildServerOptions {
  readonly command: readonly string[];
  /** Where it is going to listen on loopback. */
  readonly port: number;
  /** To bind it to. */
  readonly core: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Feast's servers import for ten seconds. */
const START_MS = 60_000;
/** Of its standard error: the end is what tells why it did not start. */
const SAID_CHARS = 2000;

/** Starts a server and resolves when its port is open. @throws Error when it ends instead, or takes a minute */
export async function startChildServer(options: ChildServerOptions): Promise<ChildServer> {
  const { command, port, core } = options;
  const child = spawn('taskset', ['-c', String(core), ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...options.env },
    // A group of its own: some are parents of workers.
    detached: true,
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-SAID_CHARS)));
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  };
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : [];
    kill();
    await exited;
    process.off('exit', kill);
  };
  try {
    await whenListening(child, command, port);
  } catch (error) {
    await stop();
    throw new Error(`${(error as Error).message}: ${said}`, { cause: error });
  }
  return { pid: child.pid ?? 0, stop };
}

async function whenListening(
  child: ChildProcess,
  [program = '']: readonly string[],
  port: number,
): Promise<void> {
  const untilMs = performance.now() + START_MS;
  while (performance.now() < untilMs) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    const socket = connect({ host: '127.0.0.1', port });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${program} does not listen`);
}
