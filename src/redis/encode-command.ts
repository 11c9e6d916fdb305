import { Buffer } from 'node:buffer';

const CR = 0x0d;
const LF = 0x0a;
const ASTERISK = 0x2a;
const DOLLAR = 0x24;
/** Up to here a loop beats a native copy. */
const SHORT_LENGTH = 64;

/**
 * The bytes of a command: an array of bulk strings in Redis's protocol
 * (https://redis.io/docs/latest/develop/reference/protocol-spec).
 */
export function encodeCommand(words: readonly (string | Uint8Array)[]): Buffer {
  let size = 3 + decimalDigits(words.length);
  for (const word of words) {
    const length = typeof word === 'string' ? Buffer.byteLength(word) : word.length;
    size += 5 + decimalDigits(length) + length;
  }
  const out = Buffer.allocUnsafe(size);
  out[0] = ASTERISK;
  let at = writeLineEnd(out, writeDecimal(out, 1, words.length));
  for (const word of words) {
    const isText = typeof word === 'string';
    out[at] = DOLLAR;
    at = writeDecimal(out, at + 1, isText ? Buffer.byteLength(word) : word.length);
    at = writeLineEnd(out, at);
    at = isText ? at + out.write(word, at) : writeBytes(out, at, word);
    at = writeLineEnd(out, at);
  }
  return out;
}

/** Encoded length of `[length]\r\n[bytes]`: what stands between the prepared halves of a command. */
export function keyPartLength(key: Uint8Array): number {
  return decimalDigits(key.length) + 2 + key.length;
}

/** Writes `[length]\r\n[bytes]` at `at`, the `$` before it and the `\r\n` after it being prepared; returns its end. */
export function writeKeyPart(out: Uint8Array, at: number, key: Uint8Array): number {
  at = writeDecimal(out, at, key.length);
  return writeBytes(out, writeLineEnd(out, at), key);
}

function writeLineEnd(out: Uint8Array, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return at + 2;
}

function writeBytes(out: Uint8Array, at: number, bytes: Uint8Array): number {
  const length = bytes.length;
  if (length > SHORT_LENGTH) {
    out.set(bytes, at);
  } else {
    for (let i = 0; i < length; i++) {
      out[at + i] = bytes[i]!;
    }
  }
  return at + length;
}

function decimalDigits(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.trunc(rest / 10)) {
    digits++;
  }
  return digits;
}

function writeDecimal(out: Uint8Array, at: number, value: number): number {
  const end = at + decimalDigits(value);
  let rest = value;
  for (let i = end - 1; i >= at; i--) {
    out[i] = 0x30 + (rest % 10);
    rest = Math.trunc(rest / 10);
  }
  return end;
}
