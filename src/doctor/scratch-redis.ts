import type { Buffer } from 'node:buffer';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectRedis } from '../online-store/redis-client.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import { readOnlyNode, textOf, type ReadOnlyNode, type Words } from './read-only-node.ts';
import type { SampledField } from './sample-entities.ts';

/** A Redis of the doctor's own, for copies of hashes in both encodings. */
export interface ScratchRedis {
  /** `Redis 7.0.15`. */
  readonly version: string;
  readonly node: ReadOnlyNode;
  /**
   * Stores hashes in both encodings, again and again under new keys, as they lie in a store that was written view after view.
   *
   * @param hashes at least one.
   * @param count of copies of all of them together, in each encoding; not all of them where the time is up before.
   */
  copy(
    hashes: readonly (readonly SampledField[])[],
    count: number,
    isTimeUp: () => boolean,
  ): Promise<ScratchCopies>;
  close(): Promise<void>;
}

/** Keys of copies; the n-th of both encodings are alike. */
export interface ScratchCopies {
  readonly packed: readonly string[];
  readonly unpacked: readonly string[];
}

const PROGRAMS = ['redis-server', 'valkey-server'];
const START_TIMEOUT_MS = 5_000;
const POLL_MS = 25;
/** Copies beyond it are refused by the server; `copyCount` stays below. */
const MAX_MEMORY = '256mb';
const COMMANDS_AT_ONCE = 64;
/** Fields written with one command: about a view. What is written together lies together in memory. */
const FIELDS_AT_ONCE = 11;
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
  const callAll = async (commands: readonly Words[], isTimeUp: () => boolean): Promise<void> => {
    for (let at = 0; at < commands.length && !isTimeUp(); at += COMMANDS_AT_ONCE) {
      const portion = commands.slice(at, at + COMMANDS_AT_ONCE);
      await Promise.all(portion.map((words) => call(...words)));
    }
  };
  const limitEntries = (limit: string): Promise<unknown> =>
    call('CONFIG', 'SET', 'hash-max-ziplist-entries', limit);
  let groups = 0;
  return {
    version: valkey === undefined ? `Redis ${redis}` : `Valkey ${valkey}`,
    node: readOnlyNode(client, node!),
    async copy(hashes, count, isTimeUp) {
      const group = groups++;
      const originals = hashes.map((_, i) => `original:${group}:${i}`);
      const keysOf = (kind: string): string[] =>
        Array.from({ length: count }, (_, i) => `${kind}:${group}:${i}`);
      const [packed, unpacked] = [keysOf('packed'), keysOf('unpacked')];
      await limitEntries(NO_LIMIT);
      const payloads: Buffer[] = [];
      for (const [i, key] of originals.entries()) {
        await call('HSET', key, ...hashes[i]!.flatMap(({ name, value }) => [name, value]));
        payloads.push((await call('DUMP', key)) as Buffer);
      }
      const restore = (key: string, i: number): Words => [
        'RESTORE',
        key,
        '0',
        payloads[(i % count) % payloads.length]!,
      ];
      await callAll([...packed, ...unpacked].map(restore), isTimeUp);
      // As in the store: the next write unpacks a hash, and those after it replace value by value.
      await limitEntries('0');
      const widest = Math.max(...hashes.map(({ length }) => length));
      for (let first = 0; first < widest; first += FIELDS_AT_ONCE) {
        const rows = unpacked.flatMap((key, i): Words[] => {
          const fields = hashes[i % hashes.length]!.slice(first, first + FIELDS_AT_ONCE);
          const words = fields.flatMap(({ name, value }) => [name, value]);
          return words.length === 0 ? [] : [['HSET', key, ...words]];
        });
        await callAll(rows, isTimeUp);
      }
      return { packed, unpacked };
    },
    close,
  };
}
