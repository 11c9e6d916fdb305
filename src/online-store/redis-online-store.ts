import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import type { OnlineStore } from './online-store.ts';
import { connectRedis, type RedisConnectionOptions } from './redis-client.ts';
import { translated } from './redis-errors.ts';
import { checkRedis, inspectRedis } from './redis-inspection.ts';
import { redisFigures } from './redis-figures.ts';
import { createRedisReader, type ReadShapeSetting } from './redis-read.ts';
import { removeViewsFromRedis } from './redis-remove.ts';
import { writeRedisBatch, type RedisWriteOptions } from './redis-write.ts';

/** Where Redis is and how to write to it. */
export interface RedisOnlineStoreOptions extends RedisConnectionOptions, RedisWriteOptions {
  /** Whether removing a view goes through all keys of the project and deletes what is its own; `false` leaves it there. */
  readonly fullScanForDeletion?: boolean | undefined;
  /** How features are read of an entity's hash; `auto` (the default) measures what is quicker. */
  readonly readShape?: ReadShapeSetting | undefined;
}

/**
 * Opens Feast's Redis layout (`infra/online_stores/redis.py`): a hash per entity, with the features of all views under
 * hashes of their names. A Redis that is away does not keep the store from opening: reads fail until it is there.
 */
export async function openRedisOnlineStore(
  options: RedisOnlineStoreOptions,
  entityKeyVersion: EntityKeyVersion,
): Promise<OnlineStore> {
  const client = await connectRedis(options);
  const reader = createRedisReader(client, options.readShape ?? 'auto');
  return {
    kind: options.kind,
    readsUnknownViews: true,
    prepare: reader.prepare,
    read: reader.read,
    write: (batch, limits) => writeRedisBatch(client, batch, limits, options),
    async update(project, _keep, remove) {
      if (remove.length > 0 && options.fullScanForDeletion !== false) {
        await removeViewsFromRedis(client, { project, remove, entityKeyVersion });
      }
    },
    ping: (limits) => translated(client.ping(limits)),
    check: () => checkRedis(client),
    inspect: (project, entityKey, views) => inspectRedis(client, project, entityKey, views),
    awayNodes: () => client.awayNodes(),
    figures: () => redisFigures(client, reader),
    close: async () => client.close(),
  };
}
