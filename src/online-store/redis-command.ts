import { Buffer } from 'node:buffer';
import type { Command } from 'ioredis';

/** Takes the replies to prebuilt commands; `group` and `index` are those that a command was made with. */
export interface ReplyReceiver {
  accept(group: number, index: number, reply: unknown): void;
  refuse(command: PrebuiltCommand, error: Error): void;
}

const NO_ARGUMENTS: readonly never[] = [];
const NOBODY_WAITS = Promise.resolve();

/**
 * A command whose bytes are ready, in the shape that ioredis (6.0) sends and answers. ioredis's own `Command` copies its
 * arguments, looks for keys among them and makes a promise, which for a read of many features costs more than all else; it
 * also takes a wrong slot for keys with `{}` in them. A class, because ioredis calls methods on it and sets its fields.
 */
export class PrebuiltCommand {
  readonly name: string;
  /** Empty, so that no key or value gets into ioredis's errors and traces. */
  readonly args = NO_ARGUMENTS;
  readonly slot: number;
  readonly bytes: Buffer;
  readonly receiver: ReplyReceiver;
  readonly group: number;
  readonly index: number;
  readonly promise = NOBODY_WAITS;
  inTransaction = false;
  isTraced = true;
  isResolved = false;
  isSettled = false;

  constructor(
    command: { readonly name: string; readonly bytes: Buffer; readonly slot: number },
    receiver: ReplyReceiver,
    group: number,
    index: number,
  ) {
    this.name = command.name;
    this.bytes = command.bytes;
    this.slot = command.slot;
    this.receiver = receiver;
    this.group = group;
    this.index = index;
  }

  getSlot(): number {
    return this.slot;
  }

  toWritable(): Buffer {
    return this.bytes;
  }

  /** Replies are taken as the parser gives them: bytes as `Buffer`s, whatever the protocol. */
  setReplyContext(): void {}

  resolve(reply: unknown): void {
    this.isResolved = true;
    this.isSettled = true;
    this.receiver.accept(this.group, this.index, reply);
  }

  /** A cluster client puts its own in front of it, which follows redirections first. */
  reject(error: Error): void {
    this.isSettled = true;
    this.receiver.refuse(this, error);
  }

  /** As ioredis's type, which names private members that are of no use here. */
  asCommand(): Command {
    return this as unknown as Command;
  }
}

const CRLF = Buffer.from('\r\n');

/** The bytes of a command: an array of bulk strings in Redis's protocol (https://redis.io/docs/latest/develop/reference/protocol-spec). */
export function encodeCommand(parts: readonly (string | Uint8Array)[]): Buffer {
  const chunks: Uint8Array[] = [Buffer.from(`*${parts.length}\r\n`)];
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    chunks.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(chunks);
}
