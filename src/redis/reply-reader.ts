import { Buffer } from 'node:buffer';
import { letGoOfSlab, takeSlab, type ReceiveSlab } from './receive-slab.ts';
import { RedisError } from './redis-error.ts';

/** What one reply may be; more than any honest answer to what this client asks. */
export interface ReplyLimits {
  /** Aggregates inside each other. */
  readonly maxDepth: number;
  /** Elements of one aggregate; pairs count twice. */
  readonly maxElements: number;
  readonly maxBulkBytes: number;
}

export const REPLY_LIMITS: ReplyLimits = {
  maxDepth: 32,
  maxElements: 4 * 1024 * 1024,
  maxBulkBytes: 512 * 1024 * 1024,
};

/** What is free in a slab before another one is taken: reads of the kernel are no larger than the rest. */
const MIN_FREE_BYTES = 16 * 1024;
/** A line is a number, a status or an error. */
const MAX_LINE_BYTES = 64 * 1024;
/** `-2147483648`; no count or length that Redis sends has more digits. */
const MAX_NUMBER_BYTES = 11;

const CR = 0x0d;
const LF = 0x0a;
const MINUS = 0x2d;
const ZERO = 0x30;

/** First bytes of RESP2 and RESP3 elements (https://redis.io/docs/latest/develop/reference/protocol-spec). */
export const Resp = {
  STATUS: 0x2b, // +
  ERROR: 0x2d, // -
  INTEGER: 0x3a, // :
  BULK: 0x24, // $
  ARRAY: 0x2a, // *
  NULL: 0x5f, // _
  BOOLEAN: 0x23, // #
  DOUBLE: 0x2c, // ,
  BIG_NUMBER: 0x28, // (
  BULK_ERROR: 0x21, // !
  VERBATIM: 0x3d, // =
  MAP: 0x25, // %
  SET: 0x7e, // ~
  PUSH: 0x3e, // >
  ATTRIBUTE: 0x7c, // |
} as const;

const NO_SLAB: ReceiveSlab = { bytes: Buffer.alloc(0), holders: 1 };

/** `ReplyReader.parseNumber`: its line has not arrived whole. */
const INCOMPLETE = -2;

/**
 * What a connection receives, and how far the reply in it has been looked at. Replies stand one after the other in slabs,
 * each in one piece, so that its values are positions in one buffer. A slab is not written to where a reply has been handed
 * out before all who hold it have let go of it. Nothing is decoded or copied.
 */
export class ReplyReader {
  slab: ReceiveSlab = NO_SLAB;
  bytes: Buffer = NO_SLAB.bytes;
  /** First byte of the current reply: what stands before it has been handed out. */
  start = 0;
  /** Up to here the current reply has been looked at, whole elements only. */
  at = 0;
  /** End of what has been received. */
  end = 0;
  /** Elements of the current reply seen so far, for whoever reads it in a way of its own; 0 = begin at `start`. */
  elementCount = 0;
  private depth = 0;
  /** Elements still to come, of each open aggregate. */
  private readonly open: Int32Array;
  private readonly limits: ReplyLimits;
  /** Where the line that was last parsed ended, `\r\n` included. */
  private lineEnd = 0;

  constructor(limits: ReplyLimits = REPLY_LIMITS) {
    this.limits = limits;
    this.open = new Int32Array(limits.maxDepth);
  }

  /**
   * Where the next bytes go. Where the slab is used up the current reply moves to the front of a new one at least twice its
   * size, and is looked at anew: a large reply is moved a few times at most.
   */
  room(): Uint8Array {
    if (this.bytes.length - this.end < MIN_FREE_BYTES) {
      const partial = this.end - this.start;
      const slab = takeSlab(2 * partial + MIN_FREE_BYTES);
      this.bytes.copy(slab.bytes, 0, this.start, this.end);
      letGoOfSlab(this.slab);
      this.slab = slab;
      this.bytes = slab.bytes;
      this.start = 0;
      this.end = partial;
      this.restart();
    }
    return this.bytes.subarray(this.end);
  }

  /** Looks at the current reply from its beginning again. */
  restart(): void {
    this.at = this.start;
    this.elementCount = 0;
    this.depth = 0;
  }

  /** The current reply, which ends at `at`, has been handed out: the next one begins. */
  next(): void {
    this.start = this.at;
    this.elementCount = 0;
    this.depth = 0;
  }

  /**
   * Goes on to the end of the current reply, whatever it is.
   *
   * @returns whether it has arrived whole: it is `[start, at)` then.
   * @throws RedisError PROTOCOL where the bytes are no reply, or one beyond the limits.
   */
  skip(): boolean {
    for (;;) {
      if (!this.skipElement()) {
        return false;
      }
      while (this.depth > 0 && --this.open[this.depth - 1]! === 0) {
        this.depth--;
      }
      if (this.depth === 0) {
        return true;
      }
    }
  }

