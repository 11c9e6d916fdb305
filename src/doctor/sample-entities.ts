import { Buffer } from 'node:buffer';
import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import { parseEntityKey } from '../feast-encoding/parse-entity-key.ts';
import type { NodeFacts } from './node-facts.ts';
import { textOf, type ReadOnlyNode, type Words } from './read-only-node.ts';

/** A hash of the store that belongs to the project. */
export interface SampledEntity {
  readonly key: Buffer;
  readonly node: ReadOnlyNode;
  /** Sorted, as in the key. */
  readonly joinKeys: readonly string[];
  readonly fieldCount: number;
  /** `listpack` or `ziplist` (packed), `hashtable`, … */
  readonly encoding: string;
  readonly memoryBytes: number;
  /** Milliseconds to live; -1 = for ever. */
  readonly ttlMs: number;
  /** Redis's counter of accesses, logarithmic, 0 to 255; `undefined` where the eviction policy keeps none. */
  readonly frequency: number | undefined;
  /** What is in it, in stored order; `undefined` for hashes that were not read whole. */
  readonly fields: readonly SampledField[] | undefined;
}

export interface SampledField {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** Limits of a sample, per shard. */
export interface SampleLimits {
  /** Keys looked at. */
  readonly keys: number;
  /** Hashes of them that are read whole. */
  readonly hashes: number;
  /** Hashes with more fields are not read whole. */
  readonly maxFields: number;
}

/** What a sample found on one shard. */
export interface ShardSample {
  readonly entities: readonly SampledEntity[];
  /** Keys that were looked at, whosever they are. */
  readonly keysSeen: number;
  /** Keys that are no entities of the project. */
  readonly foreignKeys: number;
}

const KEYS_PER_PIPELINE = 64;
const HASHES_PER_PIPELINE = 8;
/** `MEMORY USAGE` goes through all fields of a hash up to this width, and estimates from five of them beyond. */
const COUNTED_FIELDS = 4_096;
/** Random keys asked for per key wanted: the same ones come again, and others' do too. */
const TRIES_PER_KEY = 4;

/** Whose keys to look for. */
export interface KeyOwner {
  readonly project: string;
  readonly entityKeyVersion: EntityKeyVersion;
}

/** Looks at keys of one shard that chance picks (all of them where there are few), and reads some of the hashes whole. */
export async function sampleShard(
  facts: NodeFacts,
  owner: KeyOwner,
  limits: SampleLimits,
  isTimeUp: () => boolean,
): Promise<ShardSample> {
  const { connection } = facts;
  // Later replies then leave idle times and counters of use as they were; Redis 7.2 and Valkey know it.
  await connection.pipeline([['CLIENT', 'NO-TOUCH', 'ON']]);
  const keys =
    facts.keyCount <= limits.keys
      ? await allKeys(connection, isTimeUp)
      : await randomKeys(connection, limits.keys, isTimeUp);
  const own = keys.flatMap((key) => {
    const joinKeys = joinKeysOf(key, owner);
    return joinKeys === undefined ? [] : [{ key, joinKeys }];
  });
  const entities: SampledEntity[] = [];
  for (let at = 0; at < own.length && !isTimeUp(); at += KEYS_PER_PIPELINE) {
    entities.push(...(await describeKeys(connection, own.slice(at, at + KEYS_PER_PIPELINE))));
  }
  return {
    entities: await readWhole(connection, entities, limits, isTimeUp),
    keysSeen: keys.length,
    foreignKeys: keys.length - own.length,
  };
}

async function allKeys(node: ReadOnlyNode, isTimeUp: () => boolean): Promise<Buffer[]> {
  const keys = new Map<string, Buffer>();
  let cursor = '0';
  do {
    const reply = (await node.call('SCAN', cursor, 'COUNT', '500')) as [unknown, Buffer[]];
    cursor = textOf(reply[0]);
    for (const key of reply[1]) keys.set(key.toString('latin1'), key);
  } while (cursor !== '0' && !isTimeUp());
  return [...keys.values()];
}

async function randomKeys(
  node: ReadOnlyNode,
  wanted: number,
  isTimeUp: () => boolean,
): Promise<Buffer[]> {
  const keys = new Map<string, Buffer>();
  const command: Words = ['RANDOMKEY'];
  for (let tries = 0; tries < wanted * TRIES_PER_KEY && keys.size < wanted && !isTimeUp();) {
    const count = Math.min(KEYS_PER_PIPELINE, wanted - keys.size);
    tries += count;
    for (const key of await node.pipeline(Array.from({ length: count }, () => command))) {
      if (key instanceof Error) throw key;
      if (Buffer.isBuffer(key)) keys.set(key.toString('latin1'), key);
    }
  }
  return [...keys.values()];
}

/** Join keys of an entity key with the project behind it; `undefined` for any other key. */
function joinKeysOf(
  key: Buffer,
  { project, entityKeyVersion }: KeyOwner,
): readonly string[] | undefined {
  const suffix = Buffer.from(project, 'utf8');
  try {
    const { joinKeys, end } = parseEntityKey(key, entityKeyVersion, suffix);
    return key.subarray(end).equals(suffix) ? joinKeys : undefined;
  } catch {
    return undefined; // Somebody else's key.
  }
}

async function describeKeys(
  node: ReadOnlyNode,
  keys: readonly { readonly key: Buffer; readonly joinKeys: readonly string[] }[],
): Promise<SampledEntity[]> {
  const replies = await node.pipeline(
    keys.flatMap(({ key }): Words[] => [
      ['HLEN', key],
      ['OBJECT', 'ENCODING', key],
      ['PTTL', key],
      ['OBJECT', 'FREQ', key],
    ]),
  );
  const described = keys.flatMap(({ key, joinKeys }, i) => {
    const [fieldCount, encoding, ttlMs, frequency] = replies.slice(4 * i, 4 * i + 4);
    // Gone in the meantime, or no hash.
    return typeof fieldCount === 'number' && fieldCount > 0
      ? [
          {
            key,
            node,
            joinKeys,
            fieldCount,
            encoding: textOf(encoding),
            ttlMs: typeof ttlMs === 'number' ? ttlMs : -1,
            frequency: typeof frequency === 'number' ? frequency : undefined,
            fields: undefined,
          },
        ]
      : [];
  });
  const sizes = await node.pipeline(
    described.map(({ key, fieldCount }): Words => {
      const samples = fieldCount <= COUNTED_FIELDS ? '0' : '5';
      return ['MEMORY', 'USAGE', key, 'SAMPLES', samples];
    }),
  );
  return described.map((entity, i) => {
    const size = sizes[i];
    return { ...entity, memoryBytes: typeof size === 'number' ? size : Number.NaN };
  });
}

/** Fills in the fields of as many hashes as the limits allow; the first come of every set of join keys in turn. */
async function readWhole(
  node: ReadOnlyNode,
  entities: readonly SampledEntity[],
  { hashes, maxFields }: SampleLimits,
  isTimeUp: () => boolean,
): Promise<readonly SampledEntity[]> {
  const chosen = new Set(
    inTurn(entities.filter(({ fieldCount }) => fieldCount <= maxFields)).slice(0, hashes),
  );
  const fieldsOf = new Map<SampledEntity, readonly SampledField[]>();
  const toRead = [...chosen];
  for (let at = 0; at < toRead.length && !isTimeUp(); at += HASHES_PER_PIPELINE) {
    const portion = toRead.slice(at, at + HASHES_PER_PIPELINE);
    const replies = await node.pipeline(portion.map(({ key }): Words => ['HGETALL', key]));
    portion.forEach((entity, i) => {
      const reply = replies[i];
      if (Array.isArray(reply) && reply.length > 0) fieldsOf.set(entity, pairs(reply as Buffer[]));
    });
  }
  return entities.map((entity) => ({ ...entity, fields: fieldsOf.get(entity) }));
}

/** One of every set of join keys, then a second of each, …: rare entities are not crowded out. */
function inTurn(entities: readonly SampledEntity[]): SampledEntity[] {
  const nth = new Map<string, number>();
  const ranked = entities.map((entity) => {
    const shape = JSON.stringify(entity.joinKeys);
    const rank = nth.get(shape) ?? 0;
    nth.set(shape, rank + 1);
    return { entity, rank };
  });
  return ranked.sort((a, b) => a.rank - b.rank).map(({ entity }) => entity);
}

function pairs(flat: readonly Buffer[]): SampledField[] {
  const fields: SampledField[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    fields.push({ name: flat[i]!, value: flat[i + 1]! });
  }
  return fields;
}
