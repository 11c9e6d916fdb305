import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../test/support/redis-server.ts';
import { SERVING_PATH } from '../data/official-layout.ts';

const NODE = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'node');
const OURS = join(import.meta.dirname, 'echo-server.ts');
/** Debian puts it where only root looks. */
const NGHTTPD = ['/usr/sbin/nghttpd', '/usr/bin/nghttpd'];
const START_MS = 20_000;

/** Servers that decode nothing and answer every request with as many bytes: ours, and what bounds others. */
export const ECHO_NAMES = ['own', 'builtin', 'grpc-go', 'grpc-js', 'nghttpd'] as const;
export type EchoName = (typeof ECHO_NAMES)[number];

/** One of them, running. */
export interface EchoServer {
  readonly pid: number;
  readonly port: number;
  readonly path: string;
  /** Of a DATA frame of each reply: gRPC's prefix included. */
  readonly bytesPerReply: number;
  stop(): Promise<void>;
}

/** What to answer with, and where. */
export interface EchoServerOptions {
  readonly replyBytes: number;
  readonly core: number;
  /** Where the peers' harness has installed grpc-go's and grpc-js's echo. */
  readonly workPath: string;
}

/** gRPC's prefix. */
const PREFIX_BYTES = 5;

/** The program of an echo and its arguments; `undefined` where it is not installed. */
function commandOf(
  name: EchoName,
  { replyBytes, workPath }: EchoServerOptions,
  port: number,
  folder: string,
): string[] | undefined {
  const go = join(workPath, 'bin', 'echo');
  const stock = join(workPath, 'src', 'stock-ts');
  const size = String(replyBytes);
  switch (name) {
    case 'grpc-go':
      return existsSync(go) ? [go, '-addr', `127.0.0.1:${port}`, '-size', size] : undefined;
    case 'grpc-js':
      return existsSync(join(stock, 'node_modules'))
        ? [
            NODE,
            '--disable-warning=ExperimentalWarning',
            join(stock, 'echo.ts'),
            size,
            String(port),
          ]
        : undefined;
    case 'nghttpd': {
      const program = NGHTTPD.find((path) => existsSync(path));
      const flags = ['--no-tls', '-a', '127.0.0.1', '-d', folder, '-n', '1', String(port)];
      return program === undefined ? undefined : [program, ...flags];
    }
    default:
      return [NODE, '--disable-warning=ExperimentalWarning', OURS, name, size, String(port)];
  }
}

/** Starts one bound to a core and resolves when it listens; `undefined` where it is not installed. */
export async function startEchoServer(
  name: EchoName,
  options: EchoServerOptions,
): Promise<EchoServer | undefined> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-echo-'));
  const command = commandOf(name, options, port, folder);
  if (command === undefined) {
    await rm(folder, { recursive: true });
    return undefined;
  }
  const bytesPerReply = options.replyBytes + PREFIX_BYTES;
  await writeFile(join(folder, 'reply'), Buffer.alloc(bytesPerReply));
  const child = spawn('taskset', ['-c', String(options.core), ...command], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, GOMAXPROCS: '1', NODE_ENV: 'production' },
  });
  const stop = async (): Promise<void> => {
    const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : [];
    child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true });
  };
  try {
    await whenListening(child, port);
  } catch (error) {
    await stop();
    throw error;
  }
  const path = name === 'nghttpd' ? '/reply' : SERVING_PATH;
  return { pid: child.pid!, port, path, bytesPerReply, stop };
}

async function whenListening(child: ChildProcess, port: number): Promise<void> {
  const untilMs = performance.now() + START_MS;
  while (performance.now() < untilMs) {
    if (child.exitCode !== null) throw new Error(`the echo ended with ${child.exitCode}`);
    const socket = connect({ host: '127.0.0.1', port });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the echo does not listen');
}
