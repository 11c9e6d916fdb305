import { Buffer } from 'node:buffer';
import { hashFeatureField, timestampField } from '../feast-encoding/hash-field.ts';
import { onlineStoreUnavailable } from '../errors.ts';
import { createCellSlab, type CellSlab } from './cell-slab.ts';
import type {
  EntityRead,
  PreparedRead,
  ReadLayout,
  ReadOptions,
  StoredCells,
} from './online-store.ts';
import { commandError, openBatch, type RedisBatch } from './redis-batch.ts';
import type { RedisClient } from './redis-client.ts';
import { PrebuiltCommand, type ReplyReceiver } from './redis-command.ts';
import { redisSlot } from './redis-slot.ts';

/** A read as the two halves of its `HMGET`, between which the key goes. */
interface RedisPreparedRead extends PreparedRead {
  /** `*N\r\n$5\r\nHMGET\r\n$`: the length of the key follows. */
  readonly head: Buffer;
  /** `\r\n` and all fields as bulk strings. */
  readonly tail: Buffer;
}

/** Turns what is read of an entity into command bytes: nothing of it is computed again when it is read. */
export function prepareRedisRead(layout: ReadLayout): PreparedRead {
  const fields = layout.views.flatMap(({ storedName, featureNames }) => [
    ...featureNames.map((featureName) => hashFeatureField(storedName, featureName)),
    timestampField(storedName),
  ]);
  const parts = fields.flatMap((field) => [Buffer.from(`\r\n$${field.length}\r\n`), field]);
  const prepared: RedisPreparedRead = {
    keySuffix: Buffer.from(layout.project, 'utf8'),
    width: fields.length,
    head: Buffer.from(`*${fields.length + 2}\r\n$5\r\nHMGET\r\n$`),
    tail: Buffer.concat([...parts, Buffer.from('\r\n')]),
  };
  return prepared;
}

/** One `HMGET` per entity, all of them at once; see `OnlineStore.read`. */
export async function readRedis(
  client: RedisClient,
  reads: readonly EntityRead[],
  limits: ReadOptions,
): Promise<readonly StoredCells[]> {
  const outage = client.outage();
  if (outage !== undefined) {
    throw outage;
  }
  const results: CellSlab[] = [];
  let entityCount = 0;
  for (const { prepared, keys } of reads) {
    results.push(createCellSlab(keys.length, prepared.width));
    entityCount += keys.length;
  }
  if (entityCount === 0) {
    return results.map((slab) => slab.cells());
  }
  const commands: PrebuiltCommand[] = [];
  const batch = openBatch(client, commands, entityCount, limits, client.commandTimeoutMs);
  buildCommands(client, reads, createReceiver(client, reads, results, batch), commands);
  client.cork();
  try {
    for (const command of commands) {
      client.send(command);
    }
  } finally {
    client.uncork();
  }
  await batch.finished;
  return results.map((slab) => slab.cells());
}

function createReceiver(
  client: RedisClient,
  reads: readonly EntityRead[],
  results: readonly CellSlab[],
  batch: RedisBatch,
): ReplyReceiver {
  return {
    accept(group, entity, reply) {
      if (batch.isOver()) {
        return;
      }
      const { width } = reads[group]!.prepared;
      const values = reply as readonly (Uint8Array | null)[];
      if (!Array.isArray(reply) || values.length !== width) {
        batch.fail(onlineStoreUnavailable('Redis answered a read with something else than fields'));
        return;
      }
      copyRow(values, results[group]!, entity * width);
      batch.countReply();
    },
    refuse(command, error) {
      if (!batch.isOver()) {
        const key = reads[command.group]!.keys[command.index]!;
        batch.fail(commandError(client, command, key, error));
      }
    },
  };
}

function copyRow(values: readonly (Uint8Array | null)[], cells: CellSlab, at: number): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value !== null) {
      cells.put(at + i, value);
    }
  }
}

/** Builds all commands in one buffer: an allocation per read, not per entity. */
function buildCommands(
  client: RedisClient,
  reads: readonly EntityRead[],
  receiver: ReplyReceiver,
  commands: PrebuiltCommand[],
): void {
  const out = Buffer.allocUnsafe(commandBytes(reads));
  let at = 0;
  for (let group = 0; group < reads.length; group++) {
    const { prepared, keys } = reads[group]!;
    for (let entity = 0; entity < keys.length; entity++) {
      const key = keys[entity]!;
      const start = at;
      at = writeHmget(out, at, prepared as RedisPreparedRead, key);
      const slot = client.isCluster ? redisSlot(key) : 0;
      const bytes = out.subarray(start, at);
      commands.push(new PrebuiltCommand({ name: 'hmget', bytes, slot }, receiver, group, entity));
    }
  }
}

function commandBytes(reads: readonly EntityRead[]): number {
  let size = 0;
  for (const { prepared, keys } of reads) {
    const { head, tail } = prepared as RedisPreparedRead;
    for (const key of keys) {
      size += head.length + decimalDigits(key.length) + 2 + key.length + tail.length;
    }
  }
  return size;
}

function writeHmget(
  out: Buffer,
  at: number,
  { head, tail }: RedisPreparedRead,
  key: Uint8Array,
): number {
  out.set(head, at);
  at = writeDecimal(out, at + head.length, key.length);
  out[at] = 0x0d;
  out[at + 1] = 0x0a;
  out.set(key, at + 2);
  at += 2 + key.length;
  out.set(tail, at);
  return at + tail.length;
}

function decimalDigits(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.trunc(rest / 10)) {
    digits++;
  }
  return digits;
}

function writeDecimal(out: Buffer, at: number, value: number): number {
  const end = at + decimalDigits(value);
  for (let i = end - 1, rest = value; i >= at; i--) {
    out[i] = 0x30 + (rest % 10);
    rest = Math.trunc(rest / 10);
  }
  return end;
}
