import { callNode } from './call-command.ts';
import { parseClusterNodes, type ClusterMember } from './parse-cluster-nodes.ts';
import { RedisError } from './redis-error.ts';
import type { RedisNode } from './redis-node.ts';
import type { Topology } from './topology.ts';

/** A primary that has not answered by then may hold anything. */
const TIMEOUT_MS = 200;

/** A node, what it says of itself, and what of the primaries by their id. */
export interface Word {
  readonly node: RedisNode;
  readonly member: ClusterMember;
  readonly primaries: ReadonlyMap<string, ClusterMember>;
}

/** What the nodes that could be asked said, all of them at one time. */
export interface ClusterLook {
  readonly words: readonly Word[];
  /** Primaries that somebody knows, and that did not answer. */
  readonly missing: readonly ClusterMember[];
  /** Why, for one of these. */
  readonly reason: RedisError | undefined;
}

/** Asks one node what it knows of its cluster. @throws RedisError */
export async function askForMembers(node: RedisNode): Promise<Word> {
  const reply = await callNode(node.reads, ['CLUSTER', 'NODES'], TIMEOUT_MS);
  const { own, primaries } = parseClusterNodes(reply);
  return { node, member: own, primaries: new Map(primaries.map((each) => [each.id, each])) };
}

/**
 * Asks all primaries, those without slots too.
 *
 * @param asksFailed whether also those are asked that the others gave up.
 * @throws RedisError where nobody answers.
 */
export async function lookAtCluster(
  topology: Topology,
  nowMs: number,
  asksFailed: boolean,
): Promise<ClusterLook> {
  const shards = topology.shards();
  let asked = shards.map(({ primary }) => primary).filter((node) => node.isWell(nowMs));
  if (asked.length === 0) {
    // They know at least which primaries there are.
    asked = shards.flatMap(({ replicas }) => replicas).filter((node) => node.isWell(nowMs));
  }
  const hosts = new Set(asked.map(({ target }) => target.host));
  const words: Word[] = [];
  const known = new Map<string, ClusterMember>();
  let reason: RedisError | undefined;
  const ask = async (node: RedisNode): Promise<void> => {
    try {
      const word = await askForMembers(node);
      for (const [id, member] of word.primaries) known.set(id, known.get(id) ?? member);
      words.push(word);
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      reason ??= error;
    }
  };
  const missing = (): ClusterMember[] =>
    [...known.values()].filter(({ id }) => words.every(({ member }) => member.id !== id));
  await Promise.all(asked.map(ask));
  // Those that have no slots yet are not in the topology.
  const from = asked[0]?.target;
  const isNamed = [...known.values()].some(({ name }) => hosts.has(name));
  const others = missing().flatMap(({ address, namedAddress, hasFailed }) => {
    if (from === undefined || (hasFailed && !asksFailed)) return [];
    const node = topology.redirected(isNamed ? namedAddress : address, from);
    return node === undefined || node.isAway(nowMs) || asked.includes(node) ? [] : [node];
  });
  await Promise.all(others.map(ask));
  if (words.length === 0) {
    throw reason ?? new RedisError('UNREACHABLE', 'no node can be asked which slots move');
  }
  return { words, missing: missing(), reason };
}
