import { Buffer } from 'node:buffer';
import { hashFeatureField, timestampField } from '../feast-encoding/hash-field.ts';
import { encodeTimestamp } from '../feast-encoding/timestamp.ts';
import type { ReadOptions, WriteBatch, WriteResult, WriteRow } from './online-store.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { RedisReply } from '../redis/decode-reply.ts';
import { RedisError } from '../redis/redis-error.ts';
import { redisSlot } from '../redis/redis-slot.ts';
import type { RedisCall } from '../redis/routed-call.ts';
import { callRedis, runScript, tryScript } from './redis-call.ts';
import { confirmationOf, type RedisConfirmOptions } from './redis-confirm.ts';
import { fieldsAndValues, rowsArguments, scriptArguments } from './redis-row-arguments.ts';
import type { WriteTarget } from './redis-row-arguments.ts';
import {
  MAX_FEATURES_OF_ROWS,
  WRITE_IF_NEWER,
  WRITE_ROWS_IF_NEWER,
  WRITE_ROWS_OF_NODE,
} from './redis-script.ts';

/** What is on its way to Redis at once: rows, and bytes of values. */
const MAX_ROWS_IN_FLIGHT = 1_000;
const MAX_BYTES_IN_FLIGHT = 4 * 1024 * 1024;

/** What one run of a script writes: Redis answers nobody else meanwhile. */
const MAX_ROWS_OF_SCRIPT = 50;
const MAX_BYTES_OF_SCRIPT = 64 * 1024;

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
  const portions = portionsOf(batch.rows, MAX_ROWS_IN_FLIGHT, MAX_BYTES_IN_FLIGHT);
  for (const { first, end } of portions) {
    const rows = batch.rows.slice(first, end);
    const keys = rows.map((row) => redisKey(row.entityKey, target.project));
    const confirmation = confirmationOf(client, keys, options);
    written += options.skipDedup
      ? await overwrite(client, target, keys, rows, limits)
      : await writeNewer(client, target, keys, rows, limits);
    await confirmation.confirm();
  }
  return { written, stale: batch.rows.length - written };
}

function* portionsOf(
  rows: readonly WriteRow[],
  maxRows: number,
  maxBytes: number,
): Generator<{ readonly first: number; readonly end: number }> {
  let first = 0;
  let bytes = 0;
  for (let i = 0; i < rows.length; i++) {
    let size = 0;
    for (const value of rows[i]!.values) {
      size += value?.length ?? 0;
    }
    if (i > first && (i - first >= maxRows || bytes + size > maxBytes)) {
      yield { first, end: i };
      first = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (first < rows.length) {
    yield { first, end: rows.length };
  }
}

async function writeNewer(
  client: RedisClient,
  target: WriteTarget,
  keys: readonly Uint8Array[],
  rows: readonly WriteRow[],
  limits: ReadOptions,
): Promise<number> {
  if (rows.length === 1 || !isUniform(target, rows)) {
    return writeSingly(client, target, keys, rows, limits);
  }
  if (client.isCluster) {
    return writeByNode(client, target, keys, rows, limits);
  }
  const portions = [...portionsOf(rows, MAX_ROWS_OF_SCRIPT, MAX_BYTES_OF_SCRIPT)];
  const calls = portions.map(({ first, end }) => ({
    keys: keys.slice(first, end),
    argument: rowsArguments(target, rows.slice(first, end)),
  }));
  const replies = await tryScript(client, WRITE_ROWS_IF_NEWER, calls, limits);
  if (replies === undefined) {
    return writeSingly(client, target, keys, rows, limits);
  }
  let written = 0;
  for (const [i, { first, end }] of portions.entries()) {
    const reply = replies[i];
    // A row that cannot be written stops those after it; alone, each is written or says why not.
    written +=
      typeof reply === 'number'
        ? reply
        : await writeSingly(client, target, keys.slice(first, end), rows.slice(first, end), limits);
  }
  return written;
}

/** Clusters that run no script on keys of several slots: those before Redis 7.0. */
const slotwise = new WeakSet<RedisClient>();

/** In a cluster, rows of one node go to it together. What it does not take, a slot having moved, is written row by row. */
async function writeByNode(
  client: RedisClient,
  target: WriteTarget,
  keys: readonly Uint8Array[],
  rows: readonly WriteRow[],
  limits: ReadOptions,
): Promise<number> {
  if (slotwise.has(client)) {
    return writeSingly(client, target, keys, rows, limits);
  }
  const portions = portionsByNode(client, keys, rows);
  const calls = portions.map((portion) => ({
    keys: portion.keys.slice(0, 1),
    argument: rowsArguments(target, portion.rows, portion.keys),
  }));
  const replies = await tryScript(client, WRITE_ROWS_OF_NODE, calls, limits);
  let written = 0;
  for (const [i, portion] of portions.entries()) {
    const reply = replies?.[i];
    if (isUnreadableScript(reply)) {
      slotwise.add(client);
    }
    written +=
      typeof reply === 'number'
        ? reply
        : await writeSingly(client, target, portion.keys, portion.rows, limits);
  }
  return written;
}

/** Rows that one script takes, all of one node as far as is known; those of one key keep their order. */
function portionsByNode(
  client: RedisClient,
  keys: readonly Uint8Array[],
  rows: readonly WriteRow[],
): { readonly keys: readonly Uint8Array[]; readonly rows: readonly WriteRow[] }[] {
  const byNode = Map.groupBy(rows.keys(), (i) => client.addressOfSlot(redisSlot(keys[i]!)));
  return [...byNode.values()].flatMap((indexes) => {
    const nodeKeys = indexes.map((i) => keys[i]!);
    const nodeRows = indexes.map((i) => rows[i]!);
    const portions = [...portionsOf(nodeRows, MAX_ROWS_OF_SCRIPT, MAX_BYTES_OF_SCRIPT)];
    return portions.map(({ first, end }) => ({
      keys: nodeKeys.slice(first, end),
      rows: nodeRows.slice(first, end),
    }));
  });
}

/** Whether a server does not know what `#!lua` means. */
function isUnreadableScript(reply: RedisReply | undefined): boolean {
  return reply instanceof RedisError && /compiling script/i.test(reply.message);
}

/** Whether each row sets all features, and few enough of them for one script to take several rows. */
function isUniform({ featureFields }: WriteTarget, rows: readonly WriteRow[]): boolean {
  return (
    featureFields.length <= MAX_FEATURES_OF_ROWS &&
    rows.every(({ values }) => !values.includes(undefined))
  );
}

async function writeSingly(
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

/** Feast's Redis key: the entity key and the project, without anything in between. */
export function redisKey(entityKey: Uint8Array, project: Uint8Array): Buffer {
  return Buffer.concat([entityKey, project]);
}
