import type { RegistrySnapshot } from '../registry/registry-model.ts';
import { entityReads, type EntityRead } from './entity-reads.ts';
import type { Basis } from './finding.ts';
import { measureReads } from './measure-reads.ts';
import {
  packedBytes,
  unpackedBytes,
  UNPACKED_HGETALL,
  UNPACKED_OVER_FIRST_FIELD,
  type HashContent,
} from './packing-model.ts';
import type { Words } from './read-only-node.ts';
import type { SampledEntity } from './sample-entities.ts';
import type { ScratchRedis } from './scratch-redis.ts';

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
  /** Hashes per entity that reads are timed on. */
  readonly timedHashes: number;
  /** Reads per entity. */
  readonly reads: number;
}

/** An entity whose fields were read. */
type WholeEntity = SampledEntity & HashContent;

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
    const timed = whole.slice(0, limits.timedHashes);
    if (timed.length === 0 || isTimeUp()) continue;
    const isPacked = same[0]!.encoding !== 'hashtable';
    const widths = same.map(({ fieldCount }) => fieldCount).sort((a, b) => a - b);
    const copies = await copyAll(scratch, timed);
    const reads: PackingRead[] = [];
    for (const read of entityReads(snapshot, same[0]!.joinKeys, timed[0]!.fields, limits.reads)) {
      const compared = await compareRead(read, { timed, copies, scratch, isPacked }, isTimeUp);
      if (compared !== undefined) reads.push(compared);
    }
    figures.push({
      entity: same[0]!.joinKeys.join(', '),
      encoding: same[0]!.encoding,
      isPacked,
      sampledHashes: ofShape.length,
      encodedHashes: same.length,
      totalHashes: Math.round(ofShape.length * shareToTotal),
      fieldCount: {
        min: widths[0]!,
        median: widths[Math.floor(widths.length / 2)]!,
        max: widths.at(-1)!,
      },
      longestValueBytes: longestValue(whole),
      bytesPerHash: await compareBytes({ timed, copies, scratch, isPacked }),
      reads,
    });
  }
  return figures;
}

/** Keys of the copies of one hash. */
type Copies = Awaited<ReturnType<ScratchRedis['copy']>>;

interface Comparison {
  readonly timed: readonly WholeEntity[];
  /** One per timed hash, same order; empty without a scratch Redis. */
  readonly copies: readonly Copies[];
  readonly scratch: ScratchRedis | undefined;
  readonly isPacked: boolean;
}

async function copyAll(
  scratch: ScratchRedis | undefined,
  entities: readonly WholeEntity[],
): Promise<readonly Copies[]> {
  const copies: Copies[] = [];
  for (const { fields } of scratch === undefined ? [] : entities) {
    copies.push(await scratch!.copy(fields));
  }
  return copies;
}

/** Times one read now, and says what it would take in the other encoding. */
async function compareRead(
  read: EntityRead,
  comparison: Comparison,
  isTimeUp: () => boolean,
): Promise<PackingRead | undefined> {
  const { timed, copies, scratch, isPacked } = comparison;
  const time = (
    words: (key: Uint8Array | string) => Words,
    on?: keyof Copies,
  ): ReturnType<typeof measureReads> =>
    measureReads(
      on === undefined
        ? timed.map(({ key, node }) => ({ node, words: words(key) }))
        : copies.map((copy) => ({ node: scratch!.node, words: words(copy[on]) })),
      isTimeUp,
    );
  const hmget = (key: Uint8Array | string): Words => ['HMGET', key, ...read.fields];
  const hgetall = (key: Uint8Array | string): Words => ['HGETALL', key];
  const [some, all] = [await time(hmget), await time(hgetall)];
  if (some === undefined || all === undefined) return undefined;
  const { name, featureCount } = read;
  const basis = some.basis === 'measured' ? all.basis : some.basis;
  const now: ReadTimes = { hmgetUs: some.usPerCall, hgetallUs: all.usPerCall, basis };
  if (scratch !== undefined) {
    const [same, other] = isPacked
      ? (['packed', 'unpacked'] as const)
      : (['unpacked', 'packed'] as const);
    const [hmgetSame, hmgetOther] = [await time(hmget, same), await time(hmget, other)];
    const [hgetallSame, hgetallOther] = [await time(hgetall, same), await time(hgetall, other)];
    if (!hmgetSame || !hmgetOther || !hgetallSame || !hgetallOther) return undefined;
    return {
      name,
      featureCount,
      now,
      other: {
        hmgetUs: (now.hmgetUs * hmgetOther.usPerCall) / hmgetSame.usPerCall,
        hgetallUs: (now.hgetallUs * hgetallOther.usPerCall) / hgetallSame.usPerCall,
        basis: 'measured on copies',
      },
    };
  }
  if (!isPacked) return { name, featureCount, now, other: undefined };
  const firstFields = new Map(
    timed.map(({ key, fields }) => [key as Uint8Array | string, fields[0]!.name]),
  );
  const floor = await time((key) => [
    'HMGET',
    key,
    ...read.fields.map(() => firstFields.get(key)!),
  ]);
  if (floor === undefined) return undefined;
  return {
    name,
    featureCount,
    now,
    other: {
      hmgetUs: Math.min(floor.usPerCall * UNPACKED_OVER_FIRST_FIELD, now.hmgetUs),
      hgetallUs: now.hgetallUs * UNPACKED_HGETALL,
      basis: 'estimated',
    },
  };
}

async function compareBytes({
  timed,
  copies,
  scratch,
  isPacked,
}: Comparison): Promise<PackingFigures['bytesPerHash']> {
  const now = mean(timed.map(({ memoryBytes }) => memoryBytes));
  let packed = mean(timed.map(packedBytes));
  let unpacked = mean(timed.map(unpackedBytes));
  let basis: Basis = 'estimated';
  if (scratch !== undefined) {
    const usage = async (on: keyof Copies): Promise<number> => {
      const commands = copies.map((copy): Words => ['MEMORY', 'USAGE', copy[on], 'SAMPLES', '0']);
      return mean((await scratch.node.pipeline(commands)).map(Number));
    };
    [packed, unpacked] = [await usage('packed'), await usage('unpacked')];
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
