import { AbsenceCheck, type CommandWays } from './absence-check.ts';
import { chooseNode, type ReadPolicy } from './choose-node.ts';
import type { RedisConnection } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';
import type { RedisNode } from './redis-node.ts';
import type { RedisRuntime } from './redis-runtime.ts';
import {
  lossDelayMs,
  MAX_LOSSES,
  MAX_REDIRECTIONS,
  maxRefusals,
  redirectionDelayMs,
  refusalDelayMs,
} from './retry-pace.ts';
import type { RoutedCommand } from './routed-command.ts';
import type { Topology } from './topology.ts';

/** What the router counts. */
export interface RouterCounts {
  moved: number;
  asked: number;
  retried: number;
  failed: number;
}

/** Sends commands to the nodes that their slots belong to, and follows what the nodes say. */
export class CommandRouter {
  readonly topology: Topology;
  readonly policy: ReadPolicy;
  readonly counts: RouterCounts = { moved: 0, asked: 0, retried: 0, failed: 0 };
  private readonly runtime: RedisRuntime;
  private readonly nodeOf: (connection: RedisConnection) => RedisNode | undefined;
  /** Asked where a node has nothing of what was read; absent = primaries are read alone, whose word it is. */
  readonly absence: AbsenceCheck | undefined;
  private turn = 0;

  constructor(
    runtime: RedisRuntime,
    topology: Topology,
    policy: ReadPolicy,
    nodeOf: (connection: RedisConnection) => RedisNode | undefined,
  ) {
    this.runtime = runtime;
    this.topology = topology;
    this.policy = policy;
    this.nodeOf = nodeOf;
    const ways: CommandWays = {
      send: (command) => this.send(command),
      sendTo: (command, node) => this.sendTo(command, node),
      refused: (command, error) => this.refused(command, error),
    };
    this.absence =
      policy.readFrom === 'primary' ? undefined : new AbsenceCheck(runtime, topology, nodeOf, ways);
  }

  close(): void {
    this.absence?.close();
  }

  /** Sends a command to a node that has its slot; it hears of everything from then on. */
  send(command: RoutedCommand): void {
    const node = this.nodeFor(command);
    if (node instanceof RedisError) {
      this.fail(command, node);
    } else {
      this.sendTo(command, node);
    }
  }

  /** Where a command goes now, or why it can go nowhere. */
  nodeFor(command: RoutedCommand): RedisNode | RedisError {
    const shard = this.topology.shardOf(command.slot);
    if (shard === undefined) {
      this.topology.refresh();
      return this.nobody(command.slot);
    }
    if (!command.isRead) {
      return shard.primary;
    }
    if (this.policy.readFrom === 'primary' && command.excluded === undefined) {
      return shard.primary;
    }
    const excluded = command.excluded ?? NONE;
    const node = chooseNode(shard, this.policy, excluded, this.turn++, this.runtime.now());
    return node ?? shard.primary;
  }

  sendTo(command: RoutedCommand, node: RedisNode): void {
    command.outstanding++;
    (command.isRead ? node.reads : node.bulk).send(command);
  }

  /** Its answer was an error: follows it, tries again, or fails. */
  onErrorReply(command: RoutedCommand, text: string, connection: RedisConnection): void {
    if (--command.outstanding > 0 && this.absence?.isWordOfPrimary(command, connection) !== true) {
      return;
    }
    if (command.absence === 'asking-primary') command.absence = 'not-said';
    command.isAsking = false;
    const [word, slot, address] = text.split(' ', 3);
    switch (word) {
      case 'MOVED':
      case 'ASK':
        if (!this.topology.isCluster || Number(slot) === command.slot) {
          this.redirect(command, word, address ?? '', replyError(text, connection), connection);
        } else {
          this.mixedUp(command, connection);
        }
        break;
      case 'LOADING':
      case 'MASTERDOWN':
        // It came back, or lost its primary: others may have taken over.
        this.topology.refresh();
        this.nodeOf(connection)?.exclude(this.runtime.now());
        this.refused(command, replyError(text, connection), connection);
        break;
      case 'CLUSTERDOWN':
      case 'READONLY':
        this.topology.refresh();
        this.refused(command, replyError(text, connection));
        break;
      case 'TRYAGAIN':
        this.refused(command, replyError(text, connection));
        break;
      case 'NOAUTH':
        // The password was changed or the connection lost its user: a new one has what is right now.
        connection.reconnect(replyError(text, connection));
        this.refused(command, replyError(text, connection));
        break;
      default:
        this.fail(command, new RedisError('REPLY', text, { address: connection.address }));
    }
  }

  /** There will be no answer on this connection. */
  onLost(
    command: RoutedCommand,
    error: RedisError,
    wasSent: boolean,
    connection: RedisConnection,
  ): void {
    if (--command.outstanding > 0 && this.absence?.isWordOfPrimary(command, connection) !== true) {
      return;
    }
    if (command.absence === 'asking-primary') command.absence = 'not-said';
    command.isAsking = false;
    const isFinal = error.code === 'OVERLOADED' || error.code === 'CLOSED';
    if (isFinal || (wasSent && !command.isRepeatable)) {
      this.fail(command, error);
      return;
    }
    this.topology.refresh();
    if (command.isRead) this.lost(command, error, connection);
    else this.refused(command, error);
  }

