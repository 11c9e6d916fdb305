import { mebibytes } from './figures-text.ts';
import type { Finding } from './finding.ts';
import { infoNumber, type NodeFacts } from './node-facts.ts';

/** Keys, memory or commands of the fullest shard over the mean, from which on it is worth a word. */
const SHARD_SKEW = 1.3;
/** Fewer keys than this per shard say nothing about balance. */
const MIN_KEYS_PER_SHARD = 1_000;
/** Commands a second beneath which load says nothing. */
const MIN_COMMANDS_PER_SECOND = 200;
const SLOTS_PER_PIPELINE = 512;
/** A slot is heavy with so many times the mean, and so many standard deviations above it. */
const SLOT_SKEW = 4;
const SLOT_DEVIATIONS = 8;
const SLOTS_NAMED = 5;

/** How evenly keys, memory and load lie on the shards. */
export function checkShards(primaries: readonly NodeFacts[]): readonly Finding[] {
  if (primaries.length < 2) {
    return [];
  }
  const measures = [
    ['keys', (facts: NodeFacts) => facts.keyCount, MIN_KEYS_PER_SHARD, String],
    ['memory', (facts: NodeFacts) => infoNumber(facts, 'used_memory_dataset'), 1 << 20, mebibytes],
    [
      'commands per second',
      (facts: NodeFacts) => infoNumber(facts, 'instantaneous_ops_per_sec'),
      MIN_COMMANDS_PER_SECOND,
      String,
    ],
  ] as const;
  return measures.flatMap(([what, of, least, print]): Finding[] => {
    const values = primaries.map(of);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    if (!(mean >= least)) {
      return [];
    }
    const most = Math.max(...values);
    const fullest = primaries[values.indexOf(most)]!.node.address;
    const message = `${what}: ${print(most)} on the fullest shard, ${print(Math.round(mean))} on average`;
    if (most / mean < SHARD_SKEW) {
      return [{ check: 'balance', level: 'ok', message }];
    }
    const remedy =
      what === 'keys'
        ? 'redis-cli --cluster rebalance'
        : 'look at the heavy slots, big hashes and hot keys below; move slots away from it';
    return [{ check: 'balance', level: 'warning', where: fullest, message, remedy }];
  });
}

/** How evenly keys lie on slots, from the counts that nodes keep. */
export interface SlotSkew {
  readonly slotsCounted: number;
  readonly meanKeys: number;
  /** Most keys first. */
  readonly heaviest: readonly {
    readonly slot: number;
    readonly keys: number;
    readonly node: string;
  }[];
}

/**
 * Counts the keys of slots: all of them, or evenly spread ones where `slotLimit` is less.
 *
 * @param isTimeUp asked between pipelines.
 */
export async function countSlots(
  primaries: readonly NodeFacts[],
  slotLimit: number,
  isTimeUp: () => boolean,
): Promise<SlotSkew> {
  const counts: { slot: number; keys: number; node: string }[] = [];
  const served = primaries
    .flatMap(({ node }) => node.slots)
    .reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const step = Math.max(1, Math.ceil(served / slotLimit));
  for (const { node, connection } of primaries) {
    const slots = node.slots.flatMap(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, i) => first + i),
    );
    const chosen = slots.filter((_, i) => i % step === 0);
    for (let at = 0; at < chosen.length && !isTimeUp(); at += SLOTS_PER_PIPELINE) {
      const portion = chosen.slice(at, at + SLOTS_PER_PIPELINE);
      const replies = await connection.pipeline(
        portion.map((slot) => ['CLUSTER', 'COUNTKEYSINSLOT', String(slot)]),
      );
      portion.forEach((slot, i) => {
        const keys = replies[i];
        if (typeof keys === 'number') counts.push({ slot, keys, node: node.address });
      });
    }
  }
  const total = counts.reduce((sum, { keys }) => sum + keys, 0);
  return {
    slotsCounted: counts.length,
    meanKeys: counts.length === 0 ? 0 : total / counts.length,
    heaviest: counts.sort((a, b) => b.keys - a.keys).slice(0, SLOTS_NAMED),
  };
}

/**
 * Slots that hold far more keys than chance puts there.
 *
 * @param tagShare share of the sampled keys whose slot is decided by a part in braces; `undefined` = no sample.
 */
export function checkSlotSkew(
  { slotsCounted, meanKeys, heaviest }: SlotSkew,
  tagShare: number | undefined,
): readonly Finding[] {
  if (slotsCounted === 0 || heaviest.length === 0) {
    return [];
  }
  const threshold = Math.max(
    SLOT_SKEW * meanKeys,
    meanKeys + SLOT_DEVIATIONS * Math.sqrt(meanKeys),
  );
  const heavy = heaviest.filter(({ keys }) => keys > threshold);
  const mean = meanKeys.toFixed(1);
  if (heavy.length === 0) {
    const { keys } = heaviest[0]!;
    const message = `slots: ${keys} keys in the fullest, ${mean} on average (${slotsCounted} slots counted)`;
    return [{ check: 'balance', level: 'ok', message }];
  }
  const list = heavy.map(({ slot, keys, node }) => `slot ${slot} on ${node}: ${keys}`).join('; ');
  const reason =
    tagShare !== undefined && tagShare > 0.01
      ? `; ${Math.round(tagShare * 100)} % of the sampled keys have a part in braces {…}, which alone decides their slot`
      : '';
  return [
    {
      check: 'balance',
      level: 'warning',
      message: `some slots hold far more keys than the average of ${mean}: ${list}${reason}`,
      remedy:
        reason === ''
          ? 'look for the keys with: CLUSTER GETKEYSINSLOT'
          : 'write entity values without braces: Redis Cluster takes the text between { and } for the whole key',
    },
  ];
}
