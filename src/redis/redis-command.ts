import type { RedisConnection } from './redis-connection.ts';
import type { RedisError } from './redis-error.ts';
import type { ReplyReader } from './reply-reader.ts';

/**
 * A command as a connection sees it. For each time that it is sent the connection calls one of `onReply`, `onErrorReply` and
 * `onLost`, unless nobody waits for it any more.
 */
export interface RedisCommand {
  /** Nobody waits for it: it is not sent if it has not been, and its reply is passed over. */
  readonly isOver: boolean;
  /** Whether `ASKING` goes before it: the slot is on its way to the node that it is sent to. */
  readonly isAsking: boolean;
  /** Commands that it is: each is answered, and told of, by itself; absent = one. */
  readonly count?: number;
  /** Bytes that `encode` writes. */
  encodedLength(): number;
  /** Writes the command at `at`; returns its end. */
  encode(out: Uint8Array, at: number): number;
  /**
   * Goes on reading its reply, which is no error.
   *
   * @returns whether it has been read to its end, which is `reader.at`.
   * @throws RedisError PROTOCOL where the bytes are no reply.
   */
  readReply(reader: ReplyReader): boolean;
  /**
   * Whether a reply that begins with this byte can be its own, where that is asked although nobody waits for it; absent =
   * any may. One that cannot means that replies and commands are out of step.
   */
  isAnsweredBy?(type: number): boolean;
  /** Its reply, no error, has been read to its end. */
  onReply(reader: ReplyReader, connection: RedisConnection): void;
  /** @param text of the error reply, without what it repeats of the command. */
  onErrorReply(text: string, connection: RedisConnection): void;
  /** There will be no reply. @param wasSent whether the node may have carried it out. */
  onLost(error: RedisError, wasSent: boolean, connection: RedisConnection): void;
}
