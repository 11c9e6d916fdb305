import type { CommandRouter } from './command-router.ts';
import type { RedisReply } from './decode-reply.ts';
import { RedisError } from './redis-error.ts';
import type { RedisRuntime } from './redis-runtime.ts';
import type { RedisNode } from './redis-node.ts';
import { redisSlot } from './redis-slot.ts';
import { transact, type Transaction } from './transact.ts';
import type { CallLimits } from './waiting.ts';

const CALL_TIMEOUT_MS = 10_000;
const MAX_ATTEMPTS = 8;
const FIRST_DELAY_MS = 20;

/** Replies that pass when the topology is known better, or with time. */
const PASSING = /^(?:MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY|LOADING|MASTERDOWN) /;

/** Carries a transaction out at the primary of its keys, again where that is another one or comes back. */
export async function transactRouted(
  { topology }: CommandRouter,
  runtime: RedisRuntime,
  transaction: Transaction,
  { deadlineAtMs, signal }: CallLimits,
): Promise<readonly RedisReply[]> {
  const slot = topology.isCluster ? redisSlot(transaction.keys[0]!) : 0;
  /** Where the primary said that the slot is going. */
  let next: RedisNode | undefined;
  for (let attempt = 1; ; attempt++) {
    if (signal?.aborted === true) {
      throw new RedisError('CANCELLED', 'the caller went away');
    }
    const leftMs = deadlineAtMs - runtime.now();
    if (leftMs <= 0) {
      throw new RedisError('DEADLINE', 'the deadline has passed while waiting for Redis');
    }
    const isAsking = next !== undefined;
    const node = next ?? topology.shardOf(slot)?.primary;
    next = undefined;
    try {
      if (node === undefined) {
        throw new RedisError('UNREACHABLE', `no node serves slot ${slot}`);
      }
      return await transact(node, transaction, Math.min(leftMs, CALL_TIMEOUT_MS), isAsking);
    } catch (error) {
      if (!(error instanceof RedisError) || !mayPass(error) || attempt === MAX_ATTEMPTS) {
        throw error;
      }
      const address = /^ASK \d+ (\S+)/.exec(error.message)?.[1];
      if (address !== undefined && node !== undefined) {
        next = topology.redirected(address, node.target);
        if (next !== undefined) continue;
      }
      topology.refresh();
      await pause(runtime, FIRST_DELAY_MS * 2 ** (attempt - 1));
    }
  }
}

function mayPass({ code, message }: RedisError): boolean {
  return code === 'UNREACHABLE' || (code === 'REPLY' && PASSING.test(message));
}

function pause(runtime: RedisRuntime, delayMs: number): Promise<void> {
  return new Promise((resolve) => void runtime.setTimer(resolve, delayMs));
}
