import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import type { OnlineStore } from './online-store.ts';
import type { RedisOnlineStoreOptions } from './redis-online-store.ts';
import type { SqliteOnlineStoreOptions } from './sqlite-online-store.ts';

/** A store by its kind; the configuration's `onlineStore` is one. */
export type OnlineStoreOptions =
  | ({ readonly kind: 'sqlite' } & SqliteOnlineStoreOptions)
  | RedisOnlineStoreOptions;

/**
 * Opens the online store of a configuration; only the driver of its kind is loaded.
 *
 * @param entityKeyVersion of the keys in the store: Redis has to tell them from those of other projects when a view is
 *   removed.
 * @throws SideboardError ONLINE_STORE_UNAVAILABLE where a file cannot be opened; a Redis that is away fails its reads.
 */
export async function openOnlineStore(
  options: OnlineStoreOptions,
  entityKeyVersion: EntityKeyVersion = 3,
): Promise<OnlineStore> {
  if (options.kind === 'sqlite') {
    const { openSqliteOnlineStore } = await import('./sqlite-online-store.ts');
    return openSqliteOnlineStore(options);
  }
  const { openRedisOnlineStore } = await import('./redis-online-store.ts');
  return openRedisOnlineStore(options, entityKeyVersion);
}
