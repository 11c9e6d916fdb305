import { Buffer } from 'node:buffer';

const CR = 0x0d;
const LF = 0x0a;
const ASTERISK = 0x2a;
const DOLLAR = 0x24;
/** Up to here a loop beats a native copy. */
const SHORT_LENGTH = 64;

/** Works on any bytes, not on a `Buffer` alone, and makes no view of what it copies. */
const copyNative: (
  this: Uint8Array,
  target: Uint8Array,
  targetStart: number,
  start: number,
  end: number,
) => number = Buffer.prototype.copy;

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
    at = isText ? at + out.write(word, at) : copyBytes(out, at, word, 0, word.length);
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
  return copyBytes(out, writeLineEnd(out, at), key, 0, key.length);
}

/** Bytes that `writeCommandHead` writes at most. */
export const MAX_COMMAND_HEAD_BYTES = 13;

/** Bytes that `writeWord` writes at most, for a word of `length` bytes. */
export function maxWordBytes(length: number): number {
  return 15 + length;
}

/** Writes how many words a command has; returns the position after it. */
export function writeCommandHead(out: Uint8Array, at: number, wordCount: number): number {
  out[at] = ASTERISK;
  return writeLineEnd(out, writeDecimal(out, at + 1, wordCount));
}

/** Writes the word `source[start, end)`; returns the position after it. */
export function writeWord(
  out: Buffer,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  at = copyBytes(out, writeWordHead(out, at, end - start), source, start, end);
  return writeLineEnd(out, at);
}

/** Writes the word `source[start, end)` + `suffix`; returns the position after it. */
export function writeJoinedWord(
  out: Buffer,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
  suffix: Uint8Array,
): number {
  at = writeWordHead(out, at, end - start + suffix.length);
  at = copyBytes(out, at, source, start, end);
  return writeLineEnd(out, copyBytes(out, at, suffix, 0, suffix.length));
}

/** Writes a word of ASCII; returns the position after it. */
export function writeTextWord(out: Buffer, at: number, text: string): number {
  at = writeWordHead(out, at, text.length);
  return writeLineEnd(out, at + out.write(text, at, 'latin1'));
}

/** Writes a whole number in decimal as a word; returns the position after it. */
export function writeNumberWord(out: Buffer, at: number, value: number): number {
  if (value < 0) {
    return writeTextWord(out, at, String(value));
  }
  at = writeWordHead(out, at, decimalDigits(value));
  return writeLineEnd(out, writeDecimal(out, at, value));
}

/** Writes the length of a word that is written next; returns the position after it. */
export function writeWordHead(out: Uint8Array, at: number, length: number): number {
  out[at] = DOLLAR;
  return writeLineEnd(out, writeDecimal(out, at + 1, length));
}

/** Writes what stands after a word; returns the position after it. */
export function writeWordEnd(out: Uint8Array, at: number): number {
  return writeLineEnd(out, at);
}

/** Copies `source[start, end)` to `at`; returns the position after it. `feast-encoding/` has one too, which this folder may not know. */
export function copyBytes(
  out: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start > SHORT_LENGTH) {
    copyNative.call(source, out, at, start, end);
    return at + end - start;
  }
  for (let i = start; i < end; i++) {
    out[at++] = source[i]!;
  }
  return at;
}

function writeLineEnd(out: Uint8Array, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return at + 2;
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
