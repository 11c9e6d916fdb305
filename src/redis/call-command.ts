import { decodeReply, type RedisReply } from './decode-reply.ts';
import { encodeCommand } from './encode-command.ts';
import type { RedisCommand } from './redis-command.ts';
import type { RedisConnection } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';

/** How long a node may take to answer what this client asks for its own sake. */
const OWN_CALL_TIMEOUT_MS = 1_000;

/**
 * Asks one node, over the connection given and no other, and waits for the answer; for what is not hot.
 *
 * @throws RedisError REPLY where it answers with an error, UNREACHABLE, NO_ANSWER
 */
export async function callNode(
  connection: RedisConnection,
  words: readonly (string | Uint8Array)[],
  timeoutMs: number = OWN_CALL_TIMEOUT_MS,
): Promise<RedisReply> {
  const [reply] = await callTogether(connection, [words], timeoutMs);
  if (reply instanceof RedisError) {
    throw reply;
  }
  return reply!;
}

/**
 * Sends commands one right after the other on one connection: all of them, or none.
 *
 * @returns their replies; a `RedisError` REPLY in the place of one that was refused.
 * @throws RedisError UNREACHABLE, NO_ANSWER, OVERLOADED
 */
export function callTogether(
  connection: RedisConnection,
  commands: readonly (readonly (string | Uint8Array)[])[],
  timeoutMs: number,
): Promise<readonly RedisReply[]> {
  const { address, runtime } = connection;
  return new Promise((resolve, reject) => {
    const replies: RedisReply[] = [];
    let isOver = false;
    let isBegun = false;
    const end = (): void => {
      isOver = true;
      timer.cancel();
    };
    const take = (reply: RedisReply): void => {
      if (!isOver && replies.push(reply) === commands.length) {
        end();
        resolve(replies);
      }
    };
    const fail = (error: RedisError): void => {
      if (!isOver) {
        end();
        reject(error);
      }
    };
    const timer = runtime.setTimer(() => {
      fail(new RedisError('NO_ANSWER', `no answer within ${timeoutMs} ms`, { address }));
    }, timeoutMs);
    connection.sendAll(
      commands.map((words): RedisCommand => {
        const bytes = encodeCommand(words);
        return {
          // What was begun is sent to its end: a `MULTI` without its `EXEC` would swallow the commands of others.
          get isOver() {
            return isOver && !isBegun;
          },
          isAsking: false,
          encodedLength: () => bytes.length,
          encode(out, at) {
            isBegun = true;
            out.set(bytes, at);
            return at + bytes.length;
          },
          readReply: (reader) => reader.skip(),
          onReply: (reader) => take(decodeReply(reader)),
          onErrorReply: (text) => take(new RedisError('REPLY', text, { address })),
          onLost: fail,
        };
      }),
    );
  });
}
