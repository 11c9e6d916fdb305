import type { ReplyReader } from './reply-reader.ts';

/** A command whose bytes are there already, and of whose reply nothing is looked at before its end. */
export abstract class EncodedCommand {
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  encodedLength(): number {
    return this.bytes.length;
  }

  encode(out: Uint8Array, at: number): number {
    out.set(this.bytes, at);
    return at + this.bytes.length;
  }

  readReply(reader: ReplyReader): boolean {
    return reader.skip();
  }
}
