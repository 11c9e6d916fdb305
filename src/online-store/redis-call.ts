import { Buffer } from 'node:buffer';
import type { RedisReply } from '../redis/decode-reply.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import { RedisError } from '../redis/redis-error.ts';
import type { RedisCall } from '../redis/routed-call.ts';
import type { ReadOptions } from './online-store.ts';
import { storeError, translated } from './redis-errors.ts';
import type { RedisScript } from './redis-script.ts';

/** Writing may wait for longer than reading: nobody's request hangs on it. */
export const CALL_TIMEOUT_MS = 30_000;

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

/** A script with its keys, all of one slot, and its arguments. */
export interface ScriptCall {
  /** The first of the keys. */
  readonly key: Uint8Array;
  /** The whole command, as words or encoded. @param head the command that runs the script, and its hash or source */
  readonly encode: (head: readonly [string, string]) => RedisCall['words'];
}

/**
 * Runs a script once per key, in the order given.
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
  const calls = keys.map((key, i): ScriptCall => {
    return { key, encode: (head) => [...head, '1', key, ...argumentsOf[i]!] };
  });
  const replies = await tryScript(client, script, calls, limits);
  if (replies === undefined) {
    return runWithoutScript(client, script, keys, argumentsOf, limits);
  }
  const failed = replies.findIndex((reply) => reply instanceof RedisError);
  if (failed >= 0) {
    throw storeError(replies[failed], keys[failed]);
  }
  return replies;
}

/**
 * Runs a script once per call, in the order given; a node that does not know the script yet is given it.
 *
 * @returns the script's reply per call, or its error; `undefined` where the server allows no scripts.
 */
export async function tryScript(
  client: RedisClient,
  script: Pick<RedisScript, 'source' | 'sha'>,
  scriptCalls: readonly ScriptCall[],
  limits: ReadOptions,
): Promise<readonly RedisReply[] | undefined> {
  if (scriptCalls.length === 0) {
    return [];
  }
  if (scriptless.has(client)) {
    return undefined;
  }
  const callsBy = (
    calls: readonly ScriptCall[],
    head: readonly [string, string],
  ): readonly RedisCall[] =>
    calls.map(({ key, encode }) => ({ key, words: encode(head), isRepeatable: true }));
  const byHash = ['EVALSHA', script.sha] as const;
  const calls = callsBy(scriptCalls, byHash);
  const replies = [...(await translated(client.callAll(calls, limits, CALL_TIMEOUT_MS)))];
  const unknown = replies.flatMap((reply, i) => (isUnknownScript(reply) ? [i] : []));
  if (unknown.length > 0) {
    const isTaught = await teach(client, script);
    const head = isTaught ? byHash : (['EVAL', script.source] as const);
    const again = callsBy(
      unknown.map((i) => scriptCalls[i]!),
      head,
    );
    const answers = await translated(client.callAll(again, limits, CALL_TIMEOUT_MS));
    unknown.forEach((index, i) => (replies[index] = answers[i]!));
  }
  if (replies.some(isForbidden)) {
    scriptless.add(client);
    return undefined;
  }
  return replies;
}

/** Servers that refused a script once; asking again would be a round trip for nothing. */
const scriptless = new WeakSet<RedisClient>();

/** The script's work by transactions: those of one key follow each other in the order given. */
async function runWithoutScript(
  client: RedisClient,
  script: RedisScript,
  keys: readonly Uint8Array[],
  argumentsOf: readonly (readonly (string | Uint8Array)[])[],
  limits: ReadOptions,
): Promise<readonly RedisReply[]> {
  const results = keys.map(async (key, i) => {
    try {
      const carriedOut = await client.transact(script.asTransaction(key, argumentsOf[i]!), limits);
      return carriedOut.length > 0 ? 1 : 0;
    } catch (error) {
      throw storeError(error, key);
    }
  });
  const settled = await Promise.allSettled(results);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
  return settled.map((result) => (result.status === 'fulfilled' ? result.value : 0));
}

/** Gives all nodes the script; false where they may be given none, so that it has to go with every call. */
async function teach(
  client: RedisClient,
  { source }: Pick<RedisScript, 'source'>,
): Promise<boolean> {
  try {
    await Promise.all(
      client.primaries().map((node) => client.callNode(node, ['SCRIPT', 'LOAD', source])),
    );
    return true;
  } catch (error) {
    if (!(error instanceof RedisError) || error.code !== 'REPLY') {
      throw storeError(error);
    }
    return false;
  }
}

function isUnknownScript(reply: RedisReply): boolean {
  return reply instanceof RedisError && reply.message.startsWith('NOSCRIPT');
}

/** Whether a server runs no scripts for this user, or for nobody: its commands are renamed away. */
function isForbidden(reply: RedisReply): boolean {
  return (
    reply instanceof RedisError &&
    /^(?:NOPERM|ERR unknown command).*\beval(?:sha)?\b/i.test(reply.message)
  );
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
