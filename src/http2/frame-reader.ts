import {
  ConnectionError,
  DEFAULT_MAX_FRAME_BYTES,
  ErrorCode,
  FRAME_HEADER_BYTES,
  protocolError,
  readUint31,
} from './frame.ts';

/** What a client sends first (RFC 9113 section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Takes frames. */
export interface FrameSink {
  /** A whole frame; its payload is `bytes[start, end)`, which does not change and may be kept. */
  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
  /** No more frames are wanted. */
  readonly isClosed: boolean;
}

/**
 * Cuts the bytes of a connection into frames. Frames are handed on where they lie in the receive buffer; one that is
 * spread over several is put together first, at the cost of at most one frame of memory.
 */
export class FrameReader {
  /** The beginning of a frame that was cut off, and how much of it is there. */
  private part: Buffer | undefined;
  private partBytes = 0;
  private prefaceBytes = 0;

  /** What has begun and is not complete: the same object as long as it is the same frame, or preface. */
  get unfinished(): object | undefined {
    return this.part ?? (this.prefaceBytes < PREFACE.length ? PREFACE : undefined);
  }

  /** @throws ConnectionError PROTOCOL_ERROR for a wrong preface, FRAME_SIZE_ERROR for a frame that is too large */
  read(chunk: Buffer, sink: FrameSink): void {
    let at = this.prefaceBytes < PREFACE.length ? this.readPreface(chunk) : 0;
    while (this.part !== undefined && at < chunk.length) at = this.complete(chunk, at, sink);
    if (sink.isClosed) return;
    at = readFrames(chunk, at, sink);
    if (at < chunk.length && !sink.isClosed) {
      this.part = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES);
      this.partBytes = 0;
      while (at < chunk.length) at = this.complete(chunk, at, sink);
    }
  }

  private readPreface(chunk: Buffer): number {
    const count = Math.min(PREFACE.length - this.prefaceBytes, chunk.length);
    if (PREFACE.compare(chunk, 0, count, this.prefaceBytes, this.prefaceBytes + count) !== 0) {
      throw protocolError('the connection does not begin with the preface of HTTP/2');
    }
    this.prefaceBytes += count;
    return count;
  }

  /** Adds to the frame that was cut off, up to its end at most. Returns the position after what was taken. */
  private complete(chunk: Buffer, at: number, sink: FrameSink): number {
    const part = this.part!;
    const taken = chunk.copy(part, this.partBytes, at, at + part.length - this.partBytes);
    this.partBytes += taken;
    if (this.partBytes < part.length) return at + taken;
    const frameBytes = FRAME_HEADER_BYTES + payloadBytes(part, 0);
    if (part.length < frameBytes) {
      // So far it was the frame's header.
      this.part = Buffer.allocUnsafeSlow(frameBytes);
      part.copy(this.part);
    } else {
      this.part = undefined;
      this.partBytes = 0;
      readFrames(part, 0, sink);
    }
    return at + taken;
  }
}

/** Hands on the whole frames of `bytes` from `at` on. Returns the position after the last of them. */
function readFrames(bytes: Buffer, at: number, sink: FrameSink): number {
  while (bytes.length - at >= FRAME_HEADER_BYTES) {
    const start = at + FRAME_HEADER_BYTES;
    const end = start + payloadBytes(bytes, at);
    if (end > bytes.length) return at;
    sink.onFrame(bytes[at + 3]!, bytes[at + 4]!, readUint31(bytes, at + 5), bytes, start, end);
    if (sink.isClosed) return bytes.length;
    at = end;
  }
  return at;
}

function payloadBytes(bytes: Buffer, at: number): number {
  const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  if (length > DEFAULT_MAX_FRAME_BYTES) {
    throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} bytes`);
  }
  return length;
}
