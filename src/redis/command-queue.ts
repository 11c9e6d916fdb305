import type { RedisCommand } from './redis-command.ts';

const INITIAL_CAPACITY = 64;

/** Stands for a command whose reply nobody waits for. */
export const PASSED_OVER: RedisCommand = {
  isOver: true,
  isAsking: false,
  encodedLength: () => 0,
  encode: (_out, at) => at,
  readReply: (reader) => reader.skip(),
  onReply: () => {},
  onErrorReply: () => {},
  onLost: () => {},
};

/** Commands whose replies are due, in the order in which they were sent, as a ring that grows and is reused. */
export class CommandQueue {
  private commands: (RedisCommand | undefined)[] = Array.from({ length: INITIAL_CAPACITY });
  private sentAtMs = new Float64Array(INITIAL_CAPACITY);
  private head = 0;
  length = 0;

  push(command: RedisCommand, sentAtMs: number): void {
    if (this.length === this.commands.length) {
      this.grow();
    }
    const slot = (this.head + this.length) & (this.commands.length - 1);
    this.commands[slot] = command;
    this.sentAtMs[slot] = sentAtMs;
    this.length++;
  }

  /** The command whose reply is next; `undefined` = none is due. */
  first(): RedisCommand | undefined {
    return this.length === 0 ? undefined : this.commands[this.head];
  }

  /** When `first()` was sent. */
  firstSentAtMs(): number {
    return this.sentAtMs[this.head]!;
  }

  dropFirst(): void {
    this.commands[this.head] = undefined;
    this.head = (this.head + 1) & (this.commands.length - 1);
    this.length--;
  }

  private grow(): void {
    const { commands, sentAtMs, head, length } = this;
    const capacity = 2 * commands.length;
    this.commands = Array.from({ length: capacity }, (_, i) =>
      i < length ? commands[(head + i) & (commands.length - 1)] : undefined,
    );
    this.sentAtMs = new Float64Array(capacity);
    for (let i = 0; i < length; i++) {
      this.sentAtMs[i] = sentAtMs[(head + i) & (commands.length - 1)]!;
    }
    this.head = 0;
  }
}