  /** Moves `at` behind one element without elements of its own, opening aggregates on the way. */
  private skipElement(): boolean {
    for (;;) {
      if (this.at >= this.end) {
        return false;
      }
      const type = this.bytes[this.at]!;
      switch (type) {
        case Resp.BULK:
        case Resp.BULK_ERROR:
        case Resp.VERBATIM: {
          const length = this.parseNumber(this.at + 1, this.limits.maxBulkBytes, 'bytes');
          if (length === INCOMPLETE) {
            return false;
          }
          return length < 0 ? this.moveTo(this.lineEnd) : this.skipPayload(this.lineEnd + length);
        }
        case Resp.ARRAY:
        case Resp.SET:
        case Resp.PUSH:
        case Resp.MAP:
        case Resp.ATTRIBUTE: {
          const count = this.parseNumber(this.at + 1, this.limits.maxElements, 'elements');
          if (count === INCOMPLETE) {
            return false;
          }
          this.at = this.lineEnd;
          if (count < 1 && type !== Resp.ATTRIBUTE) {
            return true;
          }
          // Attributes stand before what they belong to: both together are one element.
          this.push(elementsOf(type, count));
          break;
        }
        default:
          return this.skipLine(type);
      }
    }
  }

  private push(count: number): void {
    if (count > this.limits.maxElements) {
      throw protocolError(`an aggregate of ${count} elements`);
    }
    if (this.depth === this.limits.maxDepth) {
      throw protocolError(`more than ${this.limits.maxDepth} aggregates inside each other`);
    }
    this.open[this.depth++] = count;
  }

  private moveTo(at: number): true {
    this.at = at;
    return true;
  }

  /** @param end of the payload, before its `\r\n`. */
  private skipPayload(end: number): boolean {
    if (end + 2 > this.end) {
      return false;
    }
    if (this.bytes[end] !== CR || this.bytes[end + 1] !== LF) {
      throw protocolError('a string that is longer than it says');
    }
    return this.moveTo(end + 2);
  }

  private skipLine(type: number): boolean {
    if (!isLineType(type)) {
      throw protocolError(`a byte 0x${type.toString(16).padStart(2, '0')} where a reply begins`);
    }
    const { bytes, end } = this;
    const limit = Math.min(end, this.at + MAX_LINE_BYTES);
    let at = this.at + 1;
    while (at < limit && bytes[at] !== CR) {
      at++;
    }
    if (at === this.at + MAX_LINE_BYTES) {
      throw protocolError('a line without end');
    }
    if (at + 1 >= end) {
      return false;
    }
    if (bytes[at + 1] !== LF) {
      throw protocolError('a line with a carriage return in it');
    }
    return this.moveTo(at + 2);
  }

  /**
   * The number of a header that begins at `at`, -1 for a null, or `INCOMPLETE`; `lineEnd` is behind it.
   *
   * @throws RedisError PROTOCOL where it is no number, or larger than `max`.
   */
  private parseNumber(at: number, max: number, unit: string): number {
    const { bytes, end } = this;
    const limit = Math.min(end, at + MAX_NUMBER_BYTES);
    const isNegative = at < limit && bytes[at] === MINUS;
    const first = isNegative ? at + 1 : at;
    let value = 0;
    let p = first;
    for (; p < limit; p++) {
      const digit = bytes[p]! - ZERO;
      if (digit < 0 || digit > 9) {
        break;
      }
      value = value * 10 + digit;
    }
    if (p + 1 >= end && (p >= end || bytes[p] === CR) && p - at < MAX_NUMBER_BYTES) {
      return INCOMPLETE;
    }
    if (p === first || bytes[p] !== CR || bytes[p + 1] !== LF || (isNegative && value !== 1)) {
      throw protocolError('a length that is no number');
    }
    if (value > max) {
      throw protocolError(`a reply of ${value} ${unit}, of which ${max} are allowed`);
    }
    this.lineEnd = p + 2;
    return isNegative ? -1 : value;
  }
}

/** Elements inside an aggregate with this header. */
function elementsOf(type: number, count: number): number {
  if (type === Resp.MAP) {
    return 2 * count;
  }
  return type === Resp.ATTRIBUTE ? 2 * Math.max(count, 0) + 1 : count;
}

function isLineType(type: number): boolean {
  switch (type) {
    case Resp.STATUS:
    case Resp.ERROR:
    case Resp.INTEGER:
    case Resp.NULL:
    case Resp.BOOLEAN:
    case Resp.DOUBLE:
    case Resp.BIG_NUMBER:
      return true;
    default:
      return false;
  }
}

export function protocolError(what: string): RedisError {
  return new RedisError('PROTOCOL', `Redis sent ${what}`);
}
