import { askForMembers, lookAtCluster, type ClusterLook } from './cluster-look.ts';
import type { ClusterMember } from './parse-cluster-nodes.ts';
import { RedisError } from './redis-error.ts';
import type { RedisNode } from './redis-node.ts';
import type { RedisRuntime } from './redis-runtime.ts';
import { startRefresher, type Refresher } from './refresher.ts';
import type { Topology } from './topology.ts';

/** From one look to the next, at the least: every primary is asked each time, and its answer grows with the cluster. */
const MIN_INTERVAL_MS = 100;
const INTERVAL_PER_PRIMARY_MS = 2;

/**
 * Which slots are on their way, and where to. Only the primary that takes a slot in tells so, in the line of `CLUSTER NODES`
 * about itself; `CLUSTER SLOTS` does not, and leaves out a primary that has no slot yet. Looked for when it matters, one look at a time.
 *
 * A primary that is dead tells nothing, and the table of a cluster keeps one for ever: emptied of its slots and shut down, or
 * replaced by its replica. So it is noted beforehand what each primary says of its own slots while such a one is dead.
 */
export class SlotMoves {
  private readonly runtime: RedisRuntime;
  private readonly topology: Topology;
  /** A look that has not begun: who comes now may wait for it. */
  private next: Promise<ClusterLook> | undefined;
  private current: Promise<unknown> = Promise.resolve();
  private notBeforeMs = Number.NEGATIVE_INFINITY;
  /** The last look that a primary answered; of clusters in which some primary has failed. */
  private readonly notes = new Map<RedisNode, ClusterLook>();
  private readonly notesTaken: Refresher | undefined;

  constructor(runtime: RedisRuntime, topology: Topology) {
    this.runtime = runtime;
    this.topology = topology;
    if (topology.isCluster) {
      this.notesTaken = startRefresher(runtime, topology.refreshIntervalMs, () => this.takeNotes());
    }
  }

  close(): void {
    this.notesTaken?.close();
  }

  /**
   * Who, other than its primary, has a slot or takes it in, by a look that begins after this was called.
   *
   * @returns `undefined` where nobody does.
   * @throws RedisError where that cannot be known: a primary does not answer.
   */
  async holderOf(slot: number, primary: RedisNode): Promise<RedisNode | undefined> {
    this.next ??= this.lookNext();
    const look = await this.next;
    const others = look.words.filter(({ node }) => node !== primary);
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
    const silent = look.missing.find(
      (member) => !member.has(slot) && !this.isKnownToBeOut(member, slot, primary, look),
    );
    if (silent !== undefined) {
      const { address } = silent;
      const why = look.reason?.message ?? 'it is away';
      const message = `${address} does not say whether slot ${slot} is on its way to it: ${why}`;
      throw new RedisError('UNREACHABLE', message, { address, cause: look.reason });
    }
    return undefined;
  }

  /**
   * Whether a primary that does not answer can have nothing of a slot: it was dead already when the slot's own primary said
   * that it sent the slot nowhere, and nobody has heard of it since, as everybody says who can be asked now.
   */
  private isKnownToBeOut(
    { id }: ClusterMember,
    slot: number,
    primary: RedisNode,
    now: ClusterLook,
  ): boolean {
    const then = this.notes.get(primary);
    const word = then?.words.find(({ node }) => node === primary);
    if (then === undefined || word?.member.has(slot) !== true || word.member.isSending(slot)) {
      return false;
    }
    if (!hasFailed(word.primaries.get(id))) {
      return false;
    }
    const said = new Map(then.words.map((each) => [each.member.id, each]));
    return now.words.every(({ member, primaries }) => {
      const [was, is] = [said.get(member.id)?.primaries.get(id), primaries.get(id)];
      return hasFailed(was) && hasFailed(is) && was?.lastHeard === is?.lastHeard;
    });
  }

  /** Mostly one question to one node: nobody has failed. */
  private async takeNotes(): Promise<void> {
    const nowMs = this.runtime.now();
    const someone = this.topology.shards().find(({ primary }) => primary.isWell(nowMs));
    if (someone === undefined) {
      throw new RedisError('UNREACHABLE', 'no primary can be asked yet');
    }
    let look: ClusterLook;
    try {
      const answer = await askForMembers(someone.primary);
      if (![...answer.primaries.values()].some(hasFailed)) {
        this.notes.clear();
        return;
      }
      look = await lookAtCluster(this.topology, nowMs, false);
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      return; // It is away, or the user may not ask: what was noted stays true.
    }
    const primaries = new Set(this.topology.shards().map(({ primary }) => primary));
    for (const node of this.notes.keys()) {
      if (!primaries.has(node)) this.notes.delete(node);
    }
    for (const { node } of look.words) if (primaries.has(node)) this.notes.set(node, look);
  }

  private async lookNext(): Promise<ClusterLook> {
    await this.current;
    const leftMs = this.notBeforeMs - this.runtime.now();
    if (leftMs > 0) {
      await new Promise<void>((resolve) => void this.runtime.setTimer(resolve, leftMs));
    }
    this.next = undefined;
    const look = lookAtCluster(this.topology, this.runtime.now(), true);
    this.current = look.catch(() => undefined);
    const primaries = this.topology.shards().length;
    const intervalMs = Math.max(MIN_INTERVAL_MS, primaries * INTERVAL_PER_PRIMARY_MS);
    this.notBeforeMs = this.runtime.now() + intervalMs;
    return look;
  }
}

function hasFailed(member: ClusterMember | undefined): boolean {
  return member?.hasFailed === true;
}
