import { Buffer } from 'node:buffer';
import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import { hashFeatureField, timestampField } from '../feast-encoding/hash-field.ts';
import { parseEntityKey } from '../feast-encoding/parse-entity-key.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { RedisNode } from '../redis/redis-node.ts';
import type { ReadOptions, ViewLayout } from './online-store.ts';
import { runScript } from './redis-call.ts';
import { translated } from './redis-errors.ts';
import { REMOVE_FIELDS } from './redis-script.ts';

const UNLIMITED: ReadOptions = { deadlineAtMs: Number.POSITIVE_INFINITY };
/** Keys that a node looks at per step: it serves others in between. */
const KEYS_PER_SCAN = '1000';

export interface RedisRemoval {
  readonly project: string;
  /** Stored names, with features where they are known: without them a shared hash keeps the features' bytes. */
  readonly remove: readonly (string | ViewLayout)[];
  readonly entityKeyVersion: EntityKeyVersion;
}

/**
 * Deletes the rows of views that are gone: goes through all keys of all nodes and takes those of the project, which is told
 * by taking the key apart, not by how it ends. A hash in which no other view has a row is deleted whole.
 */
export async function removeViewsFromRedis(
  client: RedisClient,
  { project, remove, entityKeyVersion }: RedisRemoval,
): Promise<void> {
  const suffix = Buffer.from(project, 'utf8');
  const fields = remove.flatMap((view) =>
    typeof view === 'string'
      ? [timestampField(view)]
      : [
          timestampField(view.storedName),
          ...view.featureNames.map((name) => hashFeatureField(view.storedName, name)),
        ],
  );
  for (const node of client.primaries()) {
    for await (const keys of scanKeys(client, node, suffix)) {
      const own = keys.filter((key) => isEntityOf(key, suffix, entityKeyVersion));
      await runScript(
        client,
        REMOVE_FIELDS,
        own,
        own.map(() => fields),
        UNLIMITED,
      );
    }
  }
}

async function* scanKeys(
  client: RedisClient,
  node: RedisNode,
  suffix: Uint8Array,
): AsyncGenerator<Buffer[]> {
  let cursor: string | Buffer = '0';
  do {
    const words = ['MATCH', globSuffix(suffix), 'COUNT', KEYS_PER_SCAN, 'TYPE', 'hash'];
    const reply = await translated(client.callNode(node, ['SCAN', cursor, ...words]));
    const [next, keys] = reply as [Buffer, Buffer[]];
    cursor = next;
    yield keys;
  } while (cursor.toString() !== '0');
}

/** A pattern for keys that end with these bytes; what means something in a pattern is escaped. */
function globSuffix(suffix: Uint8Array): Buffer {
  const escaped = [...suffix].flatMap((byte) =>
    '*?[]\\^-'.includes(String.fromCharCode(byte)) ? [0x5c, byte] : [byte],
  );
  return Buffer.from([0x2a, ...escaped]);
}

/** Whether a Redis key is an entity key followed by the project and nothing else. */
function isEntityOf(key: Buffer, suffix: Buffer, version: EntityKeyVersion): boolean {
  try {
    const { end } = parseEntityKey(key, version, suffix);
    return key.subarray(end).equals(suffix);
  } catch {
    return false; // Somebody else's key.
  }
}
