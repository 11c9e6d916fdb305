import {
  cancelled,
  deadlineExceeded,
  onlineStoreUnavailable,
  type SideboardError,
} from '../errors.ts';
import type { ReadOptions } from './online-store.ts';
import type { RedisClient } from './redis-client.ts';
import type { PrebuiltCommand } from './redis-command.ts';
import { unreadableEntity } from './store-errors.ts';

/** Commands on their way whose replies are awaited together. */
export interface RedisBatch {
  /** Resolves when all replies are in; rejects at the first failure, at the deadline, and when the caller goes away. */
  readonly finished: Promise<void>;
  /** Whether `finished` is decided: what comes later is dropped. */
  isOver(): boolean;
  /** One reply is in. */
  countReply(): void;
  fail(error: SideboardError): void;
}

/** Addresses named in one message. */
const MAX_NAMED_NODES = 5;

/**
 * Starts waiting for the replies to `commands`, which the caller fills and sends right after.
 *
 * @param timeoutMs longest wait where the deadline allows more.
 * @throws SideboardError where the deadline has passed or the caller went away, before anything is sent.
 */
export function openBatch(
  client: RedisClient,
  commands: readonly PrebuiltCommand[],
  expectedReplies: number,
  limits: ReadOptions,
  timeoutMs: number,
): RedisBatch {
  const { deadlineAtMs, signal } = limits;
  const leftMs = deadlineAtMs - performance.now();
  if (signal?.aborted === true) {
    throw cancelled();
  }
  if (leftMs <= 0) {
    throw deadlineExceeded('before the online store was asked');
  }
  let pending = expectedReplies;
  let isOver = false;
  const { promise: finished, resolve, reject } = Promise.withResolvers<void>();
  const end = (error?: SideboardError): void => {
    if (isOver) {
      return;
    }
    isOver = true;
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    if (error === undefined) {
      resolve();
    } else {
      reject(error);
    }
  };
  const onTimer = (): void => {
    end(
      leftMs <= timeoutMs
        ? deadlineExceeded('while waiting for Redis')
        : silence(client, commands, timeoutMs),
    );
  };
  const onAbort = (): void => end(cancelled());
  const timer = setTimeout(onTimer, Math.min(leftMs, timeoutMs));
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    finished,
    isOver: () => isOver,
    countReply() {
      if (--pending === 0) {
        end();
      }
    },
    fail: end,
  };
}

/** The error for nodes that did not answer in time. */
function silence(
  client: RedisClient,
  commands: readonly PrebuiltCommand[],
  timeoutMs: number,
): SideboardError {
  const addresses = new Set<string>();
  for (const command of commands) {
    if (!command.isSettled) {
      addresses.add(client.addressOf(command.slot));
    }
  }
  const named = [...addresses].slice(0, MAX_NAMED_NODES).map((address) => {
    const reason = client.lastErrorOf(address);
    return reason === undefined ? address : `${address} (${reason})`;
  });
  return onlineStoreUnavailable(`no answer from Redis within ${timeoutMs} ms: ${named.join(', ')}`);
}

/**
 * What a failed command means to a caller. Neither message nor cause holds a key or a value: Redis repeats arguments in
 * some of its errors.
 */
export function commandError(
  client: RedisClient,
  command: PrebuiltCommand,
  key: Uint8Array,
  error: Error,
): SideboardError {
  const message = error.message.replace(/,? with args beginning with[^]*/, '').slice(0, 300);
  const cause = new Error(message);
  if (message.startsWith('WRONGTYPE')) {
    return unreadableEntity(key, 'its Redis key does not hold a hash', cause);
  }
  const address = client.addressOf(command.slot);
  const isReply = error.name === 'ReplyError';
  const reason = isReply ? message : (client.lastErrorOf(address) ?? message);
  return onlineStoreUnavailable(
    `Redis at ${address} ${isReply ? 'answered' : 'failed'}: ${reason}`,
    cause,
  );
}
