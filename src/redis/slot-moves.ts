import { callNode } from './call-command.ts';
import { parseClusterNodes, type ClusterMember } from './parse-cluster-nodes.ts';
import { RedisError } from './redis-error.ts';
import type { RedisNode } from './redis-node.ts';
import type { RedisRuntime } from './redis-runtime.ts';
import type { Topology } from './topology.ts';

/** From one look to the next, at the least: every primary is asked each time, and its answer grows with the cluster. */
const MIN_INTERVAL_MS = 100;
const INTERVAL_PER_PRIMARY_MS = 2;
/** A primary that has not answered by then may hold anything. */
const TIMEOUT_MS = 200;

/** A primary, and what it says of itself. */
interface Word {
  readonly node: RedisNode;
  readonly member: ClusterMember;
}

/** What all primaries said, and those that did not. */
interface Look {
  readonly words: readonly Word[];
  readonly missing: readonly ClusterMember[];
  /** Why, for one of these. */
  readonly reason: RedisError | undefined;
}

/**
 * Which slots are on their way, and where to. Only the primary that takes a slot in tells so, in the line of `CLUSTER NODES`
 * about itself; `CLUSTER SLOTS` does not, and leaves out a primary that has no slot yet. Looked for when it matters, one look at a time.
 */
export class SlotMoves {
  private readonly runtime: RedisRuntime;
  private readonly topology: Topology;
  /** A look that has not begun: who comes now may wait for it. */
  private next: Promise<Look> | undefined;
  private current: Promise<unknown> = Promise.resolve();
  private notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(runtime: RedisRuntime, topology: Topology) {
    this.runtime = runtime;
    this.topology = topology;
  }

  /**
   * Who, other than its primary, has a slot or takes it in, by a look that begins after this was called.
   *
   * @returns `undefined` where nobody does.
   * @throws RedisError where that cannot be known: a primary does not answer.
   */
  async holderOf(slot: number, primary: RedisNode): Promise<RedisNode | undefined> {
    this.next ??= this.lookNext();
    const { words, missing, reason } = await this.next;
    const others = words.filter(({ node }) => node !== primary);
    const taker = others.find(({ member }) => member.isTakingIn(slot));
    if (taker !== undefined) {
      return taker.node;
    }
    const owner = others.find(({ member }) => member.has(slot));
    if (owner !== undefined) {
      this.topology.moved(slot, owner.node);
      this.topology.refresh();
      return owner.node;
    }
    const silent = missing.find((member) => !member.has(slot));
    if (silent !== undefined) {
      const { address } = silent;
      const why = reason?.message ?? 'it is away';
      const message = `${address} does not say whether slot ${slot} is on its way to it: ${why}`;
      throw new RedisError('UNREACHABLE', message, { address, cause: reason });
    }
    return undefined;
  }

  private async lookNext(): Promise<Look> {
    await this.current;
    const leftMs = this.notBeforeMs - this.runtime.now();
    if (leftMs > 0) {
      await new Promise<void>((resolve) => void this.runtime.setTimer(resolve, leftMs));
    }
    this.next = undefined;
    const look = this.look();
    this.current = look.catch(() => undefined);
    const primaries = this.topology.shards().length;
    const intervalMs = Math.max(MIN_INTERVAL_MS, primaries * INTERVAL_PER_PRIMARY_MS);
    this.notBeforeMs = this.runtime.now() + intervalMs;
    return look;
  }

  private async look(): Promise<Look> {
    const nowMs = this.runtime.now();
    const shards = this.topology.shards();
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
        const reply = await callNode(node.reads, ['CLUSTER', 'NODES'], TIMEOUT_MS);
        const { own, primaries } = parseClusterNodes(reply);
        for (const member of primaries) known.set(member.id, known.get(member.id) ?? member);
        words.push({ node, member: own });
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
    const others = missing().flatMap(({ address, namedAddress }) => {
      const announced = isNamed ? namedAddress : address;
      const node = from === undefined ? undefined : this.topology.redirected(announced, from);
      return node === undefined || node.isAway(nowMs) || asked.includes(node) ? [] : [node];
    });
    await Promise.all(others.map(ask));
    if (words.length === 0) {
      throw reason ?? new RedisError('UNREACHABLE', 'no node can be asked which slots move');
    }
    return { words, missing: missing(), reason };
  }
}
