import type { RedisConnection } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';
import type { RedisNode } from './redis-node.ts';
import type { RedisRuntime } from './redis-runtime.ts';
import type { RoutedCommand } from './routed-command.ts';
import { SlotMoves } from './slot-moves.ts';
import type { Topology } from './topology.ts';

/** What is known of it that a replica has nothing of what was read: who is asked about it, and whether it is certain. */
export type Absence = 'not-said' | 'asking-primary' | 'asking-cluster' | 'certain';

/** How commands go on. */
export interface CommandWays {
  /** To a node that has its slot. */
  send(command: RoutedCommand): void;
  sendTo(command: RoutedCommand, node: RedisNode): void;
  /** Later, or not at all: it cannot be served now. */
  refused(command: RoutedCommand, error: RedisError): void;
}

/**
 * Makes certain that what a replica does not have is nowhere. A replica that was started again has no data until it has them
 * from its primary. And one of a cluster knows nothing of slots that are on their way to another shard: its primary deletes
 * what has moved and sends who asks to the new node (ASK); the replica has lost the key and says that it is not there.
 */
export class AbsenceCheck {
  private readonly runtime: RedisRuntime;
  private readonly topology: Topology;
  private readonly nodeOf: (connection: RedisConnection) => RedisNode | undefined;
  private readonly ways: CommandWays;
  private readonly moves: SlotMoves;

  constructor(
    runtime: RedisRuntime,
    topology: Topology,
    nodeOf: (connection: RedisConnection) => RedisNode | undefined,
    ways: CommandWays,
  ) {
    this.runtime = runtime;
    this.topology = topology;
    this.nodeOf = nodeOf;
    this.ways = ways;
    this.moves = new SlotMoves(runtime, topology);
  }

  /**
   * A node has nothing of what was read. That is an answer where a primary says so. After a replica the primary is asked as
   * well. While that is away nothing moves any more, and the node that a slot is on its way to knows it: so the other
   * primaries are asked, and only where none of them takes the slot in the replica is as good as what will take its
   * primary's place.
   *
   * @returns whether there is another answer to wait for, or the read has failed.
   */
  confirm(command: RoutedCommand, connection: RedisConnection): boolean {
    const primary = this.topology.shardOf(command.slot)?.primary;
    if (primary === undefined || command.absence === 'certain') {
      return false;
    }
    if (!this.isWordOfReplica(connection)) {
      return false;
    }
    command.outstanding--;
    // Where nobody is left to answer, the one that was asked as the primary has become a replica.
    if (command.absence === 'not-said' || command.outstanding === 0) {
      if (!primary.isAway(this.runtime.now())) {
        command.absence = 'asking-primary';
        this.ways.sendTo(command, primary);
      } else if (this.topology.isCluster) {
        void this.askCluster(command, primary);
      }
    }
    return command.outstanding > 0 || command.isOver;
  }

  close(): void {
    this.moves.close();
  }

  /** Whether this is about the question of `confirm`: it counts although other nodes have not answered yet. */
  isWordOfPrimary(command: RoutedCommand, connection: RedisConnection): boolean {
    const primary = this.topology.shardOf(command.slot)?.primary;
    return command.absence === 'asking-primary' && connection === primary?.reads;
  }

  private isWordOfReplica(connection: RedisConnection): boolean {
    if (this.topology.isCluster) {
      return connection.mayBeReplica;
    }
    const node = this.nodeOf(connection);
    return node === undefined || node.isReplica;
  }

  private async askCluster(command: RoutedCommand, primary: RedisNode): Promise<void> {
    command.absence = 'asking-cluster';
    // The cluster's answer is one to wait for, as a node's.
    command.outstanding++;
    try {
      const holder = await this.moves.holderOf(command.slot, primary);
      command.outstanding--;
      if (command.isOver) return;
      command.absence = holder === undefined ? 'certain' : 'not-said';
      command.isAsking = holder !== undefined;
      if (holder === undefined) this.ways.send(command);
      else this.ways.sendTo(command, holder);
    } catch (error) {
      command.outstanding--;
      if (!(error instanceof RedisError)) throw error;
      command.absence = 'not-said';
      if (!command.isOver && command.outstanding === 0) this.ways.refused(command, error);
    }
  }
}
