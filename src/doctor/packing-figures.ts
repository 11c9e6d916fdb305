import type { RegistrySnapshot } from '../registry/registry-model.ts';
import { entityReads, type EntityRead } from './entity-reads.ts';
import type { Basis } from './finding.ts';
import { measureReads, type CommandTime, type TimedRead } from './measure-reads.ts';
import {
  packedBytes,
  unpackedBytes,
  UNPACKED_HGETALL,
  UNPACKED_OVER_FIRST_FIELD,
  type HashContent,
} from './packing-model.ts';
import type { ReadOnlyNode, Words } from './read-only-node.ts';
import type { SampledEntity } from './sample-entities.ts';
import type { ScratchCopies, ScratchRedis } from './scratch-redis.ts';

/** Microseconds of Redis per entity for the same features, asked for by name or with all others. */
export interface ReadTimes {
  readonly hmgetUs: number;
  readonly hgetallUs: number;
  readonly basis: Basis;
}

/** One read of one entity, in the encoding that its hashes have and in the other. */
export interface PackingRead {
  readonly name: string;
  readonly featureCount: number;
  readonly now: ReadTimes;
  /** `undefined` where nothing can be said. */
  readonly other: ReadTimes | undefined;
}

/** What the two encodings cost the hashes of one entity. */
export interface PackingFigures {
  /** Its join keys. */
  readonly entity: string;
  readonly encoding: string;
  readonly isPacked: boolean;
  /** Hashes sampled, and those of them with that encoding. */
  readonly sampledHashes: number;
  readonly encodedHashes: number;
  /** In the whole store, from their share in the sample. */
  readonly totalHashes: number;
  readonly fieldCount: { readonly min: number; readonly median: number; readonly max: number };
  readonly longestValueBytes: number;
  readonly bytesPerHash: { readonly now: number; readonly other: number; readonly basis: Basis };
  /** The widest first; empty where the registry reads nothing of the entity. */
  readonly reads: readonly PackingRead[];
}

export interface PackingLimitsOfMeasuring {
  /** Hashes per entity that each command of a read is timed on. */
  readonly timedHashes: number;
  /** Reads per entity. */
  readonly reads: number;
}

/** An entity whose fields were read. */
type WholeEntity = SampledEntity & HashContent;

/** Different hashes among the copies. */
const COPIED_HASHES = 40;
/**
 * Copies take so much memory, in both encodings together, where the store has as many hashes: more than a processor caches, so
 * that they are read from where the hashes of a store are read from.
 */
const COPIES_BYTES = 160 * 1024 * 1024;
const MAX_COPIES = 50_000;
/** So many copies are read where one hash of the store is: they cost nobody anything, and both their times are in the promise. */
const COPIES_PER_HASH = 4;

/**
 * Compares the encodings for each kind of entity in the sample.
 *
 * @param shareToTotal factor from hashes sampled to hashes stored.
 * @param scratch for copies; `undefined` = estimate.
 */
export async function measurePacking(
  snapshot: RegistrySnapshot,
  entities: readonly SampledEntity[],
  shareToTotal: number,
  scratch: ScratchRedis | undefined,
  limits: PackingLimitsOfMeasuring,
  isTimeUp: () => boolean,
): Promise<readonly PackingFigures[]> {
  const figures: PackingFigures[] = [];
  for (const ofShape of groupBy(entities, ({ joinKeys }) => JSON.stringify(joinKeys))) {
    const byEncoding = groupBy(ofShape, ({ encoding }) => encoding);
    const same = byEncoding.sort((a, b) => b.length - a.length)[0]!;
    const whole = same.filter((entity): entity is WholeEntity => entity.fields !== undefined);
    const copied = whole.slice(0, COPIED_HASHES);
    if (copied.length === 0 || isTimeUp()) continue;
    const isPacked = same[0]!.encoding !== 'hashtable';
    const widths = same.map(({ fieldCount }) => fieldCount).sort((a, b) => a - b);
    const totalHashes = Math.round(ofShape.length * shareToTotal);
    const copies = await scratch?.copy(
      copied.map(({ fields }) => fields),
      copyCount(copied, totalHashes),
      isTimeUp,
    );
    const comparison: Comparison = {
      copied,
      stored: inTurn(same, limits.timedHashes),
      copies:
        scratch === undefined || copies === undefined
          ? undefined
          : {
              packed: inTurn(spread(copies.packed), COPIES_PER_HASH * limits.timedHashes),
              unpacked: inTurn(spread(copies.unpacked), COPIES_PER_HASH * limits.timedHashes),
              node: scratch.node,
              keys: copies,
            },
      isPacked,
    };
    const reads: PackingRead[] = [];
    const inOrder = isPacked ? copied[0]!.fields : undefined;
    for (const read of entityReads(snapshot, same[0]!.joinKeys, inOrder, limits.reads)) {
      const compared = await compareRead(read, comparison, isTimeUp);
      if (compared !== undefined) reads.push(compared);
    }
    figures.push({
      entity: same[0]!.joinKeys.join(', '),
      encoding: same[0]!.encoding,
      isPacked,
      sampledHashes: ofShape.length,
      encodedHashes: same.length,
      totalHashes,
      fieldCount: {
        min: widths[0]!,
        median: widths[Math.floor(widths.length / 2)]!,
        max: widths.at(-1)!,
      },
      longestValueBytes: longestValue(whole),
      bytesPerHash: await compareBytes(comparison),
      reads,
    });
  }
  return figures;
}

