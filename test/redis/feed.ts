import { Buffer } from 'node:buffer';
import { decodeReply, type RedisReply } from '../../src/redis/decode-reply.ts';
import { RedisError } from '../../src/redis/redis-error.ts';
import { ReplyReader, type ReplyLimits } from '../../src/redis/reply-reader.ts';

/** Gives bytes to a reader as a socket does, in pieces that end at `cuts` (ascending); calls `onPiece` after each. */
export function feed(
  reader: ReplyReader,
  bytes: Uint8Array,
  cuts: readonly number[],
  onPiece: () => void,
): void {
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    while (at < cut) {
      const room = reader.room();
      const piece = bytes.subarray(at, Math.min(cut, at + room.length));
      room.set(piece);
      reader.end += piece.length;
      at += piece.length;
      onPiece();
    }
  }
}

/** What came of some bytes: the whole replies in them, and why no more came. */
export interface Outcome {
  readonly replies: readonly RedisReply[];
  readonly end: 'complete' | 'incomplete' | 'refused';
}

/** Reads everything in `bytes` by `ReplyReader.skip`, until a reply is refused. */
export function readAll(
  bytes: Uint8Array,
  cuts: readonly number[] = [],
  limits?: ReplyLimits,
): Outcome {
  const reader = new ReplyReader(limits);
  const replies: RedisReply[] = [];
  try {
    feed(reader, bytes, cuts, () => {
      while (reader.start < reader.end && reader.skip()) {
        replies.push(decodeReply(reader));
        reader.next();
      }
    });
  } catch (error) {
    if (error instanceof RedisError && error.code === 'PROTOCOL') {
      return { replies, end: 'refused' };
    }
    throw error;
  }
  return { replies, end: reader.start < reader.end ? 'incomplete' : 'complete' };
}

/** Every way to cut in one place, and into single bytes. */
export function allCuts(length: number): (readonly number[])[] {
  const places = Array.from({ length: Math.max(length - 1, 0) }, (_, i) => i + 1);
  return [[], places, ...places.map((place) => [place])];
}

/** A reply with errors as their text, so that it can be compared. */
export function comparable(reply: RedisReply): unknown {
  if (reply instanceof RedisError) return { error: reply.message };
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  return Array.isArray(reply) ? (reply as readonly RedisReply[]).map(comparable) : reply;
}
