import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../test/support/redis-server.ts';
import { startChildServer } from '../machine/child-server.ts';
import { SERVING_PATH } from '../data/official-layout.ts';

const NODE = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'node');
const OURS = join(import.meta.dirname, 'echo-server.ts');
/** Debian puts it where only root looks. */
const NGHTTPD = ['/usr/sbin/nghttpd', '/usr/bin/nghttpd'];

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
  const env = { GOMAXPROCS: '1', NODE_ENV: 'production' };
  const child = await startChildServer({ command, port, core: options.core, env });
  const stop = async (): Promise<void> => {
    await child.stop();
    await rm(folder, { recursive: true });
  };
  const path = name === 'nghttpd' ? '/reply' : SERVING_PATH;
  return { pid: child.pid, port, path, bytesPerReply, stop };
}
