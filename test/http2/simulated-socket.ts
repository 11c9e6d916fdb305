import { Duplex } from 'node:stream';

/**
 * The server's end of a connection whose other end is the test: it delivers bytes in any pieces, takes what is written at
 * once, or not at all while it stalls, and breaks when it is told to.
 */
export class SimulatedSocket extends Duplex {
  readonly remoteAddress = '192.0.2.1';
  readonly remotePort = 1;
  private readonly onWrite: (chunk: Buffer) => void;
  private isStalled = false;
  private pending: (() => void)[] = [];

  constructor(onWrite: (chunk: Buffer) => void) {
    super({ allowHalfOpen: false, highWaterMark: 65_536 });
    this.onWrite = onWrite;
  }

  deliver(bytes: Uint8Array): void {
    if (!this.destroyed && !this.readableEnded && bytes.length > 0) this.push(bytes);
  }

  hangUp(): void {
    if (!this.destroyed && !this.readableEnded) this.push(null);
  }

  /** From now on what is written is not taken. */
  stall(): void {
    this.isStalled = true;
  }

  flow(): void {
    this.isStalled = false;
    for (const take of this.pending.splice(0)) take();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const take = (): void => {
      // A copy, as the kernel takes one: the writer may use its memory again.
      this.onWrite(Buffer.from(chunk));
      done();
    };
    if (this.isStalled) this.pending.push(take);
    else take();
  }
}
