import { Buffer } from 'node:buffer';
import { translated } from '../online-store/redis-errors.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { RedisNode } from '../redis/redis-node.ts';

/** Commands that change nothing; whatever is not here is never sent. Second words where a command has several. */
const ALLOWED: ReadonlySet<string> = new Set([
  'CLIENT NO-TOUCH',
  'CLUSTER COUNTKEYSINSLOT',
  'CLUSTER INFO',
  'CLUSTER NODES',
  'CONFIG GET',
  'DBSIZE',
  'EXEC',
  'HGETALL',
  'HLEN',
  'HMGET',
  'INFO',
  'MEMORY USAGE',
  'MULTI',
  'OBJECT ENCODING',
  'OBJECT FREQ',
  'PING',
  'PTTL',
  'RANDOMKEY',
  'SCAN',
]);

/** A command as its words. */
export type Words = readonly [string, ...(string | Uint8Array)[]];

/** One node of a store, asked nothing but what it can answer without changing anything. */
export interface ReadOnlyNode {
  /** `host:port`, or the path of a socket. */
  readonly address: string;
  /**
   * Bytes come as `Buffer`s, maps as flat arrays.
   *
   * @throws SideboardError ONLINE_STORE_UNAVAILABLE with what Redis or the connection said
   */
  call(...words: Words): Promise<unknown>;
  /** Sends all at once; one reply per command in their order, an `Error` in the place of what was refused. */
  pipeline(commands: readonly Words[]): Promise<readonly unknown[]>;
}

/** Asks `node` over the client's connection for what is not urgent. */
export function readOnlyNode(
  client: Pick<RedisClient, 'callNode'>,
  node: Pick<RedisNode, 'address'>,
): ReadOnlyNode {
  const send = async (words: Words): Promise<unknown> =>
    translated(client.callNode(node as RedisNode, words));
  return {
    address: node.address,
    async call(...words) {
      refuseWrites(words);
      return send(words);
    },
    async pipeline(commands) {
      commands.forEach(refuseWrites);
      const replies = await Promise.allSettled(commands.map(send));
      return replies.map((reply) =>
        reply.status === 'fulfilled' ? reply.value : (reply.reason as Error),
      );
    },
  };
}

function refuseWrites([name, second]: Words): void {
  const twoWords = `${name} ${typeof second === 'string' ? second : ''}`;
  if (!ALLOWED.has(name) && !ALLOWED.has(twoWords)) {
    throw new Error(`the doctor does not send ${name}`);
  }
}

/** A reply that is text; empty for anything else. */
export function textOf(reply: unknown): string {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : typeof reply === 'string' ? reply : '';
}
