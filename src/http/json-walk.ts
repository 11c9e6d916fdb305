import type { Buffer } from 'node:buffer';
import { createJsonScalar } from './json-scalar.ts';
import { opensStructure, readScalar, skipString, stringOf } from './read-json-scalar.ts';
import { skipSpace } from './json-syntax.ts';

/** Looked at as soon as it is read. */
const scalar = createJsonScalar();

/**
 * Where the next item of an array or object of a checked text begins. Negated where there is none: then it is the
 * position after the array or object.
 *
 * @param at of the bracket that opens it, or behind an item
 */
export function nextItemAt(text: Buffer, at: number): number {
  at = skipSpace(text, at);
  if (!isClosing(text[at]!)) at = skipSpace(text, at + 1);
  return isClosing(text[at]!) ? -(at + 1) : at;
}

/** Where the value of a member begins whose name ends before `at`. */
export function valueAfterName(text: Buffer, at: number): number {
  return skipSpace(text, skipSpace(text, at) + 1);
}

/** The position after the value, of any kind, that begins at `at` of a checked text. */
export function skipValue(text: Buffer, at: number): number {
  if (text[at] === 0x22) return skipString(text, at);
  if (!opensStructure(text[at]!)) return readScalar(text, at, scalar);
  let depth = 0;
  for (;;) {
    const byte = text[at]!;
    if (byte === 0x22) {
      at = skipString(text, at);
      continue;
    }
    at++;
    if (opensStructure(byte)) depth++;
    else if (isClosing(byte) && --depth === 0) return at;
  }
}

/**
 * Where the values of the members of an object begin, by name. Of equal names the last one counts, in the place of the
 * first, as in Python.
 *
 * @param at of the bracket that opens the object
 * @param maxCount the rest is passed over where there are more than so many
 */
export function membersOf(text: Buffer, at: number, maxCount: number): Map<string, number> {
  const members = new Map<string, number>();
  for (at = nextItemAt(text, at); at > 0; at = nextItemAt(text, skipValue(text, at))) {
    at = readScalar(text, at, scalar);
    const name = stringOf(text, scalar);
    at = valueAfterName(text, at);
    members.set(name, at);
    if (members.size > maxCount) break;
  }
  return members;
}

/** Which of these names begins at `at`; `undefined` = none. */
export function wantedName<Name extends string>(
  text: Buffer,
  at: number,
  wanted: readonly Name[],
): Name | undefined {
  readScalar(text, at, scalar);
  const { start, end, byteLength } = scalar;
  if (byteLength < end - start) {
    const name = stringOf(text, scalar);
    return wanted.find((candidate) => candidate === name);
  }
  for (const name of wanted) {
    if (name.length === byteLength && isAscii(text, start, name)) return name;
  }
  return undefined;
}

function isAscii(text: Buffer, start: number, letters: string): boolean {
  for (let i = 0; i < letters.length; i++) {
    if (text[start + i] !== letters.charCodeAt(i)) return false;
  }
  return true;
}

function isClosing(byte: number): boolean {
  return byte === 0x5d || byte === 0x7d;
}
