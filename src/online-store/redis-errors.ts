import { cancelled, deadlineExceeded, onlineStoreUnavailable, SideboardError } from '../errors.ts';
import { HashReadError } from '../redis/hash-read-batch.ts';
import { RedisError } from '../redis/redis-error.ts';
import { unreadableEntity } from './store-errors.ts';

/**
 * What a failure of Redis means to a caller; what is no `RedisError` stays what it is. Neither message nor cause holds a
 * key or a value.
 *
 * @param key that the command was about, where it is not said by the error.
 */
export function storeError(error: unknown, key?: Uint8Array): unknown {
  if (!(error instanceof RedisError)) {
    return error;
  }
  const { code, address, message } = error;
  switch (code) {
    case 'DEADLINE':
      return deadlineExceeded('while waiting for Redis');
    case 'CANCELLED':
      return cancelled();
    case 'OVERLOADED':
      return new SideboardError('OVERLOADED', `the online store is overloaded: ${message}`, {
        cause: error,
      });
    case 'REPLY': {
      const about = error instanceof HashReadError ? error.key : key;
      if (about !== undefined && message.startsWith('WRONGTYPE')) {
        return unreadableEntity(about, 'its Redis key does not hold a hash', error);
      }
      return onlineStoreUnavailable(`Redis at ${address} answered: ${message}`, error);
    }
    case 'NO_ANSWER':
      return onlineStoreUnavailable(message, error);
    default:
      return onlineStoreUnavailable(
        address === undefined ? message : `Redis at ${address} failed: ${message}`,
        error,
      );
  }
}

/** Waits for what Redis answers; its errors in the words of a store. */
export async function translated<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw storeError(error);
  }
}
