import { Buffer } from 'node:buffer';
import type { ConnectionOptions } from '../../src/redis/connection-options.ts';
import { prepareHashFields, type ReadShape } from '../../src/redis/hash-fields.ts';
import type { HashReadLimits } from '../../src/redis/hash-read-batch.ts';
import { LOST, type HashCells } from '../../src/redis/read-hash-reply.ts';
import {
  openRedisClient,
  type RedisClient,
  type RedisClientOptions,
} from '../../src/redis/redis-client.ts';
import type { RedisRuntime } from '../../src/redis/redis-runtime.ts';
import { array } from './simulated-redis.ts';
import type { SimulatedWorld } from './simulated-world.ts';

/** How connections are made, in a simulated world or in this one. */
export function connectionOptions(
  runtime: RedisRuntime,
  changes: Partial<ConnectionOptions> = {},
): ConnectionOptions {
  return {
    runtime,
    credentials: async () => ({}),
    tls: false,
    database: 0,
    clientName: 'sideboard',
    libraryName: 'sideboard',
    libraryVersion: '1',
    connectTimeoutMs: 100,
    silenceTimeoutMs: 1_000,
    keepAliveMs: 30_000,
    maxPendingCommands: 1_000,
    maxPendingBytes: 1024 * 1024,
    ...changes,
  };
}

/** A client of nodes `a:1`, … in a simulated world; it has had its first look. */
export async function openClient(
  world: SimulatedWorld,
  changes: Partial<RedisClientOptions> = {},
): Promise<RedisClient> {
  const noCredentials = async () => ({});
  return world.until(
    openRedisClient({
      ...connectionOptions(world),
      kind: 'redis',
      nodes: [{ host: 'a', port: 1 }],
      sentinel: { masterName: 'mymaster', credentials: noCredentials, tls: false },
      natMap: new Map(),
      read: { readFrom: 'primary', zone: undefined },
      zones: new Map(),
      hedgeShare: 0.05,
      hedgeQuantile: 0.95,
      sharesReads: true,
      commandTimeoutMs: 2_000,
      topologyRefreshMs: 5_000,
      ...changes,
    }),
  );
}

export const FIELDS = prepareHashFields(['f', 'g'].map((field) => Buffer.from(field)));

/** What was read of some keys: `f` and `g` as text, `null` = absent, `lost`. */
export async function readKeys(
  client: RedisClient,
  keys: readonly string[],
  limits: HashReadLimits & { readonly shape?: ReadShape } = { deadlineAtMs: Infinity },
): Promise<(string | null)[][]> {
  const read = {
    fields: FIELDS,
    keys: keys.map((key) => Buffer.from(key, 'latin1')),
    shape: limits.shape ?? 'hmget',
  } as const;
  const { cells } = await client.readHashes([read], limits);
  const text = textOf(cells[0]!, FIELDS.width);
  cells[0]!.release();
  return text;
}

export function textOf({ buffers, starts, ends }: HashCells, width: number): (string | null)[][] {
  return buffers.map((buffer, row) => {
    // Not copied: a slab is large, and may be empty for a hash that is not there.
    const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    return Array.from({ length: width }, (_, i) => {
      const start = starts[row * width + i]!;
      if (start === LOST) return 'lost';
      return start < 0 ? null : bytes.toString('latin1', start, ends[row * width + i]);
    });
  });
}

/** The answer to `CLUSTER SLOTS`: primary first in each range, all at port 1. */
export function slotsAnswer(
  ranges: readonly (readonly [first: number, last: number, ...hosts: readonly string[]])[],
): Buffer {
  return array(
    ranges.map(([first, last, ...hosts]) => [
      first,
      last,
      ...hosts.map((host) => [host, 1, `id-${host}`]),
    ]),
  );
}
