import { Buffer } from 'node:buffer';
import type { RedisReply } from '../redis/decode-reply.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import { RedisError } from '../redis/redis-error.ts';
import type { RedisCall } from '../redis/routed-call.ts';
import type { ReadOptions } from './online-store.ts';
import { storeError, translated } from './redis-errors.ts';
import type { RedisScript } from './redis-script.ts';

/** Writing may wait for longer than reading: nobody's request hangs on it. */
const CALL_TIMEOUT_MS = 30_000;

/**
 * Sends commands in their order, each to the node of its key, and waits for all replies.
 *
 * @returns one reply per call, same order.
 * @throws SideboardError at the first command that fails; the others may have been carried out.
 */
export async function callRedis(
  client: RedisClient,
  calls: readonly RedisCall[],
  limits: ReadOptions,
): Promise<readonly RedisReply[]> {
  const replies = await translated(client.callAll(calls, limits, CALL_TIMEOUT_MS));
  throwFirstError(replies, calls);
  return replies;
}

/**
 * Runs a script once per key, in the order given; a node that does not know the script yet is given it.
 *
 * @param argumentsOf one list per key.
 * @returns the script's reply per key, same order.
 */
export async function runScript(
  client: RedisClient,
  script: RedisScript,
  keys: readonly Uint8Array[],
  argumentsOf: readonly (readonly (string | Uint8Array)[])[],
  limits: ReadOptions,
): Promise<readonly RedisReply[]> {
  const calls = keys.map((key, i): RedisCall => {
    const words = ['EVALSHA', script.sha, '1', key, ...argumentsOf[i]!];
    return { key, words, isRepeatable: true };
  });
  const replies = [...(await translated(client.callAll(calls, limits, CALL_TIMEOUT_MS)))];
  const unknown = replies.flatMap((reply, i) => (isUnknownScript(reply) ? [i] : []));
  if (unknown.length > 0) {
    await translated(loadScript(client, script));
    const again = unknown.map((i) => calls[i]!);
    const answers = await translated(client.callAll(again, limits, CALL_TIMEOUT_MS));
    unknown.forEach((index, i) => (replies[index] = answers[i]!));
  }
  throwFirstError(replies, calls);
  return replies;
}

async function loadScript(client: RedisClient, { source }: RedisScript): Promise<void> {
  await Promise.all(
    client.primaries().map((node) => client.callNode(node, ['SCRIPT', 'LOAD', source])),
  );
}

function isUnknownScript(reply: RedisReply): boolean {
  return reply instanceof RedisError && reply.message.startsWith('NOSCRIPT');
}

function throwFirstError(replies: readonly RedisReply[], calls: readonly RedisCall[]): void {
  const failed = replies.findIndex((reply) => reply instanceof RedisError);
  if (failed >= 0) {
    throw storeError(replies[failed], calls[failed]!.key);
  }
}

/** A reply that is text. */
export function replyText(reply: unknown): string {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : String(reply);
}
