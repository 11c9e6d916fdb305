import type { RedisReply } from './decode-reply.ts';
import { textOf } from './parse-cluster.ts';
import { RedisError } from './redis-error.ts';

/** A primary of a cluster, as a line of `CLUSTER NODES` describes it. */
export interface ClusterMember {
  readonly id: string;
  /** `host:port`, the host empty where it is not known. */
  readonly address: string;
  /** Its host name; empty where it has none. */
  readonly name: string;
  /** The same with its host name, where it has one. */
  readonly namedAddress: string;
  /** Whether the cluster agreed that it is dead; not, while only the node that answers misses it. */
  readonly hasFailed: boolean;
  /** When the node that answers last heard of it, by that one's clock: other words once it has heard of it again. */
  readonly lastHeard: string;
  has(slot: number): boolean;
  /** Whether the slot is on its way to it; told of the node that answers alone. */
  isTakingIn(slot: number): boolean;
  /** Whether the slot is on its way from it to another one; told of the node that answers alone. */
  isSending(slot: number): boolean;
}

/** What a node knows of its cluster. */
export interface ClusterMembers {
  /** The one that answered. */
  readonly own: ClusterMember;
  /** All that are not replicas, those that failed among them. */
  readonly primaries: readonly ClusterMember[];
}

/**
 * Reads the reply to `CLUSTER NODES`, a line for each node: id, `host:port@bus,name,…`, flags, id of its primary, four words on
 * its state, and its slots, as numbers and ranges; of the one that answers also those on their way, `[slot->-id]` from and
 * `[slot-<-id]` to it.
 *
 * @throws RedisError PROTOCOL
 */
export function parseClusterNodes(reply: RedisReply): ClusterMembers {
  const lines = textOf(reply)
    .split('\n')
    .map((line) => line.trim().split(' '))
    .filter((words) => words.length >= 8);
  const own = lines.find((words) => flagsOf(words).includes('myself'));
  if (own === undefined) {
    throw new RedisError('PROTOCOL', 'Redis described its cluster in a way that is not known');
  }
  const primaries = lines.filter((words) => {
    const flags = flagsOf(words);
    return flags.includes('master') && !flags.includes('handshake');
  });
  return { own: memberOf(own), primaries: primaries.map(memberOf) };
}

function flagsOf(words: readonly string[]): readonly string[] {
  return words[2]!.split(',');
}

function memberOf(words: readonly string[]): ClusterMember {
  const [id, endpoint, , , , lastHeard, , , ...slots] = words;
  const [socket = '', name = ''] = endpoint!.split(',');
  const address = socket.replace(/@\d+$/, '');
  const host = address.slice(0, Math.max(address.lastIndexOf(':'), 0));
  const ranges = slots
    .filter((word) => /^\d/.test(word))
    .map((word) => {
      const [first, last = first] = word.split('-').map(Number);
      return [first!, last!] as const;
    });
  return {
    id: id!,
    address,
    name,
    namedAddress: name === '' ? address : `${name}${address.slice(host.length)}`,
    hasFailed: flagsOf(words).includes('fail'),
    lastHeard: lastHeard!,
    has: (slot) => ranges.some(([first, last]) => slot >= first && slot <= last),
    isTakingIn: (slot) => slots.some((word) => word.startsWith(`[${slot}-<-`)),
    isSending: (slot) => slots.some((word) => word.startsWith(`[${slot}->-`)),
  };
}
