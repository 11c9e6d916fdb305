import { Buffer } from 'node:buffer';
import { hashFeatureField, timestampField } from '../feast-encoding/hash-field.ts';
import { prepareHashFields, type HashFields } from '../redis/hash-fields.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type {
  EntityRead,
  PreparedRead,
  ReadLayout,
  ReadOptions,
  StoredCells,
} from './online-store.ts';
import { storeError } from './redis-errors.ts';

interface RedisPreparedRead extends PreparedRead {
  readonly fields: HashFields;
}

/** Turns what is read of an entity into fields of its hash, their commands ready: nothing is hashed when it is read. */
export function prepareRedisRead(layout: ReadLayout): PreparedRead {
  const fields = layout.views.flatMap(({ storedName, featureNames }) => [
    ...featureNames.map((featureName) => hashFeatureField(storedName, featureName)),
    timestampField(storedName),
  ]);
  const prepared: RedisPreparedRead = {
    keySuffix: Buffer.from(layout.project, 'utf8'),
    width: fields.length,
    fields: prepareHashFields(fields),
  };
  return prepared;
}

function countKeys(reads: readonly EntityRead[]): number {
  let count = 0;
  for (const { keys } of reads) count += keys.length;
  return count;
}

/** One command per entity, all of them at once; see `OnlineStore.read`. */
export async function readRedis(
  client: RedisClient,
  reads: readonly EntityRead[],
  limits: ReadOptions,
): Promise<readonly StoredCells[]> {
  const hashReads = reads.map(({ prepared, keys }) => {
    const { fields } = prepared as RedisPreparedRead;
    return { fields, keys, shape: 'hmget' as const };
  });
  try {
    const { cells, lostCount, lostReason } = await client.readHashes(hashReads, limits);
    // With nothing left there is no part to answer with.
    if (lostReason !== undefined && lostCount === countKeys(reads)) {
      throw lostReason;
    }
    return cells;
  } catch (error) {
    throw storeError(error);
  }
}
