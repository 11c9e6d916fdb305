import type { Socket } from 'node:net';

const SLAB_BYTES = 256 * 1024;

/** Collects what is to be sent in a turn, and sends it in one write at its end. */
export class OutgoingBytes {
  /** Good until the next `reserve`. */
  bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
  private readonly socket: Socket;
  private start = 0;
  private end = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Makes room for so many bytes, which the caller writes into `bytes` at once. @returns where */
  reserve(byteCount: number): number {
    if (this.end + byteCount > this.bytes.length) this.renew(byteCount);
    if (this.end === this.start) process.nextTick(this.send);
    const at = this.end;
    this.end += byteCount;
    return at;
  }

  private readonly send = (): void => {
    if (this.end === this.start) return;
    this.socket.write(this.bytes.subarray(this.start, this.end));
    // What the socket took at once is the kernel's; the rest is still read from here.
    if (this.socket.writableLength === 0) this.end = 0;
    this.start = this.end;
  };

  private renew(byteCount: number): void {
    this.send();
    if (this.end + byteCount <= this.bytes.length) return;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, byteCount));
    this.start = 0;
    this.end = 0;
  }
}
