import { Buffer } from 'node:buffer';
import { hashFeatureField, timestampField } from '../feast-encoding/hash-field.ts';
import { encodeTimestamp } from '../feast-encoding/timestamp.ts';
import type { ReadOptions, WriteBatch, WriteResult, WriteRow } from './online-store.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { RedisCall } from '../redis/routed-call.ts';
import { callRedis, runScript } from './redis-call.ts';
import { confirmationOf, type RedisConfirmOptions } from './redis-confirm.ts';
import { WRITE_IF_NEWER } from './redis-script.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/** What is on its way to Redis at once: rows, and bytes of values. */
const MAX_ROWS_IN_FLIGHT = 1_000;
const MAX_BYTES_IN_FLIGHT = 4 * 1024 * 1024;

export interface RedisWriteOptions extends RedisConfirmOptions {
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
    const keys = rows.map((row) => redisKey(row.entityKey, target.project));
    const confirmation = confirmationOf(client, keys, options);
    written += options.skipDedup
      ? await overwrite(client, target, keys, rows, limits)
      : await writeNewer(client, target, keys, rows, limits);
    await confirmation.confirm();
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
  keys: readonly Uint8Array[],
  rows: readonly WriteRow[],
  limits: ReadOptions,
): Promise<number> {
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

/** One command per entity: commands that are sent again after a break could pass each other. */
async function overwrite(
  client: RedisClient,
  target: WriteTarget,
  keys: readonly Uint8Array[],
  rows: readonly WriteRow[],
  limits: ReadOptions,
): Promise<number> {
  const fieldsOf = new Map<string, { readonly key: Uint8Array; readonly words: Uint8Array[] }>();
  for (const [i, row] of rows.entries()) {
    const key = keys[i]!;
    const name = Buffer.from(key).toString('latin1');
    const entity = fieldsOf.get(name) ?? { key, words: [] };
    fieldsOf.set(name, entity);
    // Of a field that occurs twice the last value stays.
    entity.words.push(target.timestampField, encodeTimestamp(row.eventTimestampNs));
    entity.words.push(...fieldsAndValues(target, row));
  }
  const calls = [...fieldsOf.values()].flatMap(({ key, words }): RedisCall[] => {
    const write: RedisCall = { key, words: ['HSET', key, ...words], isRepeatable: true };
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
