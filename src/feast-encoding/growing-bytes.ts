import { Buffer } from 'node:buffer';

const INITIAL_BYTES = 4096;

/** Bytes that are written one after the other, in memory that grows and is used again. */
export class GrowingBytes {
  /** What is written is `[0, at)`; another buffer after `reserve`. */
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  at = 0;

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.at + count;
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
      this.bytes.copy(grown, 0, 0, this.at);
      this.bytes = grown;
    }
  }

  put(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.at);
    this.at += source.length;
  }

  /** Forgets what is written. @param keptBytes memory beyond this is given back. */
  clear(keptBytes: number): void {
    this.at = 0;
    if (this.bytes.length > keptBytes) {
      this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    }
  }
}
