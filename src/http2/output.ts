import type { Duplex } from 'node:stream';

/** The first chunk of a tick, and all further ones: most connections have little to say at a time. */
const FIRST_CHUNK_BYTES = 16 * 1024;
const NEXT_CHUNK_BYTES = 64 * 1024;
/** Chunks kept for reuse: 4 MiB of each size at most. */
const MAX_FREE_BYTES = 4 * 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** Chunks that connections write to, shared by all of an engine, so that an idle connection holds none. */
export class ChunkPool {
  private readonly first: Buffer[] = [];
  private readonly next: Buffer[] = [];

  /** A chunk of `FIRST_CHUNK_BYTES` or `NEXT_CHUNK_BYTES`. */
  take(size: number): Buffer {
    const free = size === FIRST_CHUNK_BYTES ? this.first : this.next;
    return free.pop() ?? Buffer.allocUnsafeSlow(size);
  }

  give(chunk: Buffer): void {
    const { length } = chunk;
    const free = length === FIRST_CHUNK_BYTES ? this.first : this.next;
    // One that was made for more than fits into a chunk is let go.
    if (length <= NEXT_CHUNK_BYTES && free.length * length < MAX_FREE_BYTES) free.push(chunk);
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
  /** Chunks of this tick and those given to the socket, in their order, and how many of them each write has. */
  private readonly chunks: Buffer[] = [];
  private readonly written: number[] = [];
  private chunkCount = 0;

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
    this.written.push(this.chunkCount);
    this.chunkCount = 0;
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
    // After a write they are the socket's; what was never written has no reader.
    for (; this.chunkCount > 0; this.chunkCount--) this.pool.give(this.chunks.pop()!);
    if (this.parts.length > 0) this.parts = [];
  }

  private readonly onWritten = (): void => {
    for (let count = this.written.shift() ?? 0; count > 0; count--) {
      this.pool.give(this.chunks.shift()!);
    }
  };

  private endPart(): void {
    if (this.at === this.start) return;
    this.parts.push(this.bytes.subarray(this.start, this.at));
    this.partsBytes += this.at - this.start;
    this.start = this.at;
  }

  private nextChunk(length: number): void {
    this.endPart();
    const size = this.bytes.length === 0 ? FIRST_CHUNK_BYTES : NEXT_CHUNK_BYTES;
    if (length <= size) this.bytes = this.pool.take(size);
    else if (length <= NEXT_CHUNK_BYTES) this.bytes = this.pool.take(NEXT_CHUNK_BYTES);
    else this.bytes = Buffer.allocUnsafeSlow(length);
    this.chunks.push(this.bytes);
    this.chunkCount += 1;
    this.at = 0;
    this.start = 0;
  }
}
