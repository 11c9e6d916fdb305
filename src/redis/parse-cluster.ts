import { Buffer } from 'node:buffer';
import type { RedisReply } from './decode-reply.ts';
import type { NodeTarget } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';
import { SLOT_COUNT } from './redis-slot.ts';

/** A range of slots and the nodes that have them. */
export interface SlotRange {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  readonly primary: NodeTarget;
  readonly replicas: readonly NodeTarget[];
}

/**
 * Reads the reply to `CLUSTER SLOTS`: `[first, last, [host, port, id, …], replica, …]` per range. A node that announces no
 * host is where the reply came from.
 *
 * @param from the node that answered.
 */
export function parseClusterSlots(reply: RedisReply, from: NodeTarget): SlotRange[] {
  return listOf(reply).flatMap((entry): SlotRange[] => {
    const [first, last, ...nodes] = listOf(entry);
    const targets = nodes.flatMap((node) => targetOf(listOf(node)[0], listOf(node)[1], from));
    return rangeOf(first, last, targets);
  });
}

/**
 * Reads the reply to `CLUSTER SHARDS`: per shard a map of `slots` (flat pairs) and `nodes` (maps with `endpoint`, `port`,
 * `tls-port`, `role`, `health`).
 */
export function parseClusterShards(
  reply: RedisReply,
  from: NodeTarget,
  isTls: boolean,
): SlotRange[] {
  return listOf(reply).flatMap((entry): SlotRange[] => {
    const shard = mapOf(entry);
    const nodes = listOf(shard.get('nodes') ?? []).map(mapOf);
    const healthy = nodes.filter((node) => textOf(node.get('health')) !== 'fail');
    const targets = (role: RegExp): NodeTarget[] =>
      healthy
        .filter((node) => role.test(textOf(node.get('role'))))
        .flatMap((node) => {
          const port = (isTls ? node.get('tls-port') : undefined) ?? node.get('port');
          return targetOf(node.get('endpoint'), port, from);
        });
    const ordered = [...targets(/^master|^primary/), ...targets(/^(?:replica|slave)/)];
    const slots = listOf(shard.get('slots') ?? []);
    return slots.flatMap((first, i) => (i % 2 === 0 ? rangeOf(first, slots[i + 1], ordered) : []));
  });
}

function rangeOf(
  first: RedisReply | undefined,
  last: RedisReply | undefined,
  [primary, ...replicas]: readonly NodeTarget[],
): SlotRange[] {
  if (primary === undefined) {
    return [];
  }
  const range = { first: Number(first), last: Number(last), primary, replicas };
  const isRange = Number.isInteger(range.first) && range.first >= 0 && range.last >= range.first;
  if (!isRange || range.last >= SLOT_COUNT) {
    throw new RedisError('PROTOCOL', 'Redis described its cluster with slots that do not exist');
  }
  return [range];
}

/** None where the node's address is not known to the one that answered (`?`). */
function targetOf(
  host: RedisReply | undefined,
  port: RedisReply | undefined,
  from: NodeTarget,
): NodeTarget[] {
  const name = host === null || host === undefined ? '' : textOf(host);
  const target = targetAt(name === '' ? from.host : name, port);
  if (name === '?' || target === undefined) {
    return [];
  }
  return [name === '' ? { ...from, port: target.port } : target];
}

/** A reply that is a list. @throws RedisError PROTOCOL */
export function listOf(reply: RedisReply | undefined): readonly RedisReply[] {
  if (!Array.isArray(reply)) {
    throw new RedisError('PROTOCOL', 'Redis described its nodes in a way that is not known');
  }
  return reply as readonly RedisReply[];
}

function mapOf(reply: RedisReply): ReadonlyMap<string, RedisReply> {
  const flat = listOf(reply);
  return new Map(
    flat.flatMap((key, i) => (i % 2 === 0 ? [[textOf(key), flat[i + 1] ?? null]] : [])),
  );
}

/** A reply that is text. */
export function textOf(reply: RedisReply | undefined): string {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : String(reply ?? '');
}

/** `undefined` for what is no address: nobody is connected to because of it. */
export function targetAt(host: string, port: RedisReply | undefined): NodeTarget | undefined {
  const number = Number(textOf(port) || Number.NaN);
  const isPort = Number.isInteger(number) && number > 0 && number < 65_536;
  return host !== '' && isPort ? { host, port: number } : undefined;
}

/**
 * `host:port`, IPv6 without brackets as Redis writes it; an empty host is that of `from`.
 *
 * @returns `undefined` for what is no address
 */
export function parseAddress(address: string, from: NodeTarget): NodeTarget | undefined {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, Math.max(colon, 0));
  const target = targetAt(host === '' ? from.host : host, address.slice(colon + 1));
  if (colon < 0 || target === undefined) {
    return undefined;
  }
  return host === '' ? { ...from, port: target.port } : target;
}
