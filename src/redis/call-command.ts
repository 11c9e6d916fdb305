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
export function callNode(
  connection: RedisConnection,
  words: readonly (string | Uint8Array)[],
  timeoutMs: number = OWN_CALL_TIMEOUT_MS,
): Promise<RedisReply> {
  const bytes = encodeCommand(words);
  const { address, runtime } = connection;
  return new Promise((resolve, reject) => {
    const command: RedisCommand & { isOver: boolean } = {
      isOver: false,
      isAsking: false,
      encodedLength: () => bytes.length,
      encode(out, at) {
        out.set(bytes, at);
        return at + bytes.length;
      },
      readReply: (reader) => reader.skip(),
      onReply(reader) {
        end();
        resolve(decodeReply(reader));
      },
      onErrorReply: (text) => fail(new RedisError('REPLY', text, { address })),
      onLost: (error) => fail(error),
    };
    const end = (): void => {
      command.isOver = true;
      timer.cancel();
    };
    const fail = (error: RedisError): void => {
      end();
      reject(error);
    };
    const timer = runtime.setTimer(() => {
      fail(new RedisError('NO_ANSWER', `no answer within ${timeoutMs} ms`, { address }));
    }, timeoutMs);
    connection.send(command);
  });
}