  /** It got the answer of another command: all that its connection owes is lost, and nobody knows what became of it. */
  private mixedUp(command: RoutedCommand, connection: RedisConnection): void {
    const { address } = connection;
    const message = `${address} answered about another slot than it was asked about`;
    const error = new RedisError('PROTOCOL', message, { address });
    connection.reconnect(error);
    if (!command.isRepeatable) this.fail(command, error);
    else if (command.isRead) this.lost(command, error, connection);
    else this.refused(command, error);
  }

  private redirect(
    command: RoutedCommand,
    word: 'MOVED' | 'ASK',
    address: string,
    error: RedisError,
    connection: RedisConnection,
  ): void {
    if (++command.redirections > MAX_REDIRECTIONS) {
      const message = `${connection.address} and others send each other slot ${command.slot}`;
      this.fail(command, new RedisError('UNREACHABLE', message, { address: connection.address }));
      return;
    }
    const node = this.topology.redirected(address, connection.target);
    if (node === undefined) {
      // It does not know itself where to.
      this.topology.refresh();
      this.refused(command, error);
      return;
    }
    if (word === 'MOVED') {
      this.counts.moved++;
      this.topology.moved(command.slot, node);
      this.topology.refresh();
    } else {
      this.counts.asked++;
    }
    const delayMs = redirectionDelayMs(command.redirections);
    const asked = word === 'ASK' ? node : undefined;
    if (delayMs > 0) {
      // Nodes that send each other a slot have not heard of each other's news yet.
      this.sendLater(command, delayMs, asked);
      return;
    }
    command.isAsking = asked !== undefined;
    this.sendTo(command, node);
  }

  /**
   * It cannot be served now, but it may be later.
   *
   * @param connection of the node that said so, where another copy may serve it at once; absent = none may.
   */
  private refused(command: RoutedCommand, error: RedisError, connection?: RedisConnection): void {
    if (++command.refusals > maxRefusals(command.isRead)) {
      this.fail(command, error);
      return;
    }
    this.counts.retried++;
    if (command.isRead && connection !== undefined) {
      const node = this.nodeElsewhere(command, connection);
      if (node instanceof RedisError) {
        this.fail(command, node);
        return;
      }
      if (node.address !== connection.address) {
        this.sendTo(command, node);
        return;
      }
    }
    this.sendLater(command, refusalDelayMs(command.refusals));
  }

  /** A read was lost: it is sent to another copy, or to the same node where that may be on its way back. */
  private lost(command: RoutedCommand, error: RedisError, connection: RedisConnection): void {
    const failed = command.excluded ?? NONE;
    const node = this.nodeElsewhere(command, connection);
    if (node instanceof RedisError) {
      this.fail(command, node);
      return;
    }
    const isSame = node.address === connection.address;
    if (++command.losses > MAX_LOSSES || (isSame && connection.problem !== undefined)) {
      this.fail(command, error);
      return;
    }
    this.counts.retried++;
    const delayMs = isSame || failed.includes(node.address) ? lossDelayMs(command.losses) : 0;
    if (delayMs > 0) this.sendLater(command, delayMs);
    else this.sendTo(command, node);
  }

  /** A node that has not failed the command yet; the primary where all have. */
  private nodeElsewhere(
    command: RoutedCommand,
    { address }: RedisConnection,
  ): RedisNode | RedisError {
    command.excluded = [...(command.excluded ?? NONE), address];
    return this.nodeFor(command);
  }

  /** @param asked the node to send it to with `ASKING`; absent = the one that is chosen then. */
  private sendLater(command: RoutedCommand, delayMs: number, asked?: RedisNode): void {
    command.excluded = undefined;
    this.runtime.setTimer(
      () => {
        if (command.isOver) return;
        command.isAsking = asked !== undefined;
        if (asked === undefined) this.send(command);
        else this.sendTo(command, asked);
      },
      delayMs * (0.75 + this.runtime.random() / 2),
    );
  }

  private fail(command: RoutedCommand, error: RedisError): void {
    this.counts.failed++;
    command.fail(error);
  }

  private nobody(slot: number): RedisError {
    const { problem, configured, isCluster } = this.topology;
    if (problem !== undefined) {
      return new RedisError('UNREACHABLE', `no Redis at ${configured}: ${problem}`);
    }
    const what = isCluster ? `no node serves slot ${slot}` : 'no primary is known';
    return new RedisError('UNREACHABLE', `${what} at ${configured}`);
  }
}

const NONE: readonly string[] = [];

/** Errors that pass with time: a caller sees that the node could not serve. */
function replyError(text: string, { address }: RedisConnection): RedisError {
  return new RedisError('REPLY', text, { address });
}
