import type { RedisNode } from './redis-node.ts';
import type { Shard } from './topology.ts';

/** Which copy of the data is read. */
export type ReadFrom = 'primary' | 'prefer-replica' | 'nearest' | 'zone';

export interface ReadPolicy {
  readonly readFrom: ReadFrom;
  /** The own availability zone, for `zone`. */
  readonly zone: string | undefined;
}

/** Round trips within so much of the best count as equally near: the load is spread over them. */
const NEAR_FACTOR = 1.5;
const NEAR_MS = 0.2;

/**
 * The node to read a shard from: the best that is well, by the policy; where none is, one that may come back.
 *
 * @param excluded addresses that have failed this read already.
 * @param turn spreads reads over nodes that are equally good.
 * @returns `undefined` where all copies that the policy allows are excluded.
 */
export function chooseNode(
  shard: Shard,
  policy: ReadPolicy,
  excluded: readonly string[],
  turn: number,
  nowMs: number,
): RedisNode | undefined {
  const { primary, replicas } = shard;
  if (policy.readFrom === 'primary' || replicas.length === 0) {
    return excluded.includes(primary.address) ? undefined : primary;
  }
  const copies = [primary, ...replicas].filter(({ address }) => !excluded.includes(address));
  const well = copies.filter((node) => node.isWell(nowMs));
  const candidates =
    well.length > 0 ? well : copies.filter(({ reads }) => reads.problem === undefined);
  return pick(preferred(candidates, policy), turn) ?? copies[0];
}

/** Those of the candidates that the policy likes best, all of them alike. */
function preferred(candidates: readonly RedisNode[], policy: ReadPolicy): readonly RedisNode[] {
  switch (policy.readFrom) {
    case 'prefer-replica':
      return first(
        candidates.filter(({ isReplica }) => isReplica),
        candidates,
      );
    case 'zone': {
      const local = candidates.filter(({ zone }) => zone !== undefined && zone === policy.zone);
      return local.length > 0 ? local : nearest(candidates);
    }
    default:
      return nearest(candidates);
  }
}

function nearest(candidates: readonly RedisNode[]): readonly RedisNode[] {
  const bestMs = Math.min(...candidates.map((node) => node.roundTripMs ?? Infinity));
  if (bestMs === Infinity) {
    return candidates;
  }
  const limitMs = Math.max(bestMs * NEAR_FACTOR, bestMs + NEAR_MS);
  return candidates.filter(({ roundTripMs }) => (roundTripMs ?? Infinity) <= limitMs);
}

function first<T>(some: readonly T[], others: readonly T[]): readonly T[] {
  return some.length > 0 ? some : others;
}

function pick<T>(items: readonly T[], turn: number): T | undefined {
  return items[turn % items.length];
}
