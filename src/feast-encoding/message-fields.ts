import { copyBytes } from './copy-bytes.ts';
import { varintLow32 } from './varint.ts';
import { MAX_NESTING, skipLength, skipPayload, skipTag, WireType } from './wire.ts';

/** The fields of a message one after the other, without an object for each; the bytes are known to be well formed. */
export class MessageFields {
  number = 0;
  wireType = 0;
  /** Where the payload is, without its length. */
  start = 0;
  end = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Goes to the next field; false = there is none. */
  next(): boolean {
    const { bytes, end: at } = this;
    if (at >= bytes.length) return false;
    const tag = varintLow32(bytes, at) >>> 0;
    const afterTag = skipTag(bytes, at, bytes.length);
    this.number = tag >>> 3;
    this.wireType = tag & 7;
    this.start =
      this.wireType === WireType.BYTES ? skipLength(bytes, afterTag, bytes.length) : afterTag;
    this.end = skipPayload(bytes, afterTag, bytes.length, tag, MAX_NESTING);
    return true;
  }

  /** Goes to the next field with this number and bytes for payload. */
  nextBytes(number: number): boolean {
    while (this.next()) {
      if (this.number === number && this.wireType === WireType.BYTES) return true;
    }
    return false;
  }

  payload(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }
}

/** Parts of a message that is given several times, joined when the last is known. */
export class MessageParts {
  private readonly bytes: Uint8Array;
  private readonly ranges: number[] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  clear(): void {
    this.ranges.length = 0;
  }

  add({ start, end }: MessageFields): void {
    this.ranges.push(start, end);
  }

  joined(): Uint8Array {
    const { bytes, ranges } = this;
    if (ranges.length <= 2) return bytes.subarray(ranges[0] ?? 0, ranges[1] ?? 0);
    let length = 0;
    for (let i = 0; i < ranges.length; i += 2) length += ranges[i + 1]! - ranges[i]!;
    const whole = new Uint8Array(length);
    let at = 0;
    for (let i = 0; i < ranges.length; i += 2) {
      at = copyBytes(whole, at, bytes, ranges[i]!, ranges[i + 1]!);
    }
    return whole;
  }
}
