import { constants, gunzipSync, gzipSync } from 'node:zlib';
import { withoutRest } from '../http2/without-rest.ts';
import { FRAME_HEADROOM } from './grpc-service.ts';
import { GrpcCode, GrpcStatusError } from './status.ts';

/** Responses below this many bytes are not worth compressing. */
const MIN_GZIP_BYTES = 1024;

/**
 * Splits a request body into gRPC messages (flag byte, four bytes of length, message) as the bytes come in. Bytes are
 * joined once, when a message is complete; a body that arrives in one piece is not copied.
 */
export interface MessageReader {
  push(chunk: Uint8Array): void;
  /**
   * The next complete message, decompressed; `undefined` = there is none yet.
   *
   * @throws GrpcStatusError RESOURCE_EXHAUSTED for a message over the limit (as soon as its length is known), INTERNAL
   *   for a bad prefix or bad gzip
   */
  next(): Uint8Array | undefined;
  /** The next complete message as it came; throws as `next`, but for bad gzip. */
  nextReceived(): ReceivedMessage | undefined;
  /** Bytes of an incomplete message, or of messages that nobody asked for yet, are waiting. */
  readonly isMidMessage: boolean;
  /** So many, … */
  readonly waitingBytes: number;
  /** … in so many pieces. */
  readonly pieceCount: number;
}

const NOTHING = new Uint8Array(0);

/** A message that may have been compressed. */
export interface ReceivedMessage {
  readonly bytes: Uint8Array;
  readonly isPacked: boolean;
}

/** The message of a body that is one whole, plain message and nothing else: the case of nearly every unary call. */
export function wholeMessage(chunk: Uint8Array, maxMessageBytes: number): Uint8Array | undefined {
  const length = chunk.length - FRAME_HEADROOM;
  if (length < 0 || length > maxMessageBytes || chunk[0] !== 0) return undefined;
  return readLength(chunk) === length ? chunk.subarray(FRAME_HEADROOM) : undefined;
}

export function createMessageReader(encoding: string, maxMessageBytes: number): MessageReader {
  let parts: Uint8Array[] = [];
  /** The first piece that waits: to move all the others up for each would take the square of them. */
  let first = 0;
  let size = 0;

  const join = (): Uint8Array => {
    const joined = Buffer.concat(parts);
    parts = [joined];
    first = 0;
    return joined;
  };
  const skipFirst = (): void => {
    parts[first++] = NOTHING;
    if (2 * first >= parts.length) {
      parts = parts.slice(first);
      first = 0;
    }
  };

  return {
    push(chunk: Uint8Array): void {
      if (chunk.length === 0) return;
      parts.push(chunk);
      size += chunk.length;
    },
    next(): Uint8Array | undefined {
      const received = this.nextReceived();
      if (received === undefined) return undefined;
      const { bytes, isPacked } = received;
      return isPacked ? unpackMessage(bytes, encoding, maxMessageBytes) : bytes;
    },
    nextReceived(): ReceivedMessage | undefined {
      if (size < FRAME_HEADROOM) return undefined;
      const head = parts[first]!.length < FRAME_HEADROOM ? join() : parts[first]!;
      const end = FRAME_HEADROOM + messageLength(head, maxMessageBytes);
      if (size < end) return undefined;
      const joined = head.length < end ? join() : head;
      size -= end;
      if (joined.length === end) skipFirst();
      else parts[first] = withoutRest(joined.subarray(end));
      return { bytes: joined.subarray(FRAME_HEADROOM, end), isPacked: joined[0] === 1 };
    },
    get isMidMessage(): boolean {
      return size > 0;
    },
    get waitingBytes(): number {
      return size;
    },
    get pieceCount(): number {
      return parts.length - first;
    },
  };
}

function messageLength(prefix: Uint8Array, maxMessageBytes: number): number {
  if (prefix[0]! > 1) {
    throw new GrpcStatusError(GrpcCode.INTERNAL, 'bad message prefix: the first byte is 0 or 1');
  }
  const length = readLength(prefix);
  if (length > maxMessageBytes) throw messageTooLarge(length, maxMessageBytes);
  return length;
}

function readLength(prefix: Uint8Array): number {
  return ((prefix[1]! << 24) | (prefix[2]! << 16) | (prefix[3]! << 8) | prefix[4]!) >>> 0;
}

function messageTooLarge(length: number, maxMessageBytes: number): GrpcStatusError {
  return new GrpcStatusError(
    GrpcCode.RESOURCE_EXHAUSTED,
    `the request message has ${length} bytes, at most ${maxMessageBytes} are allowed (max_request_bytes)`,
  );
}

/**
 * A compressed message as it was.
 *
 * @throws GrpcStatusError RESOURCE_EXHAUSTED for one over the limit, INTERNAL for bad gzip or a call that names no encoding
 */
export function unpackMessage(
  message: Uint8Array,
  encoding: string,
  maxMessageBytes: number,
): Uint8Array {
  if (encoding === 'identity') {
    throw new GrpcStatusError(
      GrpcCode.INTERNAL,
      'a message is marked as compressed but the call names no grpc-encoding',
    );
  }
  try {
    return gunzipSync(message, { maxOutputLength: maxMessageBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new GrpcStatusError(
        GrpcCode.RESOURCE_EXHAUSTED,
        `the request message has more than ${maxMessageBytes} bytes when decompressed (max_request_bytes)`,
      );
    }
    throw new GrpcStatusError(GrpcCode.INTERNAL, 'a request message is not valid gzip');
  }
}

/**
 * Writes the prefix into the headroom of `framed`, or, where the caller takes gzip and it pays, returns a compressed
 * copy.
 */
export function frameMessage(framed: Uint8Array, gzip: boolean): Uint8Array {
  const length = framed.length - FRAME_HEADROOM;
  if (gzip && length >= MIN_GZIP_BYTES) {
    const packed = gzipSync(framed.subarray(FRAME_HEADROOM), { level: constants.Z_BEST_SPEED });
    const compressed = Buffer.allocUnsafe(FRAME_HEADROOM + packed.length);
    compressed.set(packed, FRAME_HEADROOM);
    return writePrefix(compressed, 1);
  }
  return writePrefix(framed, 0);
}

function writePrefix(framed: Uint8Array, flag: 0 | 1): Uint8Array {
  const length = framed.length - FRAME_HEADROOM;
  framed[0] = flag;
  framed[1] = length >>> 24;
  framed[2] = length >>> 16;
  framed[3] = length >>> 8;
  framed[4] = length;
  return framed;
}
