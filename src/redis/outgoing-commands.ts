import { Buffer } from 'node:buffer';
import { PASSED_OVER, type CommandQueue } from './command-queue.ts';
import { encodeCommand } from './encode-command.ts';
import type { RedisCommand } from './redis-command.ts';

/** What goes to the kernel in one write; the rest follows when it took that. */
const MAX_WRITE_BYTES = 1024 * 1024;
const INITIAL_WRITE_BYTES = 16 * 1024;
const ASKING = encodeCommand(['ASKING']);

/** Commands that wait to be sent, and the buffer that they are written into: one, used again and again. */
export class OutgoingCommands {
  private commands: RedisCommand[] = [];
  private bytes = 0;
  private readonly maxBytes: number;
  private out = Buffer.allocUnsafeSlow(INITIAL_WRITE_BYTES);

  /** @param maxBytes that may wait; what is larger passes when nothing else waits. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get length(): number {
    return this.commands.length;
  }

  hasRoomFor(bytes: number): boolean {
    return this.bytes === 0 || this.bytes + bytes <= this.maxBytes;
  }

  push(command: RedisCommand, bytes: number): void {
    this.commands.push(command);
    this.bytes += bytes;
  }

  /** Takes all of them out. */
  drain(): RedisCommand[] {
    const { commands } = this;
    this.commands = [];
    this.bytes = 0;
    return commands;
  }

  /**
   * Writes as many of them as fit into one write, and enters those into `due`.
   *
   * @returns what is to be sent, valid until the next call; empty where nobody waits for any of them.
   */
  encode(due: CommandQueue, nowMs: number): Uint8Array {
    const { commands } = this;
    const count = this.portion();
    let at = 0;
    for (let i = 0; i < count; i++) {
      const command = commands[i]!;
      if (command.isOver) {
        continue;
      }
      if (command.isAsking) {
        at += ASKING.copy(this.out, at);
        due.push(PASSED_OVER, nowMs);
      }
      at = command.encode(this.out, at);
      for (let reply = command.count ?? 1; reply > 0; reply--) {
        due.push(command, nowMs);
      }
    }
    this.commands = count === commands.length ? [] : commands.slice(count);
    if (this.commands.length === 0) {
      this.bytes = 0;
    }
    return this.out.subarray(0, at);
  }

  /** How many commands go next; makes room for them in `out`. */
  private portion(): number {
    let bytes = 0;
    let count = 0;
    while (count < this.commands.length && (count === 0 || bytes < MAX_WRITE_BYTES)) {
      const command = this.commands[count++]!;
      bytes += command.encodedLength() + (command.isAsking ? ASKING.length : 0);
    }
    if (bytes > this.out.length || this.out.length > 2 * MAX_WRITE_BYTES) {
      this.out = Buffer.allocUnsafeSlow(Math.max(bytes, INITIAL_WRITE_BYTES));
    }
    this.bytes = Math.max(this.bytes - bytes, 0);
    return count;
  }
}
