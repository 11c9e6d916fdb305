import type { RedisReply } from './decode-reply.ts';
import { callTogether } from './call-command.ts';
import { RedisError } from './redis-error.ts';
import type { RedisNode } from './redis-node.ts';

export type Words = readonly (string | Uint8Array)[];

/** Something that is read and, depending on what it is, changed, with nobody in between. */
export interface Transaction {
  /** All of one slot. */
  readonly keys: readonly Uint8Array[];
  readonly reads: readonly Words[];
  /** The commands to carry out, given the replies to `reads`; none = leave all as it is. Called again after a conflict. */
  decide(replies: readonly RedisReply[]): readonly Words[];
}

/** Times that somebody else may come in between. */
const MAX_CONFLICTS = 50;

/**
 * Does with `WATCH`, `MULTI` and `EXEC` what a script would do, where scripts are not allowed. Transactions of one node
 * follow each other: its connection is shared, and an `EXEC` ends every `WATCH` of a connection.
 *
 * @param isAsking the slot is on its way to the node: `ASKING` goes before each command on its keys, and before `MULTI`, from
 *   where it lasts to `EXEC`.
 * @returns the replies to what was carried out.
 * @throws RedisError REPLY for the first command that is refused; UNREACHABLE where the connection broke or others always
 *   came in between. What was carried out then is all or nothing.
 */
export function transact(
  node: RedisNode,
  transaction: Transaction,
  timeoutMs: number,
  isAsking: boolean,
): Promise<readonly RedisReply[]> {
  return node.exclusively(() => attempt(node, transaction, timeoutMs, isAsking));
}

async function attempt(
  node: RedisNode,
  { keys, reads, decide }: Transaction,
  timeoutMs: number,
  isAsking: boolean,
): Promise<readonly RedisReply[]> {
  const { bulk, address } = node;
  const asking: readonly Words[] = isAsking ? [['ASKING']] : [];
  for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts++) {
    const watch: Words = ['WATCH', ...keys];
    const questions = [watch, ...reads].flatMap((words) => [...asking, words]);
    const answers = refuseErrors(await callTogether(bulk, questions, timeoutMs));
    const replies = answers.filter((_, i) => !isAsking || i % 2 === 1).slice(1);
    const { connectCount } = bulk;
    const commands = decide(replies);
    if (commands.length === 0) {
      await callTogether(bulk, [['UNWATCH']], timeoutMs);
      return [];
    }
    // A connection that was made again watches nothing.
    if (!bulk.isReady || bulk.connectCount !== connectCount) {
      continue;
    }
    const sent: readonly Words[] = [...asking, ['MULTI'], ...commands, ['EXEC']];
    const results = await callTogether(bulk, sent, timeoutMs);
    const queueing = results.slice(0, -1).find((reply) => reply instanceof RedisError);
    if (queueing !== undefined) {
      throw queueing;
    }
    const [outcome] = refuseErrors(results.slice(-1));
    if (outcome !== null) {
      return refuseErrors(outcome as readonly RedisReply[]);
    }
  }
  const message = `others kept changing what was to be written, ${MAX_CONFLICTS} times`;
  throw new RedisError('UNREACHABLE', message, { address });
}

function refuseErrors(replies: readonly RedisReply[]): readonly RedisReply[] {
  const error = replies.find((reply) => reply instanceof RedisError);
  if (error !== undefined) {
    throw error;
  }
  return replies;
}
