import type { Buffer } from 'node:buffer';
import { copyBytes } from '../feast-encoding/copy-bytes.ts';
import { JsonKind, type JsonScalar } from './json-scalar.ts';
import { escapedUnit, IS_PLAIN } from './json-syntax.ts';
import { readNumber } from './read-json-number.ts';

const QUOTE = 0x22;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
const LETTER_U = 0x75;
const OPEN_OBJECT = 0x7b;

/**
 * Reads the scalar that begins at `at` of a text that `checkJson` has checked.
 *
 * @returns the position after it
 */
export function readScalar(text: Buffer, at: number, scalar: JsonScalar): number {
  switch (text[at]) {
    case QUOTE:
      return readString(text, at, scalar);
    case LETTER_N:
      scalar.kind = JsonKind.NULL;
      return at + 4;
    case LETTER_T:
      scalar.kind = JsonKind.BOOL;
      scalar.low = 1;
      return at + 4;
    case LETTER_F:
      scalar.kind = JsonKind.BOOL;
      scalar.low = 0;
      return at + 5;
    default:
      return readNumber(text, at, scalar);
  }
}

/** Whether an array or an object begins with this byte. */
export function opensStructure(byte: number): boolean {
  return byte === OPEN_ARRAY || byte === OPEN_OBJECT;
}

/** The position after the string at `at`. */
export function skipString(text: Buffer, at: number): number {
  at++;
  for (;;) {
    while (IS_PLAIN[text[at]!] === 1) at++;
    if (text[at] === QUOTE) return at + 1;
    at += 2;
  }
}

function readString(text: Buffer, at: number, scalar: JsonScalar): number {
  const start = at + 1;
  let escapedBytes = 0;
  at = start;
  for (;;) {
    while (IS_PLAIN[text[at]!] === 1) at++;
    if (text[at] === QUOTE) break;
    const length = escapeLength(text, at);
    escapedBytes += length - escapeBytes(text, at);
    at += length;
  }
  scalar.kind = JsonKind.STRING;
  scalar.start = start;
  scalar.end = at;
  scalar.byteLength = at - start - escapedBytes;
  return at + 1;
}

/** Bytes of the escape at `at`; a surrogate pair is one. */
function escapeLength(text: Buffer, at: number): number {
  if (text[at + 1] !== LETTER_U) return 2;
  return (escapedUnit(text, at) & 0xf800) === 0xd800 ? 12 : 6;
}

/** Bytes of UTF-8 that the escape at `at` stands for. */
function escapeBytes(text: Buffer, at: number): number {
  if (text[at + 1] !== LETTER_U) return 1;
  const unit = escapedUnit(text, at);
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return (unit & 0xf800) === 0xd800 ? 4 : 3;
}

/** Writes the string that was read at `at` of `out`, in UTF-8; returns the position after it. */
export function writeString(
  out: Buffer,
  at: number,
  text: Buffer,
  { start, end, byteLength }: JsonScalar,
): number {
  if (byteLength === end - start) return copyBytes(out, at, text, start, end);
  let from = start;
  for (let i = start; i < end; i++) {
    if (text[i] !== BACKSLASH) continue;
    at = copyBytes(out, at, text, from, i);
    from = i + escapeLength(text, i);
    at = writeEscaped(out, at, text, i);
    i = from - 1;
  }
  return copyBytes(out, at, text, from, end);
}

function writeEscaped(out: Buffer, at: number, text: Buffer, escape: number): number {
  const letter = text[escape + 1]!;
  if (letter !== LETTER_U) {
    out[at] = escapedByte(letter);
    return at + 1;
  }
  let code = escapedUnit(text, escape);
  if ((code & 0xf800) === 0xd800) {
    code = 0x1_0000 + ((code & 0x3ff) << 10) + (escapedUnit(text, escape + 6) & 0x3ff);
    out[at++] = 0xf0 | (code >> 18);
    out[at++] = 0x80 | ((code >> 12) & 0x3f);
    out[at++] = 0x80 | ((code >> 6) & 0x3f);
    out[at++] = 0x80 | (code & 0x3f);
  } else if (code >= 0x800) {
    out[at++] = 0xe0 | (code >> 12);
    out[at++] = 0x80 | ((code >> 6) & 0x3f);
    out[at++] = 0x80 | (code & 0x3f);
  } else if (code >= 0x80) {
    out[at++] = 0xc0 | (code >> 6);
    out[at++] = 0x80 | (code & 0x3f);
  } else {
    out[at++] = code;
  }
  return at;
}

function escapedByte(letter: number): number {
  switch (letter) {
    case 0x62: // b
      return 0x08;
    case LETTER_F:
      return 0x0c;
    case LETTER_N:
      return 0x0a;
    case 0x72: // r
      return 0x0d;
    case LETTER_T:
      return 0x09;
    default:
      return letter;
  }
}

/** The string that was read. */
export function stringOf(text: Buffer, { start, end, byteLength }: JsonScalar): string {
  return byteLength === end - start
    ? text.toString('utf8', start, end)
    : (JSON.parse(text.toString('utf8', start - 1, end + 1)) as string);
}
