import type { Duplex } from 'node:stream';

/** The first chunk of a tick, and all further ones: most connections have little to say at a time. */
const FIRST_CHUNK_BYTES = 16 * 1024;
const NEXT_CHUNK_BYTES = 64 * 1024;
/** Chunks kept for reuse, 4 MiB at most. */
const MAX_FREE_CHUNKS = 256;
const NO_BYTES = Buffer.alloc(0);

/** Chunks that connections write to, shared by all of an engine, so that an idle connection holds none. */
export class ChunkPool {
  private readonly free: Buffer[] = [];

  take(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(FIRST_CHUNK_BYTES);
  }

  give(chunk: Buffer): void {
    if (chunk.length === FIRST_CHUNK_BYTES && this.free.length < MAX_FREE_CHUNKS) {
      this.free.push(chunk);
    }
  }
}

/**
 * What one connection sends in this tick. Frames are written into `bytes` from `at` on, after `reserve`; large bodies are
 * added as slices. All leaves in one write.
 */
export class Output {
  bytes: Buffer = NO_BYTES;
  at = 0;
  private readonly pool: ChunkPool;
  /** Where in `bytes` begins what is not among `parts`. */
  private start = 0;
  private parts: Uint8Array[] = [];
  private partsBytes = 0;
  /** Chunks given to the socket, in their order. */
  private readonly written: Buffer[] = [];

  constructor(pool: ChunkPool) {
    this.pool = pool;
  }

  /** Bytes that `flush` will hand to the socket. */
  get pendingBytes(): number {
    return this.partsBytes + this.at - this.start;
  }

  /** Makes room for `length` more bytes in one piece. Returns where to write them, `at`. */
  reserve(length: number): number {
    if (this.at + length > this.bytes.length) this.nextChunk(length);
    return this.at;
  }

  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
    this.at = at + bytes.length;
  }

  /** Adds bytes without copying them; they must not change until they have left. */
  appendSlice(slice: Uint8Array): void {
    this.endPart();
    this.parts.push(slice);
    this.partsBytes += slice.length;
  }

  /** Writes everything. False: the socket is full, it tells by 'drain' when it is not. */
  flush(socket: Duplex): boolean {
    let last = this.bytes.subarray(this.start, this.at);
    if (last.length === 0) {
      if (this.parts.length === 0) return true;
      last = this.parts.pop() as Buffer;
    }
    const isCorked = this.parts.length > 0;
    if (isCorked) {
      socket.cork();
      for (const part of this.parts) socket.write(part);
    }
    this.written.push(this.bytes);
    const hasRoom = socket.write(last, this.onWritten);
    if (isCorked) socket.uncork();
    this.reset();
    return hasRoom;
  }

  /** Forgets what is pending. */
  reset(): void {
    this.bytes = NO_BYTES;
    this.at = 0;
    this.start = 0;
    this.partsBytes = 0;
    if (this.parts.length > 0) this.parts = [];
  }

  private readonly onWritten = (): void => {
    const chunk = this.written.shift();
    if (chunk !== undefined) this.pool.give(chunk);
  };

  private endPart(): void {
    if (this.at === this.start) return;
    this.parts.push(this.bytes.subarray(this.start, this.at));
    this.partsBytes += this.at - this.start;
    this.start = this.at;
  }

  private nextChunk(length: number): void {
    this.endPart();
    this.bytes =
      this.bytes.length === 0 && length <= FIRST_CHUNK_BYTES
        ? this.pool.take()
        : Buffer.allocUnsafeSlow(Math.max(length, NEXT_CHUNK_BYTES));
    this.at = 0;
    this.start = 0;
  }
}
