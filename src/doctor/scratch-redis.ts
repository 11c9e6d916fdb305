import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { asReadOnly, type ReadOnlyNode } from './read-only-node.ts';
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
    const redis = await connect(guard, socket);
    if (redis !== undefined) {
      return scratch(redis, async () => {
        redis.disconnect();
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

async function connect(guard: ChildProcess, socket: string): Promise<Redis | undefined> {
  const gone = new AbortController();
  guard.once('error', () => gone.abort());
  guard.once('exit', () => gone.abort());
  const giveUpAtMs = performance.now() + START_TIMEOUT_MS;
  while (!gone.signal.aborted && performance.now() < giveUpAtMs) {
    const redis = new Redis({
      path: socket,
      protocol: 2,
      lazyConnect: true,
      retryStrategy: () => null,
    });
    redis.on('error', () => {
      // Not listening yet.
    });
    try {
      await redis.connect();
      return redis;
    } catch {
      redis.disconnect();
      await delay(POLL_MS);
    }
  }
  return undefined;
}

async function end(guard: ChildProcess): Promise<void> {
  if (guard.exitCode === null && guard.signalCode === null && guard.pid !== undefined) {
    const exited = new Promise((resolve) => guard.once('exit', resolve));
    guard.stdin?.end();
    await exited;
  }
}

async function scratch(redis: Redis, close: () => Promise<void>): Promise<ScratchRedis> {
  const info = await redis.info('server');
  const valkey = /valkey_version:(\S+)/.exec(info)?.[1];
  let copies = 0;
  // The name that every version understands.
  const pack = async (entries: string): Promise<void> => {
    await redis.config('SET', 'hash-max-ziplist-entries', entries);
    await redis.config('SET', 'hash-max-ziplist-value', NO_LIMIT);
  };
  return {
    version:
      valkey === undefined ? `Redis ${/redis_version:(\S+)/.exec(info)?.[1]}` : `Valkey ${valkey}`,
    node: asReadOnly(redis, 'a throwaway Redis'),
    async copy(fields) {
      const words = fields.flatMap(({ name, value }) => [name, value]);
      const keys = { packed: `packed:${copies}`, unpacked: `unpacked:${copies}` };
      copies++;
      await pack(NO_LIMIT);
      await redis.hset(keys.packed, ...words);
      await pack('0');
      await redis.hset(keys.unpacked, ...words);
      // A table that has just grown moves a bucket with every look-up; let it be done before anything is timed.
      await redis.hmget(keys.unpacked, ...fields.map(({ name }) => name));
      return keys;
    },
    close,
  };
}
