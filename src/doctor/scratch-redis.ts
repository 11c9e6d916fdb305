import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectRedis } from '../online-store/redis-client.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import { readOnlyNode, textOf, type ReadOnlyNode } from './read-only-node.ts';
import type { SampledField } from './sample-entities.ts';

/** A Redis of the doctor's own, for copies of hashes in both encodings. */
export interface ScratchRedis {
  /** `Redis 7.0.15`. */
  readonly version: string;
  readonly node: ReadOnlyNode;
  /** Stores a hash twice. @returns the keys of the copies. */
  copy(
    fields: readonly SampledField[],
  ): Promise<{ readonly packed: string; readonly unpacked: string }>;
  close(): Promise<void>;
}

const PROGRAMS = ['redis-server', 'valkey-server'];
const START_TIMEOUT_MS = 5_000;
const POLL_MS = 25;
/** Copies beyond it are refused by the server; a sample stays far below. */
const MAX_MEMORY = '256mb';
const NO_LIMIT = '1000000000';

/**
 * Starts a Redis on this machine that listens on a socket in a folder of its own, stores nothing on disk, and ends with
 * this process at the latest; `undefined` where no Redis is installed.
 */
export async function startScratchRedis(): Promise<ScratchRedis | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-doctor-'));
  for (const program of PROGRAMS) {
    const socket = join(folder, 'redis.sock');
    const guard = spawnGuarded(program, folder, socket);
    const client = await connect(guard, socket);
    if (client !== undefined) {
      return scratch(client, async () => {
        client.close();
        await end(guard);
        await rm(folder, { recursive: true, force: true });
      });
    }
    await end(guard);
  }
  await rm(folder, { recursive: true, force: true });
  return undefined;
}

/** A shell that ends the server when its standard input closes: by us, or because we are gone. */
function spawnGuarded(program: string, folder: string, socket: string): ChildProcess {
  const script =
    'command -v "$1" >/dev/null || exit 127; "$@" & pid=$!; cat >/dev/null; kill -9 $pid';
  const options = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', ''];
  options.push('--appendonly', 'no', '--daemonize', 'no', '--maxmemory', MAX_MEMORY);
  return spawn('sh', ['-c', script, 'sh', program, ...options], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
}

async function connect(guard: ChildProcess, socket: string): Promise<RedisClient | undefined> {
  const gone = new AbortController();
  guard.once('error', () => gone.abort());
  guard.once('exit', () => gone.abort());
  const client = await connectRedis({
    kind: 'redis',
    nodes: [{ host: 'localhost', port: 0 }],
    unixSocket: socket,
    database: 0,
    tls: false,
    sentinelMaster: '',
    connectTimeoutMs: START_TIMEOUT_MS,
    commandTimeoutMs: START_TIMEOUT_MS,
  });
  const giveUpAtMs = performance.now() + START_TIMEOUT_MS;
  while (!gone.signal.aborted && performance.now() < giveUpAtMs) {
    try {
      await client.ping({ deadlineAtMs: giveUpAtMs });
      return client;
    } catch {
      await delay(POLL_MS); // Not listening yet.
    }
  }
  client.close();
  return undefined;
}

async function end(guard: ChildProcess): Promise<void> {
  if (guard.exitCode === null && guard.signalCode === null && guard.pid !== undefined) {
    const exited = new Promise((resolve) => guard.once('exit', resolve));
    guard.stdin?.end();
    await exited;
  }
}

async function scratch(client: RedisClient, close: () => Promise<void>): Promise<ScratchRedis> {
  const [node] = client.primaries();
  const call = (...words: readonly (string | Uint8Array)[]): Promise<unknown> =>
    client.callNode(node!, words);
  const info = textOf(await call('INFO', 'server'));
  const valkey = /valkey_version:(\S+)/.exec(info)?.[1];
  const redis = /redis_version:(\S+)/.exec(info)?.[1];
  // The names that every version understands.
  await call('CONFIG', 'SET', 'hash-max-ziplist-value', NO_LIMIT);
  let copies = 0;
  return {
    version: valkey === undefined ? `Redis ${redis}` : `Valkey ${valkey}`,
    node: readOnlyNode(client, node!),
    async copy(fields) {
      const words = fields.flatMap(({ name, value }) => [name, value]);
      const keys = { packed: `packed:${copies}`, unpacked: `unpacked:${copies}` };
      copies++;
      await call('CONFIG', 'SET', 'hash-max-ziplist-entries', NO_LIMIT);
      await call('HSET', keys.packed, ...words);
      await call('CONFIG', 'SET', 'hash-max-ziplist-entries', '0');
      await call('HSET', keys.unpacked, ...words);
      // A table that has just grown moves a bucket with every look-up; let it be done before anything is timed.
      await call('HMGET', keys.unpacked, ...fields.map(({ name }) => name));
      return keys;
    },
    close,
  };
}
