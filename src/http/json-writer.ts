import { Buffer } from 'node:buffer';
import { ValueType } from '../feast-encoding/value-type.ts';
import { WireType } from '../feast-encoding/wire.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import { MAX_TIMESTAMP_LENGTH, writeTimestamp } from './json-timestamps.ts';
import { appendValue } from './json-values.ts';

const INT32_TAG = (ValueType.INT32 << 3) | WireType.VARINT;
const INT64_TAG = (ValueType.INT64 << 3) | WireType.VARINT;
const STRING_TAG = (ValueType.STRING << 3) | WireType.BYTES;
const ZERO = 0x30;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Longer texts are copied by native code. */
const SHORT_LENGTH = 48;
/** Longer strings are written by native code. */
const MAX_PLAIN_LENGTH = 127;
/** Bytes of UTF-8 that a UTF-16 unit takes at most. */
const MAX_UTF8_BYTES = 3;

/** JSON in the making: one buffer that grows, and no string where stored bytes can be copied. */
export class JsonWriter {
  #out: Buffer;
  #at = 0;

  /** @param sizeHint bytes that the JSON will probably take */
  constructor(sizeHint: number) {
    this.#out = Buffer.allocUnsafe(Math.max(64, sizeHint));
  }

  /** What was written so far; a view, not a copy. */
  written(): Buffer {
    return this.#out.subarray(0, this.#at);
  }

  /** Appends bytes as they are. */
  bytes(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#reserve(length);
    if (length > SHORT_LENGTH) {
      this.#out.set(bytes, this.#at);
    } else {
      for (let i = 0; i < length; i++) this.#out[this.#at + i] = bytes[i]!;
    }
    this.#at += length;
  }

  /** Appends text as it is, in UTF-8. */
  text(text: string): void {
    const { length } = text;
    this.#reserve(MAX_UTF8_BYTES * length);
    if (length <= SHORT_LENGTH && this.#ascii(text)) return;
    this.#at += this.#out.write(text, this.#at, 'utf8');
  }

  /**
   * Appends the JSON of the encoded `feast.types.Value` at `[start, end)`, as `appendValue` has it.
   *
   * @returns `false` where the bytes are no `Value`; nothing is appended then
   */
  value(bytes: Uint8Array, start: number, end: number, nonFinite: NonFiniteJson): boolean {
    if (this.#smallInteger(bytes, start, end) || this.#plainString(bytes, start, end)) return true;
    const before = this.#at;
    if (appendValue(this, bytes, start, end, nonFinite)) return true;
    this.#at = before;
    return false;
  }

  /** Takes back what `append` appends. */
  discard(append: () => void): void {
    const before = this.#at;
    append();
    this.#at = before;
  }

  /** Appends a whole number that is no more than 32 bits. */
  integer(number: number): void {
    if (number < 0) {
      this.text(String(number));
      return;
    }
    let digits = 1;
    for (let limit = 10; number >= limit; limit *= 10) digits++;
    this.#reserve(digits);
    for (let i = this.#at + digits - 1; i >= this.#at; i--) {
      const rest = (number / 10) | 0;
      this.#out[i] = ZERO + number - 10 * rest;
      number = rest;
    }
    this.#at += digits;
  }

  /** Appends the bytes of a string in quotes; `false` and nothing where it is long, or something in it is to be escaped or no ASCII. */
  plainString(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length > MAX_PLAIN_LENGTH) return false;
    this.#reserve(length + 2);
    const shift = this.#at + 1 - start;
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      if (byte < 0x20 || byte > 0x7e || byte === QUOTE || byte === BACKSLASH) return false;
      this.#out[shift + i] = byte;
    }
    this.#out[this.#at] = QUOTE;
    this.#out[shift + end] = QUOTE;
    this.#at += length + 2;
    return true;
  }

  /**
   * Appends the encoded `google.protobuf.Timestamp` at `[start, end)` as `writeTimestamp` has it, in quotes.
   *
   * @returns `false` where it has no text; nothing is appended then
   */
  timestamp(bytes: Uint8Array, start: number, end: number): boolean {
    this.#reserve(2 + MAX_TIMESTAMP_LENGTH);
    const after = writeTimestamp(this.#out, this.#at + 1, bytes, start, end);
    if (after < 0) return false;
    this.#out[this.#at] = QUOTE;
    this.#out[after] = QUOTE;
    this.#at = after + 1;
    return true;
  }

  /** Appends short text of ASCII; `false` and nothing for any other. */
  #ascii(text: string): boolean {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      this.#out[this.#at + i] = code;
    }
    this.#at += text.length;
    return true;
  }

  /** Integers of up to 28 bits, most there are: one field whose varint has four bytes at most. */
  #smallInteger(value: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length < 2 || length > 5 || (value[start] !== INT64_TAG && value[start] !== INT32_TAG)) {
      return false;
    }
    let number = value[end - 1]!;
    if (number > 0x7f) return false;
    for (let i = end - 2; i > start; i--) {
      const byte = value[i]!;
      if (byte <= 0x7f) return false;
      number = (number << 7) | (byte & 0x7f);
    }
    this.integer(number);
    return true;
  }

  /** Strings of up to 127 bytes in which nothing is to be escaped: one field, copied. */
  #plainString(value: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length < 2 || value[start] !== STRING_TAG || value[start + 1] !== length - 2) return false;
    return this.plainString(value, start + 2, end);
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#out.length) return;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#out.length, this.#at + size));
    this.#out.copy(grown, 0, 0, this.#at);
    this.#out = grown;
  }
}
