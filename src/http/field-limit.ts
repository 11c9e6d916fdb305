import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import { WireType } from '../feast-encoding/wire.ts';

/** More than any request needs, whose entities, features and values are at most ten thousand each. */
const MAX_FIELDS = 100_000;

const ENVELOPE_HEAD_BYTES = 5;
const PACKED_FLAG = 1;

/** What the next byte of a message belongs to. */
type Part = 'tag' | 'restOfTag' | 'number' | 'length';

/**
 * Counts the fields of a message as its bytes come. To the Connect library, which is told of none, each is an unknown one, of
 * which it makes an object of some hundred bytes. What is no message is left for it to find out.
 */
class FieldCounter {
  private count = 0;
  private part: Part = 'tag';
  private wireType = 0;
  private length = 0;
  private shift = 0;
  private skipped = 0;

  /** @throws ConnectError INVALID_ARGUMENT where there are too many */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.skipped > 0) {
        const step = Math.min(this.skipped, bytes.length - at);
        this.skipped -= step;
        at += step;
      } else {
        this.read(bytes[at++]!);
      }
    }
  }

  private read(byte: number): void {
    const isLast = byte < 0x80;
    switch (this.part) {
      case 'tag':
        // No field has the number 0: the library reads no further.
        if (byte < 8) {
          this.skipped = Infinity;
          break;
        }
        if (++this.count > MAX_FIELDS) throw tooManyFields();
        this.wireType = byte & 7;
        this.part = isLast ? this.payload() : 'restOfTag';
        break;
      case 'restOfTag':
        if (isLast) this.part = this.payload();
        break;
      case 'number':
        if (isLast) this.part = 'tag';
        break;
      case 'length':
        // As the library reads it: of a number of more than 32 bits the lower ones count.
        if (this.shift < 32) this.length = (this.length | ((byte & 0x7f) << this.shift)) >>> 0;
        this.shift += 7;
        if (!isLast) break;
        this.skipped = this.length;
        this.part = 'tag';
    }
  }

  /** What follows the tag; groups have their fields like any message. */
  private payload(): Part {
    switch (this.wireType) {
      case WireType.VARINT:
        return 'number';
      case WireType.BYTES:
        this.length = 0;
        this.shift = 0;
        return 'length';
      case WireType.FIXED64:
        this.skipped = 8;
        break;
      case WireType.FIXED32:
        this.skipped = 4;
    }
    return 'tag';
  }
}

/** The same for messages in envelopes (a byte of flags, four of length); packed ones are counted when they are unpacked. */
class EnvelopeCounter {
  private readonly head: number[] = [];
  private left = 0;
  private counter: FieldCounter | undefined;

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.left === 0) {
        this.readHead(bytes[at++]!);
        continue;
      }
      const step = Math.min(this.left, bytes.length - at);
      this.counter?.push(bytes.subarray(at, at + step));
      this.left -= step;
      at += step;
    }
  }

  private readHead(byte: number): void {
    const { head } = this;
    if (head.push(byte) < ENVELOPE_HEAD_BYTES) return;
    this.counter = (head[0]! & PACKED_FLAG) === 0 ? new FieldCounter() : undefined;
    this.left = head.slice(1).reduce((length, each) => length * 0x100 + each);
    head.length = 0;
  }
}

/** The body of a binary request, cut off where its message, or what its envelope has, has too many fields. */
export async function* limitFields(
  body: AsyncIterable<Uint8Array>,
  form: 'message' | 'envelope',
): AsyncGenerator<Uint8Array, void, undefined> {
  const counter = form === 'message' ? new FieldCounter() : new EnvelopeCounter();
  for await (const bytes of body) {
    counter.push(bytes);
    yield bytes;
  }
}

/** A compression that refuses what unpacks to a message of too many fields. */
export function limitedCompression(compression: Compression): Compression {
  return {
    ...compression,
    async decompress(bytes, readMaxBytes) {
      const unpacked = await compression.decompress(bytes, readMaxBytes);
      new FieldCounter().push(unpacked);
      return unpacked;
    },
  };
}

function tooManyFields(): ConnectError {
  return new ConnectError(
    `the message has more than ${MAX_FIELDS} fields; send fewer at once`,
    Code.InvalidArgument,
  );
}
