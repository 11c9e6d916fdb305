import { Buffer } from 'node:buffer';
import { isSideboardError, onlineStoreUnavailable } from '../errors.ts';
import type { ReadOptions } from './online-store.ts';
import { commandError, openBatch } from './redis-batch.ts';
import type { RedisClient } from './redis-client.ts';
import { encodeCommand, PrebuiltCommand, type ReplyReceiver } from './redis-command.ts';
import type { RedisScript } from './redis-script.ts';
import { redisSlot } from './redis-slot.ts';

/** One command on one key. */
export interface RedisCall {
  readonly name: string;
  readonly key: Uint8Array;
  /** The command's words, name and key among them. */
  readonly parts: readonly (string | Uint8Array)[];
}

/** Writing may wait for longer than reading: nobody's request hangs on it. */
const CALL_TIMEOUT_MS = 30_000;

/**
 * Sends commands in their order, each to the node of its key, and waits for all replies.
 *
 * @returns one reply per call, same order: bytes, number, array or null.
 * @throws SideboardError at the first command that fails; the others may have been carried out.
 */
export async function callRedis(
  client: RedisClient,
  calls: readonly RedisCall[],
  limits: ReadOptions,
): Promise<readonly unknown[]> {
  const replies = await collectReplies(client, calls, limits);
  const failed = replies.find((reply) => reply instanceof Error);
  if (failed !== undefined) {
    throw failed;
  }
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
): Promise<readonly unknown[]> {
  const calls = keys.map((key, i): RedisCall => {
    const parts = ['EVALSHA', script.sha, '1', key, ...argumentsOf[i]!];
    return { name: 'evalsha', key, parts };
  });
  const replies = [...(await collectReplies(client, calls, limits))];
  const unknown = replies.flatMap((reply, i) => (isUnknownScript(reply) ? [i] : []));
  if (unknown.length > 0) {
    await loadScript(client, script);
    const again = await callRedis(
      client,
      unknown.map((i) => calls[i]!),
      limits,
    );
    unknown.forEach((index, i) => (replies[index] = again[i]));
  }
  const failed = replies.find((reply) => reply instanceof Error);
  if (failed !== undefined) {
    throw failed;
  }
  return replies;
}

async function loadScript(client: RedisClient, { source }: RedisScript): Promise<void> {
  await Promise.all(
    client.masters().map(async (node) => {
      try {
        await node.script('LOAD', source);
      } catch (error) {
        const address = `${node.options.host}:${node.options.port}`;
        const reason = error instanceof Error ? error.message : String(error);
        throw onlineStoreUnavailable(`Redis at ${address} takes no script: ${reason}`, error);
      }
    }),
  );
}

function isUnknownScript(reply: unknown): boolean {
  return (
    isSideboardError(reply) &&
    reply.cause instanceof Error &&
    reply.cause.message.startsWith('NOSCRIPT')
  );
}

/** Replies, and errors in the place of those that Redis refused; throws where there is no answer at all. */
async function collectReplies(
  client: RedisClient,
  calls: readonly RedisCall[],
  limits: ReadOptions,
): Promise<readonly unknown[]> {
  const outage = client.outage();
  if (outage !== undefined) {
    throw outage;
  }
  const replies: unknown[] = Array.from({ length: calls.length });
  if (calls.length === 0) {
    return replies;
  }
  const commands: PrebuiltCommand[] = [];
  const batch = openBatch(client, commands, calls.length, limits, CALL_TIMEOUT_MS);
  const receiver: ReplyReceiver = {
    accept(_group, index, reply) {
      replies[index] = reply;
      batch.countReply();
    },
    refuse(command, error) {
      replies[command.index] = commandError(client, command, calls[command.index]!.key, error);
      batch.countReply();
    },
  };
  for (const [index, { name, key, parts }] of calls.entries()) {
    const slot = client.isCluster ? redisSlot(key) : 0;
    const command = { name, bytes: encodeCommand(parts), slot };
    commands.push(new PrebuiltCommand(command, receiver, 0, index));
  }
  client.cork();
  try {
    commands.forEach((command) => client.send(command));
  } finally {
    client.uncork();
  }
  await batch.finished;
  return replies;
}

/** A reply that is text. */
export function replyText(reply: unknown): string {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : String(reply);
}
