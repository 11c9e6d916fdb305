import { isAscii, type Buffer } from 'node:buffer';
import { createJsonScalar } from './json-scalar.ts';
import { readScalar, stringOf } from './read-json-scalar.ts';

/** Looked at as soon as it is read. */
const scalar = createJsonScalar();

/** Strings of one list. Where all of it is plain ASCII, as names are, they are slices of one string. */
export class JsonStrings {
  /** The one that was read last. */
  value = '';
  readonly #text: Buffer;
  readonly #from: number;
  readonly #letters: string | undefined;

  /** The list is at `[from, end)` of a checked text. */
  constructor(text: Buffer, from: number, end: number) {
    const list = text.subarray(from, end);
    const letters = isAscii(list) ? list.toString('latin1') : undefined;
    this.#text = text;
    this.#from = from;
    this.#letters = letters?.includes('\\') === true ? undefined : letters;
  }

  /** Reads the string at `at`; returns the position after it. */
  read(at: number): number {
    const letters = this.#letters;
    if (letters === undefined) {
      const after = readScalar(this.#text, at, scalar);
      this.value = stringOf(this.#text, scalar);
      return after;
    }
    const start = at + 1 - this.#from;
    const end = letters.indexOf('"', start);
    this.value = letters.slice(start, end);
    return this.#from + end + 1;
  }
}