interface Comparison {
  /** Hashes of which there are copies. */
  readonly copied: readonly WholeEntity[];
  /** Hashes of the store to time a command on: others each time. */
  readonly stored: () => readonly SampledEntity[];
  /** `undefined` without a scratch Redis. */
  readonly copies:
    | {
        readonly packed: () => readonly string[];
        readonly unpacked: () => readonly string[];
        readonly node: ReadOnlyNode;
        readonly keys: ScratchCopies;
      }
    | undefined;
  readonly isPacked: boolean;
}

/** As many as the store would have, within the bounds. */
function copyCount(hashes: readonly HashContent[], totalHashes: number): number {
  const bytes = mean(hashes.map((hash) => packedBytes(hash) + unpackedBytes(hash)));
  const most = Math.min(totalHashes, MAX_COPIES, Math.floor(COPIES_BYTES / bytes));
  return Math.max(hashes.length, most);
}

/** Gives `count` of the items with each call, those that were given longest ago first. */
function inTurn<T>(items: readonly T[], count: number): () => readonly T[] {
  let next = 0;
  return () => Array.from({ length: count }, () => items[next++ % items.length]!);
}

/** In an order in which none follows its neighbour in memory: a processor guesses what comes next. */
function spread<T>(items: readonly T[]): readonly T[] {
  const step = coprime(Math.floor(items.length * 0.618), items.length);
  return items.map((_, i) => items[(i * step) % items.length]!);
}

function coprime(start: number, of: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let number = Math.max(1, start);
  while (divisor(number, of) !== 1) number++;
  return number;
}

type WordsOf = (key: Uint8Array | string) => Words;

/** Times one read now, and says what it would take in the other encoding. */
async function compareRead(
  read: EntityRead,
  { copied, stored, copies, isPacked }: Comparison,
  isTimeUp: () => boolean,
): Promise<PackingRead | undefined> {
  const hmget: WordsOf = (key) => ['HMGET', key, ...read.fields];
  const hgetall: WordsOf = (key) => ['HGETALL', key];
  const ofStored = (words: WordsOf, of = stored()): readonly TimedRead[] =>
    of.map(({ key, node }) => ({ node, words: words(key) }));
  const ofCopies = (words: WordsOf): (readonly TimedRead[])[] =>
    copies === undefined
      ? []
      : [copies.packed(), copies.unpacked()].map((keys) =>
          keys.map((key) => ({ node: copies.node, words: words(key) })),
        );
  const firstFields = new Map(
    copied.map(({ key, fields }) => [key as Uint8Array | string, fields[0]!.name]),
  );
  const floorWords: WordsOf = (key) => [
    'HMGET',
    key,
    ...read.fields.map(() => firstFields.get(key)!),
  ];
  const floorReads = copies === undefined && isPacked ? [ofStored(floorWords, copied)] : [];
  const times = await measureReads(
    [ofStored(hmget), ofStored(hgetall), ...ofCopies(hmget), ...ofCopies(hgetall), ...floorReads],
    isTimeUp,
  );
  if (times === undefined) return undefined;
  const [some, all, ...others] = times.map(({ usPerCall }) => usPerCall);
  const { name, featureCount } = read;
  const basis = times[0]!.basis === 'measured' ? times[1]!.basis : times[0]!.basis;
  const now: ReadTimes = { hmgetUs: some!, hgetallUs: all!, basis };
  if (copies !== undefined) {
    const [hmgetPacked, hmgetUnpacked, hgetallPacked, hgetallUnpacked] = times.slice(2);
    // A stored hash costs more than a copy, which lies better in memory, and as much more in either encoding.
    const promised = (storedUs: number, packed: CommandTime, unpacked: CommandTime): number => {
      const [same, other] = isPacked ? [packed, unpacked] : [unpacked, packed];
      return other.upperUsPerCall + Math.max(0, storedUs - same.usPerCall);
    };
    return {
      name,
      featureCount,
      now,
      other: {
        hmgetUs: promised(some!, hmgetPacked!, hmgetUnpacked!),
        hgetallUs: promised(all!, hgetallPacked!, hgetallUnpacked!),
        basis: 'measured on copies',
      },
    };
  }
  const floorUs = others[0];
  if (floorUs === undefined) return { name, featureCount, now, other: undefined };
  return {
    name,
    featureCount,
    now,
    other: {
      hmgetUs: Math.min(floorUs * UNPACKED_OVER_FIRST_FIELD, now.hmgetUs),
      hgetallUs: now.hgetallUs * UNPACKED_HGETALL,
      basis: 'estimated',
    },
  };
}

async function compareBytes({
  copied,
  copies,
  isPacked,
}: Comparison): Promise<PackingFigures['bytesPerHash']> {
  const now = mean(copied.map(({ memoryBytes }) => memoryBytes));
  let packed = mean(copied.map(packedBytes));
  let unpacked = mean(copied.map(unpackedBytes));
  let basis: Basis = 'estimated';
  if (copies !== undefined) {
    const usage = async (keys: readonly string[]): Promise<number> => {
      const ofEach = keys.slice(0, copied.length);
      const commands = ofEach.map((key): Words => ['MEMORY', 'USAGE', key, 'SAMPLES', '0']);
      return mean((await copies.node.pipeline(commands)).map(Number));
    };
    [packed, unpacked] = [await usage(copies.keys.packed), await usage(copies.keys.unpacked)];
    basis = 'measured on copies';
  }
  const ratio = isPacked ? unpacked / packed : packed / unpacked;
  return { now, other: now * ratio, basis };
}

function longestValue(entities: readonly WholeEntity[]): number {
  return entities
    .flatMap(({ fields }) => fields)
    .reduce((longest, { name, value }) => Math.max(longest, name.length, value.length), 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  return [...Map.groupBy(items, keyOf).values()];
}
