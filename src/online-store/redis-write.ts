import { Buffer } from 'node:buffer';
import { hashFeatureField, timestampField } from '../feast-encoding/hash-field.ts';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import { encodeTimestamp } from '../feast-encoding/timestamp.ts';
import { slabOf } from './online-store.ts';
import type { ReadOptions, WriteBatch, WriteResult } from './online-store.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { RedisReply } from '../redis/decode-reply.ts';
import { RedisError } from '../redis/redis-error.ts';
import { redisSlot } from '../redis/redis-slot.ts';
import type { RedisCall } from '../redis/routed-call.ts';
import { callRedis, runScript, tryScript, type ScriptCall } from './redis-call.ts';
import { confirmationOf, isConfirmed, type RedisConfirmOptions } from './redis-confirm.ts';
import { createNewRows } from './redis-create.ts';
import {
  encodeWriteRows,
  encodeWriteRowsOfNode,
  fieldsAndValues,
  scriptArguments,
} from './redis-row-arguments.ts';
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
  const slab = slabOf(batch);
  const all = Array.from({ length: slab.length }, (_, row) => row);
  let written = 0;
  for (const rows of portionsOf(slab, all, MAX_ROWS_IN_FLIGHT, MAX_BYTES_IN_FLIGHT)) {
    const flight: Flight = { client, target, slab, limits };
    const keys = isConfirmed(options) ? keysOf(flight, rows) : [];
    const confirmation = confirmationOf(client, keys, options);
    written += options.skipDedup ? await overwrite(flight, rows) : await writeNewer(flight, rows);
    await confirmation.confirm();
  }
  return { written, stale: slab.length - written };
}

/** What goes to Redis at once. */
interface Flight {
  readonly client: RedisClient;
  readonly target: WriteTarget;
  readonly slab: RowSlab;
  readonly limits: ReadOptions;
}

function keysOf({ slab, target }: Flight, rows: readonly number[]): Buffer[] {
  return rows.map((row) => redisKey(slab.entityKey(row), target.project));
}

/** The rows of a slab in their order, as many at once as may be; a large one goes alone. */
function* portionsOf(
  slab: RowSlab,
  rows: readonly number[],
  maxRows: number,
  maxBytes: number,
): Generator<readonly number[]> {
  let first = 0;
  let bytes = 0;
  for (let i = 0; i < rows.length; i++) {
    const size = slab.valueBytes(rows[i]!);
    if (i > first && (i - first >= maxRows || bytes + size > maxBytes)) {
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

async function writeNewer(flight: Flight, rows: readonly number[]): Promise<number> {
  const { client, target, slab, limits } = flight;
  if (rows.length === 1 || !isUniform(target, slab)) {
    return writeSingly(flight, rows);
  }
  const left = await createNewRows(client, target, slab, rows, limits);
  return rows.length - left.length + (await compareAndWrite(flight, left));
}

async function compareAndWrite(flight: Flight, rows: readonly number[]): Promise<number> {
  const { client, target, slab, limits } = flight;
  if (client.isCluster) {
    return writeByNode(flight, rows);
  }
  const portions = [...portionsOf(slab, rows, MAX_ROWS_OF_SCRIPT, MAX_BYTES_OF_SCRIPT)];
  const calls = portions.map((portion): ScriptCall => ({
    key: redisKey(slab.entityKey(portion[0]!), target.project),
    encode: (head) => encodeWriteRows(head, target, slab, portion),
  }));
  const replies = await tryScript(client, WRITE_ROWS_IF_NEWER, calls, limits);
  return sumUp(flight, portions, replies);
}

/** A row that cannot be written stops those after it in its script; alone, each is written or says why not. */
async function sumUp(
  flight: Flight,
  portions: readonly (readonly number[])[],
  replies: readonly RedisReply[] | undefined,
): Promise<number> {
  if (replies === undefined) {
    return writeSingly(flight, portions.flat());
  }
  let written = 0;
  for (const [i, rows] of portions.entries()) {
    const reply = replies[i];
    written += typeof reply === 'number' ? reply : await writeSingly(flight, rows);
  }
  return written;
}

/** Clusters that run no script on keys of several slots: those before Redis 7.0. */
const slotwise = new WeakSet<RedisClient>();

/** In a cluster, rows of one node go to it together. What it does not take, a slot having moved, is written row by row. */
async function writeByNode(flight: Flight, rows: readonly number[]): Promise<number> {
  const { client, target, slab, limits } = flight;
  if (slotwise.has(client)) {
    return writeSingly(flight, rows);
  }
  const portions = portionsByNode(flight, rows);
  const calls = portions.map((portion): ScriptCall => ({
    key: redisKey(slab.entityKey(portion[0]!), target.project),
    encode: (head) => encodeWriteRowsOfNode(head, target, slab, portion),
  }));
  const replies = await tryScript(client, WRITE_ROWS_OF_NODE, calls, limits);
  if (replies?.some(isUnreadableScript) === true) {
    slotwise.add(client);
  }
  return sumUp(flight, portions, replies);
}

/** Rows that one script takes, all of one node as far as is known; those of one key keep their order. */
function portionsByNode(flight: Flight, rows: readonly number[]): (readonly number[])[] {
  const { client, slab, target } = flight;
  const addressOf = (row: number): string =>
    client.addressOfSlot(redisSlot(redisKey(slab.entityKey(row), target.project)));
  return [...Map.groupBy(rows, addressOf).values()].flatMap((ofNode) => [
    ...portionsOf(slab, ofNode, MAX_ROWS_OF_SCRIPT, MAX_BYTES_OF_SCRIPT),
  ]);
}

/** Whether a server does not know what `#!lua` means. */
function isUnreadableScript(reply: RedisReply | undefined): boolean {
  return reply instanceof RedisError && /compiling script/i.test(reply.message);
}

/** Whether each row sets all features, and few enough of them for one script to take several rows. */
function isUniform({ featureFields }: WriteTarget, slab: RowSlab): boolean {
  return featureFields.length <= MAX_FEATURES_OF_ROWS && !slab.isPartial;
}

async function writeSingly(flight: Flight, rows: readonly number[]): Promise<number> {
  const { client, target, slab, limits } = flight;
  const argumentsOf = rows.map((row) => scriptArguments(target, slab.row(row)));
  const keys = keysOf(flight, rows);
  const replies = await runScript(client, WRITE_IF_NEWER, keys, argumentsOf, limits);
  return replies.filter((reply) => reply === 1).length;
}

/** One command per entity: commands that are sent again after a break could pass each other. */
async function overwrite(
  { client, target, slab, limits }: Flight,
  rows: readonly number[],
): Promise<number> {
  const fieldsOf = new Map<string, { readonly key: Uint8Array; readonly words: Uint8Array[] }>();
  for (const index of rows) {
    const row = slab.row(index);
    const key = redisKey(row.entityKey, target.project);
    const name = key.toString('latin1');
    const entity = fieldsOf.get(name) ?? { key, words: [] as Uint8Array[] };
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
