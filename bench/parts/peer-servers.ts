import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/support/redis-server.ts';
import { startSideboard } from '../../test/support/sideboard-process.ts';
import { PROJECT, SERVING_PATH } from '../data/official-layout.ts';
import { startChildServer } from '../machine/child-server.ts';
import { startEchoServer, type EchoName } from './echo-servers.ts';

/** The project that installs the stock TypeScript stack, Feast's SDK and the echoes; it lies beside the checkout. */
const SHARED_PEERS = join(import.meta.dirname, '..', '..', '..', 'shared', 'peers');

/** Ours, what people run today, and echoes of as many bytes that bound them all. */
export const PEER_NAMES = [
  'sideboard',
  'sideboard-json',
  'stock-ts',
  'feast-go',
  'feast-py-grpc',
  'feast-py-http',
  'limit-own',
  'limit-grpc-go',
  'limit-grpc-js',
] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** One of them, running. */
export interface PeerServer {
  readonly name: PeerName;
  readonly protocol: 'grpc' | 'http';
  readonly pid: number;
  readonly port: number;
  readonly path: string;
  /** Answers every request with the same bytes. */
  readonly isEcho: boolean;
  /** What it printed, where it is ours. */
  readonly log: readonly string[];
  /** Base URL of its admin server, where it is ours. */
  readonly adminUrl?: string;
  stop(): Promise<void>;
}

/** What it serves, and where. */
export interface PeerServerOptions {
  readonly repoPath: string;
  readonly redisPort: number;
  /** Where the peers are installed. */
  readonly workPath: string;
  readonly core: number;
  /** Of an echo. */
  readonly replyBytes: number;
  /** For Node, where the server is ours. */
  readonly nodeArguments?: readonly string[];
}

const ECHOES: Partial<Record<PeerName, EchoName>> = {
  'limit-own': 'own',
  'limit-grpc-go': 'grpc-go',
  'limit-grpc-js': 'grpc-js',
};
const PYTHON_PATH = '/GrpcFeatureServer/GetOnlineFeatures';
const JSON_PATH = '/get-online-features';

/** Installs the peers where that was not done; without the project beside the checkout there are none. */
export async function installPeers(workPath: string): Promise<boolean> {
  if (!existsSync(join(SHARED_PEERS, 'harness.mjs'))) return false;
  // A copy: it installs packages beside itself, and its folder is not ours to write to.
  const folder = join(workPath, 'src');
  if (!existsSync(folder)) {
    mkdirSync(workPath, { recursive: true });
    cpSync(SHARED_PEERS, folder, { recursive: true });
  }
  const args = [join(folder, 'harness.mjs'), 'setup', '--work', workPath];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`the installation of the peers ended with ${code}`);
  return true;
}

/** Starts one on the repository; `undefined` where it is not installed. */
export async function startPeer(
  name: PeerName,
  options: PeerServerOptions,
): Promise<PeerServer | undefined> {
  const isHttp = name === 'sideboard-json' || name === 'feast-py-http';
  const protocol = isHttp ? 'http' : 'grpc';
  const echo = ECHOES[name];
  if (echo !== undefined) {
    const server = await startEchoServer(echo, options);
    return server && { ...server, name, protocol, isEcho: true, log: [] };
  }
  const path = isHttp ? JSON_PATH : name === 'feast-py-grpc' ? PYTHON_PATH : SERVING_PATH;
  const common = { name, protocol, path, isEcho: false } as const;
  if (name === 'sideboard' || name === 'sideboard-json') {
    const server = await startSideboard(options);
    const stop = async (): Promise<void> => void (await server.stop());
    const { pid, port, log, adminUrl } = server;
    return { ...common, pid, port, log, adminUrl, stop };
  }
  const port = await freePort();
  const command = commandOf(name, options, port);
  if (command === undefined || !existsSync(command[0]!)) return undefined;
  const env = {
    PORT: String(port),
    REDIS: `127.0.0.1:${options.redisPort}`,
    REDIS_MODE: 'single',
    PROJECT,
    NODE_ENV: 'production',
    GOMAXPROCS: '1',
    FEAST_USAGE: 'False',
  };
  const child = await startChildServer({ command, port, core: options.core, env });
  return { ...common, port, log: [], pid: child.pid, stop: child.stop };
}

/** Settings in the peers' favour: Feast's HTTP server logs no access and keeps its worker. */
function commandOf(
  name: PeerName,
  { repoPath, workPath }: PeerServerOptions,
  port: number,
): string[] | undefined {
  const feast = [join(workPath, 'venv', 'bin', 'feast'), '-c', repoPath, '--log-level', 'ERROR'];
  const stock = join(workPath, 'src', 'stock-ts');
  const go = process.env['FEAST_GO'];
  switch (name) {
    case 'stock-ts':
      return [join(stock, 'node_modules', 'node', 'bin', 'node'), join(stock, 'server.ts')];
    case 'feast-py-grpc':
      return [...feast, 'listen', '-a', `127.0.0.1:${port}`];
    case 'feast-py-http': {
      const quiet = ['-w', '1', '--no-access-log', '--max-requests', '10000000'];
      return [...feast, 'serve', '-h', '127.0.0.1', '-p', String(port), ...quiet];
    }
    case 'feast-go':
      return go === undefined
        ? undefined
        : [go, '-type', 'grpc', '-chdir', repoPath, '-host', '127.0.0.1', '-port', String(port)];
    default:
      return undefined;
  }
}
