import { Buffer } from 'node:buffer';
import { hashFeatureField, timestampField } from '../feast-encoding/hash-field.ts';
import { encodeTimestamp } from '../feast-encoding/timestamp.ts';
import type { ReadOptions, WriteBatch, WriteResult, WriteRow } from './online-store.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { RedisCall } from '../redis/routed-call.ts';
import { callRedis, runScript } from './redis-call.ts';
import { WRITE_IF_NEWER } from './redis-script.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/** What is on its way to Redis at once: rows, and bytes of values. */
const MAX_ROWS_IN_FLIGHT = 1_000;
const MAX_BYTES_IN_FLIGHT = 4 * 1024 * 1024;

export interface RedisWriteOptions {
  /** Seconds that the whole hash lives after a write; `undefined` = for ever. */
  readonly keyTtlSeconds: number | undefined;
  /** Overwrite whatever is stored: the last writer wins. */
  readonly skipDedup: boolean;
}

/**
 * Writes rows as Feast does (`infra/online_stores/redis.py`): features and the event timestamp into the entity's hash, in
 * portions. A row is skipped where the same or a newer event of its view is stored, or came before it in the batch.
 */
export async function writeRedisBatch(
  client: RedisClient,
  batch: WriteBatch,
  limits: ReadOptions,
  options: RedisWriteOptions,
): Promise<WriteResult> {
  const target: WriteTarget = {
    project: Buffer.from(batch.project, 'utf8'),
    timestampField: timestampField(batch.view.storedName),
    featureFields: batch.view.featureNames.map((featureName) =>
      hashFeatureField(batch.view.storedName, featureName),
    ),
    ttl: options.keyTtlSeconds === undefined ? '' : String(options.keyTtlSeconds),
  };
  let written = 0;
  for (const rows of portionsOf(batch.rows)) {
    written += options.skipDedup
      ? await overwrite(client, target, rows, limits)
      : await writeNewer(client, target, rows, limits);
  }
  return { written, stale: batch.rows.length - written };
}

interface WriteTarget {
  readonly project: Uint8Array;
  readonly timestampField: Uint8Array;
  /** One per feature name of the batch, same order. */
  readonly featureFields: readonly Uint8Array[];
  /** Seconds in decimal, or empty. */
  readonly ttl: string;
}

function* portionsOf(rows: readonly WriteRow[]): Generator<readonly WriteRow[]> {
  let first = 0;
  let bytes = 0;
  for (const [i, row] of rows.entries()) {
    const size = row.values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
    if (i > first && (i - first >= MAX_ROWS_IN_FLIGHT || bytes + size > MAX_BYTES_IN_FLIGHT)) {
      yield rows.slice(first, i);
      first = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (first < rows.length) {
    yield rows.slice(first);
  }
}

async function writeNewer(
  client: RedisClient,
  target: WriteTarget,
  rows: readonly WriteRow[],
  limits: ReadOptions,
): Promise<number> {
  const keys = rows.map((row) => redisKey(row.entityKey, target.project));
  const replies = await runScript(
    client,
    WRITE_IF_NEWER,
    keys,
    rows.map((row) => scriptArguments(target, row)),
    limits,
  );
  return replies.filter((reply) => reply === 1).length;
}

function scriptArguments(target: WriteTarget, row: WriteRow): (string | Uint8Array)[] {
  const { eventTimestampNs } = row;
  let seconds = eventTimestampNs / NANOS_PER_SECOND;
  let nanos = eventTimestampNs % NANOS_PER_SECOND;
  if (nanos < 0n) {
    nanos += NANOS_PER_SECOND;
    seconds -= 1n;
  }
  return [
    target.timestampField,
    encodeTimestamp(eventTimestampNs),
    String(seconds),
    String(nanos),
    target.ttl,
    ...fieldsAndValues(target, row),
  ];
}

async function overwrite(
  client: RedisClient,
  target: WriteTarget,
  rows: readonly WriteRow[],
  limits: ReadOptions,
): Promise<number> {
  const calls = rows.flatMap((row): RedisCall[] => {
    const key = redisKey(row.entityKey, target.project);
    const timestamp = [target.timestampField, encodeTimestamp(row.eventTimestampNs)];
    const words = ['HSET', key, ...timestamp, ...fieldsAndValues(target, row)];
    const write: RedisCall = { key, words, isRepeatable: true };
    return target.ttl === ''
      ? [write]
      : [write, { key, words: ['EXPIRE', key, target.ttl], isRepeatable: true }];
  });
  await callRedis(client, calls, limits);
  return rows.length;
}

function fieldsAndValues({ featureFields }: WriteTarget, row: WriteRow): Uint8Array[] {
  return featureFields.flatMap((field, i) => {
    const value = row.values[i];
    return value === undefined ? [] : [field, value];
  });
}

/** Feast's Redis key: the entity key and the project, without anything in between. */
export function redisKey(entityKey: Uint8Array, project: Uint8Array): Buffer {
  return Buffer.concat([entityKey, project]);
}
