import { EncodedCommand } from './encoded-command.ts';
import type { RedisCommand } from './redis-command.ts';
import type { RedisConnection } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';
import type { RedisRuntime } from './redis-runtime.ts';
import { Waiting, type CallLimits } from './waiting.ts';

/** How the commands of a train ended. */
export interface TrainResult {
  /** One per command: whether it was carried out. */
  readonly isDone: readonly boolean[];
  /** Why others were not, by their index; absent where their answer was lost. */
  readonly refusals: ReadonlyMap<number, string>;
}

/**
 * Many small commands of one node that go back to back, as one object. Nobody follows where a node sends them, and none is
 * sent again: that is left to whoever hears that they were not carried out.
 */
export class CommandTrain extends EncodedCommand implements RedisCommand, TrainResult {
  isOver = false;
  readonly isAsking = false;
  readonly count: number;
  readonly isDone: boolean[] = [];
  readonly refusals = new Map<number, string>();
  private readonly onEnd: () => void;

  /** @param bytes of `count` commands. */
  constructor(bytes: Uint8Array, count: number, onEnd: () => void) {
    super(bytes);
    this.count = count;
    this.onEnd = onEnd;
  }

  onReply(): void {
    this.take(true);
  }

  onErrorReply(text: string): void {
    this.refusals.set(this.isDone.length, text);
    this.take(false);
  }

  onLost(): void {
    while (!this.isOver) this.take(false);
  }

  private take(isDone: boolean): void {
    this.isDone.push(isDone);
    if (this.isDone.length === this.count) {
      this.isOver = true;
      this.onEnd();
    }
  }
}

/**
 * Sends commands back to back over one connection and waits for all answers.
 *
 * @param connection absent = nobody is known to have the slot: none of the commands is carried out.
 * @param train bytes of `count` commands.
 * @throws RedisError DEADLINE, CANCELLED, NO_ANSWER
 */
export async function callTrain(
  connection: RedisConnection | undefined,
  { bytes, count }: { readonly bytes: Uint8Array; readonly count: number },
  limits: CallLimits,
  timeoutMs: number,
  runtime: RedisRuntime,
): Promise<TrainResult> {
  const train = new CommandTrain(bytes, count, () => waiting.countDown());
  const waiting = new Waiting<TrainResult>(runtime, limits, timeoutMs, 1, {
    result: () => train,
    onSilence() {
      const message = `no answer from Redis within ${timeoutMs} ms: ${connection?.address}`;
      waiting.fail(new RedisError('NO_ANSWER', message, { address: connection?.address }));
    },
    onEnd() {
      train.isOver = true;
    },
  });
  if (connection === undefined) train.onLost();
  else connection.send(train);
  return await waiting.finished;
}
