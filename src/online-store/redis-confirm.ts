import { onlineStoreUnavailable } from '../errors.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { RedisNode } from '../redis/redis-node.ts';
import { redisSlot } from '../redis/redis-slot.ts';
import { translated } from './redis-errors.ts';

/** What has to be so before a write counts as done. */
export interface RedisConfirmOptions {
  /** Replicas that have to hold a row as well; 0 or `undefined` = its primary alone. */
  readonly waitReplicas?: number | undefined;
  /** How long they may take. */
  readonly waitTimeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 500;

/** Waits until replicas hold what was written since it was made. */
export interface WriteConfirmation {
  /**
   * @throws SideboardError ONLINE_STORE_UNAVAILABLE where too few replicas said so in time, or a primary changed meanwhile:
   *   the rows may be written, and may get lost with their primary.
   */
  confirm(): Promise<void>;
}

/** Whether anything is asked of replicas. */
export function isConfirmed({ waitReplicas = 0 }: RedisConfirmOptions): boolean {
  return waitReplicas > 0;
}

const NOTHING: WriteConfirmation = { confirm: () => Promise.resolve() };

/**
 * Remembers the primaries of these keys before they are written. `WAIT` answers for everything that a primary had been told
 * when its connection last said something, whoever wrote it, so a row that was there already is confirmed too.
 */
export function confirmationOf(
  client: RedisClient,
  keys: readonly Uint8Array[],
  options: RedisConfirmOptions,
): WriteConfirmation {
  if (!isConfirmed(options)) {
    return NOTHING;
  }
  const { waitReplicas = 0, waitTimeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const before = new Map([...primariesOf(client, keys)].map((node) => [node, connectCount(node)]));
  return {
    async confirm() {
      // Where slots have moved meanwhile, both ends have to answer.
      const nodes = new Set([...before.keys(), ...primariesOf(client, keys)]);
      const words = ['WAIT', String(waitReplicas), String(waitTimeoutMs)];
      await Promise.all(
        [...nodes].map(async (node) => {
          const timeoutMs = waitTimeoutMs + client.commandTimeoutMs;
          const count = Number(await translated(client.callNode(node, words, timeoutMs)));
          if (!(count >= waitReplicas)) {
            throw unconfirmed(node, `${count} of ${waitReplicas} replicas hold it`);
          }
          // A process that came back in between may have forgotten what its replicas never heard of.
          const connected = before.get(node);
          if (connected !== undefined && connected > 0 && connected !== connectCount(node)) {
            throw unconfirmed(node, 'the connection broke meanwhile');
          }
        }),
      );
    },
  };
}

function primariesOf(client: RedisClient, keys: readonly Uint8Array[]): Set<RedisNode> {
  const primaries = client.primaries();
  if (!client.isCluster) {
    return new Set(primaries);
  }
  const addresses = new Set(keys.map((key) => client.addressOfSlot(redisSlot(key))));
  return new Set(primaries.filter(({ address }) => addresses.has(address)));
}

function connectCount(node: RedisNode): number {
  return node.bulk.connectCount;
}

function unconfirmed({ address }: RedisNode, reason: string): Error {
  return onlineStoreUnavailable(
    `Redis at ${address} took the rows, but ${reason} (redis_wait_replicas); write them again`,
  );
}
