import { Buffer } from 'node:buffer';

const CR = 0x0d;
const LF = 0x0a;
const CRLF = Buffer.from('\r\n');

/**
 * The bytes of a command: an array of bulk strings in Redis's protocol
 * (https://redis.io/docs/latest/develop/reference/protocol-spec).
 */
export function encodeCommand(words: readonly (string | Uint8Array)[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word) : word;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(parts);
}

/** Encoded length of `[length]\r\n[bytes]`: what stands between the prepared halves of a command. */
export function keyPartLength(key: Uint8Array): number {
  return decimalDigits(key.length) + 2 + key.length;
}

/** Writes `[length]\r\n[bytes]` at `at`, the `$` before it and the `\r\n` after it being prepared; returns its end. */
export function writeKeyPart(out: Uint8Array, at: number, key: Uint8Array): number {
  const length = key.length;
  at = writeDecimal(out, at, length);
  out[at] = CR;
  out[at + 1] = LF;
  at += 2;
  // Keys are a few dozen bytes: a loop beats a native copy.
  for (let i = 0; i < length; i++) {
    out[at + i] = key[i]!;
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
