import { spawn, type ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import { interopPath, pythonEnvironment, pythonProgram } from '../support/python.ts';
import { freePort } from '../support/redis-server.ts';
import { waitUntil } from '../support/wait-until.ts';

/** A server of somebody else, in a process of its own. */
export interface ForeignServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Feast's registry server on a repository; TLS with a certificate and its key. */
export function startFeastRegistryServer(
  repoPath: string,
  tls?: { readonly certFile: string; readonly keyFile: string },
): Promise<ForeignServer> {
  return startServer((port) => [
    ...pythonProgram('feast'),
    '-c',
    repoPath,
    'serve_registry',
    '-p',
    String(port),
    ...(tls === undefined ? [] : ['--cert', tls.certFile, '--key', tls.keyFile]),
  ]);
}

/** Feast's gRPC feature server (`feast listen`) on a repository; it looks at the registry every second. */
export function startFeastGrpcServer(repoPath: string): Promise<ForeignServer> {
  return startServer((port) => [
    ...pythonProgram('feast'),
    '-c',
    repoPath,
    'listen',
    '-a',
    `127.0.0.1:${port}`,
    '-r',
    '1',
  ]);
}

/** Feast's transformation server on a repository. */
export function startFeastTransformationServer(repoPath: string): Promise<ForeignServer> {
  return startServer((port) => [
    ...pythonProgram('feast'),
    '-c',
    repoPath,
    'serve_transformations',
    '-p',
    String(port),
  ]);
}

/**
 * The OTLP receiver of OpenTelemetry's Collector. What it takes is added to `path`, a line of OTLP in JSON for each request.
 *
 * @param settings of the protocol, but for its `endpoint`, as a Collector's configuration has them
 */
export function startCollector(
  protocol: 'grpc' | 'http',
  path: string,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<ForeignServer> {
  return startServer((port) => [
    interopPath('bin/otlp-receiver'),
    JSON.stringify({
      protocols: { [protocol]: { endpoint: `127.0.0.1:${port}`, ...settings } },
    }),
    path,
  ]);
}

/** A store that speaks S3 (moto). */
export function startS3(): Promise<ForeignServer> {
  return startServer((port) => [
    ...pythonProgram('moto_server', 'moto'),
    '-H',
    '127.0.0.1',
    '-p',
    String(port),
  ]);
}

/** A store that speaks as Google Cloud Storage does. */
export function startGcs(): Promise<ForeignServer> {
  return startServer((port) => [
    interopPath('bin/fake-gcs-server'),
    '-scheme',
    'http',
    '-host',
    '127.0.0.1',
    '-port',
    String(port),
    '-public-host',
    `127.0.0.1:${port}`,
    '-backend',
    'memory',
  ]);
}

/** Name and key (base64) of the account that `startAzure` has. */
export const AZURE_ACCOUNT = { name: 'acme', key: Buffer.from('not a secret').toString('base64') };

/** Microsoft's emulator of Azure Blob Storage. */
export function startAzure(): Promise<ForeignServer> {
  return startServer(
    (port) => [
      interopPath('azurite/node_modules/.bin/azurite-blob'),
      '--inMemoryPersistence',
      '--skipApiVersionCheck',
      '--silent',
      '--blobHost',
      '127.0.0.1',
      '--blobPort',
      String(port),
    ],
    { AZURITE_ACCOUNTS: `${AZURE_ACCOUNT.name}:${AZURE_ACCOUNT.key}` },
  );
}

async function startServer(
  commandOf: (port: number) => readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ForeignServer> {
  const port = await freePort();
  const [program, ...args] = commandOf(port);
  const child = spawn(program!, args, {
    env: { ...pythonEnvironment(), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-3000)));
  const kill = (): void => signalGroup(child, 'SIGKILL');
  process.once('exit', kill);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    kill();
    await exited;
    process.off('exit', kill);
  };
  try {
    await waitUntil(() => listens(port), { what: program!, timeoutMs: 120_000 });
  } catch (error) {
    await stop();
    throw new Error(`${program} did not start: ${log}`, { cause: error });
  }
  return { port, stop };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
