import { connect, type Socket } from 'node:net';
import { createClient, RESP_TYPES } from '@redis/client';
import { Redis } from 'ioredis';
import { encodeCommand } from '../../src/redis/encode-command.ts';
import { prepareHashFields, type ReadShape } from '../../src/redis/hash-fields.ts';
import { nodeRuntime } from '../../src/redis/node-runtime.ts';
import { openRedisClient } from '../../src/redis/redis-client.ts';
import type { RedisRuntime } from '../../src/redis/redis-runtime.ts';

/** What is read: the same fields of some hashes of a single node. */
export interface HashesToRead {
  readonly port: number;
  /** Sets of keys that reads take in turn, all of one size. */
  readonly keySets: readonly (readonly Buffer[])[];
  readonly fields: readonly Buffer[];
  /** For our own client; the real one by default. */
  readonly runtime?: RedisRuntime;
}

/** A client that reads all hashes of a set at once. */
export interface ReadClient {
  /** @returns how many values came; what stands for them is the client's affair. */
  read(set: number): Promise<number>;
  close(): Promise<void>;
}

export type ReadClientName =
  | 'sideboard'
  | 'sideboard, whole hashes'
  | 'ioredis'
  | 'node-redis'
  | 'bare socket'
  | 'bare socket, whole hashes';

/** Connects one of the clients that stand beside each other. */
export async function openReadClient(
  name: ReadClientName,
  what: HashesToRead,
): Promise<ReadClient> {
  switch (name) {
    case 'ioredis':
      return openIoredis(what);
    case 'node-redis':
      return openNodeRedis(what);
    case 'bare socket':
    case 'bare socket, whole hashes':
      return openBareSocket(what, name !== 'bare socket');
    default:
      return openOurs(what, name === 'sideboard' ? 'hmget' : 'hgetall');
  }
}

async function openOurs(what: HashesToRead, shape: ReadShape): Promise<ReadClient> {
  const credentials = async () => ({});
  const client = await openRedisClient({
    runtime: what.runtime ?? nodeRuntime,
    kind: 'redis',
    nodes: [{ host: '127.0.0.1', port: what.port }],
    credentials,
    database: 0,
    tls: false,
    sentinel: { masterName: '', credentials, tls: false },
    natMap: new Map(),
    read: { readFrom: 'primary', zone: undefined },
    zones: new Map(),
    hedgeShare: 0,
    hedgeQuantile: 0.95,
    sharesReads: true,
    clientName: 'bench',
    libraryName: 'sideboard',
    libraryVersion: '0',
    connectTimeoutMs: 1_000,
    commandTimeoutMs: 10_000,
    silenceTimeoutMs: 10_000,
    keepAliveMs: 30_000,
    topologyRefreshMs: 60_000,
    maxPendingCommands: 1_000_000,
    maxPendingBytes: 2 ** 28,
  });
  const fields = prepareHashFields(what.fields);
  return {
    async read(set) {
      const keys = what.keySets[set]!;
      const limits = { deadlineAtMs: performance.now() + 10_000 };
      const { cells } = await client.readHashes([{ fields, keys, shape }], limits);
      const { starts } = cells[0]!;
      let found = 0;
      for (let i = 0; i < starts.length; i++) if (starts[i]! >= 0) found++;
      cells[0]!.release();
      return found;
    },
    close: async () => client.close(),
  };
}

/** One pipeline of commands, replies as bytes: the quickest way that its documentation shows. */
async function openIoredis({ port, keySets, fields }: HashesToRead): Promise<ReadClient> {
  const client = new Redis({ host: '127.0.0.1', port });
  await client.ping();
  return {
    async read(set) {
      const pipeline = client.pipeline();
      for (const key of keySets[set]!) pipeline.hmgetBuffer(key, ...fields);
      const replies = (await pipeline.exec())!;
      return replies.reduce((sum, [, row]) => sum + countValues(row as (Buffer | null)[]), 0);
    },
    close: async () => client.disconnect(),
  };
}

/** Commands of one turn, which it pipelines by itself, replies as bytes. */
async function openNodeRedis({ port, keySets, fields }: HashesToRead): Promise<ReadClient> {
  const client = createClient({ socket: { host: '127.0.0.1', port } }).withTypeMapping({
    [RESP_TYPES.BLOB_STRING]: Buffer,
  });
  await client.connect();
  const names = [...fields];
  return {
    async read(set) {
      const rows = await Promise.all(keySets[set]!.map((key) => client.hmGet(key, names)));
      return rows.reduce((sum, row) => sum + countValues(row), 0);
    },
    close: () => client.close(),
  };
}

function countValues(row: readonly (Buffer | null)[]): number {
  let found = 0;
  for (const value of row) if (value !== null) found++;
  return found;
}

/** Sends the same commands, made beforehand, and looks at nothing of the replies but their length: what a client adds to. */
async function openBareSocket(
  { port, keySets, fields }: HashesToRead,
  isWhole: boolean,
): Promise<ReadClient> {
  const commandOf = (key: Buffer): Buffer =>
    encodeCommand(isWhole ? ['HGETALL', key] : ['HMGET', key, ...fields]);
  const commands = keySets.map((keys) => Buffer.concat(keys.map(commandOf)));
  const buffer = Buffer.allocUnsafe(128 * 1024);
  /** Of reads under way: up to which byte of all their replies reach. */
  const due: { readonly end: number; readonly wake: () => void }[] = [];
  let received = 0;
  let announced = 0;
  const socket = connect({
    host: '127.0.0.1',
    port,
    noDelay: true,
    onread: {
      buffer,
      callback(byteCount) {
        received += byteCount;
        while (due.length > 0 && due[0]!.end <= received) due.shift()!.wake();
        return true;
      },
    },
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  const lengths: number[] = [];
  for (const command of commands)
    lengths.push(await lengthOfReplies(socket, command, () => received));
  announced = received;
  return {
    read(set) {
      announced += lengths[set]!;
      const { promise, resolve } = Promise.withResolvers<number>();
      due.push({
        end: announced,
        wake: () => resolve(keySets[set]!.length * fields.length),
      });
      socket.write(commands[set]!);
      return promise;
    },
    close: async () => void socket.destroy(),
  };
}

/** Sends commands once and waits until nothing more comes. */
async function lengthOfReplies(
  socket: Socket,
  command: Buffer,
  received: () => number,
): Promise<number> {
  const startedAt = received();
  socket.write(command);
  for (let before = -1; before !== received() || received() === startedAt;) {
    before = received();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return received() - startedAt;
}
