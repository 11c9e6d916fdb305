import type { Absence } from './absence-check.ts';
import type { CommandRouter } from './command-router.ts';
import { decodeReply, type RedisReply } from './decode-reply.ts';
import { encodeCommand } from './encode-command.ts';
import { EncodedCommand } from './encoded-command.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { RedisError } from './redis-error.ts';
import { redisSlot } from './redis-slot.ts';
import type { ReplyReader } from './reply-reader.ts';
import type { RoutedCommand } from './routed-command.ts';

/** One command on one key. */
export interface RedisCall {
  readonly key: Uint8Array;
  /** The command's words, name and key among them; or all of it, encoded. */
  readonly words: readonly (string | Uint8Array)[] | Uint8Array;
  /** Whether any copy of the data may answer. */
  readonly isRead?: boolean;
  /** Whether doing it twice is the same as doing it once. */
  readonly isRepeatable?: boolean;
}

/** A call on its way. */
export class RoutedCall extends EncodedCommand implements RoutedCommand {
  isOver = false;
  isAsking = false;
  excluded: string[] | undefined = undefined;
  refusals = 0;
  losses = 0;
  redirections = 0;
  outstanding = 0;
  absence: Absence = 'not-said';
  readonly slot: number;
  readonly isRead: boolean;
  readonly isRepeatable: boolean;
  private readonly router: CommandRouter;
  private readonly onEnd: (reply: RedisReply) => void;

  /** @param onEnd takes the reply, or the error why there is none. */
  constructor(call: RedisCall, router: CommandRouter, onEnd: (reply: RedisReply) => void) {
    super(call.words instanceof Uint8Array ? call.words : encodeCommand(call.words));
    this.slot = router.topology.isCluster ? redisSlot(call.key) : 0;
    this.isRead = call.isRead ?? false;
    this.isRepeatable = call.isRepeatable ?? this.isRead;
    this.router = router;
    this.onEnd = onEnd;
  }

  onReply(reader: ReplyReader): void {
    const reply = decodeReply(reader);
    this.isOver = true;
    this.onEnd(reply);
  }

  onErrorReply(text: string, connection: RedisConnection): void {
    this.router.onErrorReply(this, text, connection);
  }

  onLost(error: RedisError, wasSent: boolean, connection: RedisConnection): void {
    this.router.onLost(this, error, wasSent, connection);
  }

  fail(error: RedisError): void {
    this.isOver = true;
    this.onEnd(error);
  }
}
