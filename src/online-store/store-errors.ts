import { murmur3 } from '../feast-encoding/murmur3.ts';
import { SideboardError } from '../errors.ts';

/** Names a key of the store in a message or a log: eight hex digits of its hash, never a value of an entity. */
export function keyHash(key: Uint8Array): string {
  return murmur3(key).toString(16).padStart(8, '0');
}

/** What the store holds under a key cannot be a row of features. @param what says so, as a clause. */
export function unreadableEntity(key: Uint8Array, what: string, cause?: unknown): SideboardError {
  return new SideboardError(
    'CORRUPT_STORED_VALUE',
    `The online store cannot serve the entity with key hash ${keyHash(key)}: ${what}`,
    { cause },
  );
}
