/** Where and why a text is not JSON. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';
  /** In characters (code points) of the text, as Python counts. */
  readonly position: number;

  /** @param at index of a byte of `text`. */
  constructor(reason: string, text: Uint8Array, at: number) {
    super(reason);
    this.position = countCharacters(text, at);
  }
}

/** Arrays and objects inside each other. Python gives up at about a thousand; nothing in a request needs ten. */
const MAX_DEPTH = 200;
/** Python's limit: reading an integer takes it more than linear time. */
const MAX_INTEGER_DIGITS = 4300;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const LETTER_U = 0x75;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');
const NON_FINITE = ['NaN', 'Infinity', '-Infinity'].map((word) => Buffer.from(word));

/** By byte: 1 = it stands for itself inside of a string. */
export const IS_PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === QUOTE || byte === BACKSLASH ? 0 : 1,
);

/** What may stand behind a backslash, `u` apart. */
const ESCAPES: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrt'));

/** Takes where the name of a member begins, where its value begins and where it ends. */
export type VisitMember = (nameAt: number, valueAt: number, end: number) => void;

/**
 * Checks that UTF-8 is a JSON text as Python's `json` has it, which is what Feast's server uses: NaN and infinities are
 * accepted. Reasons of errors are in Python's words, because clients see them. What has been checked is read by functions
 * that look at no byte more than they need (`read-json-scalar.ts`).
 *
 * @param visit told of each member of the object that the text is, where it is one
 * @returns where the value begins
 * @throws JsonSyntaxError
 */
export function checkJson(text: Uint8Array, visit?: VisitMember): number {
  const start = skipSpace(text, 0);
  const after =
    start < text.length && text[start] === OPEN_OBJECT
      ? checkObject(text, start, 1, visit)
      : checkValue(text, start, 0);
  const end = skipSpace(text, after);
  if (end < text.length) throw new JsonSyntaxError('Extra data', text, end);
  return start;
}

/** The position of the next byte that is no white space. */
export function skipSpace(text: Uint8Array, at: number): number {
  while (at < text.length) {
    const byte = text[at]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    at++;
  }
  return at;
}

/** The functions below check what begins at `at` and return the position after it. */
function checkValue(text: Uint8Array, at: number, depth: number): number {
  switch (at < text.length ? text[at]! : 0) {
    case QUOTE:
      return checkString(text, at);
    case OPEN_OBJECT:
      return checkObject(text, at, depth + 1, undefined);
    case OPEN_ARRAY:
      return checkArray(text, at, depth + 1);
    case TRUE[0]:
      return checkWord(text, at, TRUE);
    case FALSE[0]:
      return checkWord(text, at, FALSE);
    case NULL[0]:
      return checkWord(text, at, NULL);
    default:
      return checkNumber(text, at);
  }
}

function checkWord(text: Uint8Array, at: number, word: Uint8Array): number {
  if (!hasWord(text, at, word)) throw new JsonSyntaxError('Expecting value', text, at);
  return at + word.length;
}

function hasWord(text: Uint8Array, at: number, word: Uint8Array): boolean {
  if (at + word.length > text.length) return false;
  for (let i = 0; i < word.length; i++) if (text[at + i] !== word[i]) return false;
  return true;
}

/** As much as is a number: what stands behind it is somebody else's mistake. */
function checkNumber(text: Uint8Array, start: number): number {
  const first = start < text.length && text[start] === MINUS ? start + 1 : start;
  const end = skipDigits(text, first);
  if (end === first) return checkNonFinite(text, start);
  if (text[first] === ZERO) return checkFraction(text, first + 1);
  const after = checkFraction(text, end);
  if (after === end && end - first > MAX_INTEGER_DIGITS) {
    throw new JsonSyntaxError(`Integer of more than ${MAX_INTEGER_DIGITS} digits`, text, start);
  }
  return after;
}

function checkFraction(text: Uint8Array, at: number): number {
  if (at < text.length && text[at] === POINT) {
    const end = skipDigits(text, at + 1);
    if (end > at + 1) at = end;
  }
  if (at < text.length && (text[at]! | 0x20) === 0x65) {
    const sign = at + 1 < text.length ? text[at + 1]! : 0;
    const digits = sign === MINUS || sign === 0x2b ? at + 2 : at + 1;
    const end = skipDigits(text, digits);
    if (end > digits) at = end;
  }
  return at;
}

function skipDigits(text: Uint8Array, at: number): number {
  while (at < text.length && text[at]! >= ZERO && text[at]! <= ZERO + 9) at++;
  return at;
}

function checkNonFinite(text: Uint8Array, at: number): number {
  const word = NON_FINITE.find((candidate) => hasWord(text, at, candidate));
  if (word === undefined) throw new JsonSyntaxError('Expecting value', text, at);
  return at + word.length;
}

function checkArray(text: Uint8Array, start: number, depth: number): number {
  requireDepth(text, start, depth);
  let at = skipSpace(text, start + 1);
  if (at < text.length && text[at] === CLOSE_ARRAY) return at + 1;
  for (;;) {
    at = skipSpace(text, checkValue(text, at, depth));
    const next = at < text.length ? text[at]! : 0;
    if (next === CLOSE_ARRAY) return at + 1;
    if (next !== COMMA) throw new JsonSyntaxError("Expecting ',' delimiter", text, at);
    at = skipSpace(text, at + 1);
  }
}

function checkObject(
  text: Uint8Array,
  start: number,
  depth: number,
  visit: VisitMember | undefined,
): number {
  requireDepth(text, start, depth);
  let at = skipSpace(text, start + 1);
  if (at < text.length && text[at] === CLOSE_OBJECT) return at + 1;
  for (;;) {
    if (at >= text.length || text[at] !== QUOTE) {
      throw new JsonSyntaxError('Expecting property name enclosed in double quotes', text, at);
    }
    const nameAt = at;
    at = skipSpace(text, checkString(text, at));
    if (at >= text.length || text[at] !== COLON) {
      throw new JsonSyntaxError("Expecting ':' delimiter", text, at);
    }
    const valueAt = skipSpace(text, at + 1);
    const end = checkValue(text, valueAt, depth);
    if (visit !== undefined) visit(nameAt, valueAt, end);
    at = skipSpace(text, end);
    const next = at < text.length ? text[at]! : 0;
    if (next === CLOSE_OBJECT) return at + 1;
    if (next !== COMMA) throw new JsonSyntaxError("Expecting ',' delimiter", text, at);
    at = skipSpace(text, at + 1);
  }
}

function requireDepth(text: Uint8Array, at: number, depth: number): void {
  if (depth > MAX_DEPTH) {
    throw new JsonSyntaxError(`Nested more than ${MAX_DEPTH} levels deep`, text, at);
  }
}

/**
 * Half of a surrogate pair is refused: it has no UTF-8, so it would ask for another entity than the one that was meant.
 */
function checkString(text: Uint8Array, start: number): number {
  let isWellFormed = true;
  let at = start + 1;
  for (; ; at++) {
    while (at < text.length && IS_PLAIN[text[at]!] === 1) at++;
    if (at >= text.length) {
      throw new JsonSyntaxError('Unterminated string starting at', text, start);
    }
    const byte = text[at]!;
    if (byte === QUOTE) break;
    if (byte < 0x20) throw new JsonSyntaxError('Invalid control character at', text, at);
    const end = checkEscape(text, at);
    if (isSurrogate(text, at)) {
      const isPair = isHighSurrogate(text, at) && isLowSurrogate(text, end);
      isWellFormed &&= isPair;
      at = isPair ? checkEscape(text, end) - 1 : end - 1;
    } else {
      at = end - 1;
    }
  }
  if (!isWellFormed) {
    throw new JsonSyntaxError('Unpaired surrogate in string starting at', text, start);
  }
  return at + 1;
}

function checkEscape(text: Uint8Array, at: number): number {
  if (at + 1 >= text.length) {
    throw new JsonSyntaxError('Unterminated string starting at', text, at);
  }
  const letter = text[at + 1]!;
  if (letter !== LETTER_U) {
    if (!ESCAPES.has(letter)) throw new JsonSyntaxError('Invalid \\escape', text, at);
    return at + 2;
  }
  for (let i = at + 2; i < at + 6; i++) {
    if (i >= text.length || hexDigit(text[i]!) < 0) {
      throw new JsonSyntaxError('Invalid \\uXXXX escape', text, at + 1);
    }
  }
  return at + 6;
}

/** `\uD800` to `\uDFFF`. The escape at `at` is whole. */
function isSurrogate(text: Uint8Array, at: number): boolean {
  return text[at + 1] === LETTER_U && (escapedUnit(text, at) & 0xf800) === 0xd800;
}

function isHighSurrogate(text: Uint8Array, at: number): boolean {
  return (escapedUnit(text, at) & 0xfc00) === 0xd800;
}

/** Whether there is an escape of the second half of a pair, whole or not, at `at`. */
function isLowSurrogate(text: Uint8Array, at: number): boolean {
  if (at + 6 > text.length || text[at] !== BACKSLASH || text[at + 1] !== LETTER_U) return false;
  for (let i = at + 2; i < at + 6; i++) if (hexDigit(text[i]!) < 0) return false;
  return (escapedUnit(text, at) & 0xfc00) === 0xdc00;
}

/** The UTF-16 unit that the escape `\uXXXX` at `at` stands for. */
export function escapedUnit(text: Uint8Array, at: number): number {
  return (
    (hexDigit(text[at + 2]!) << 12) |
    (hexDigit(text[at + 3]!) << 8) |
    (hexDigit(text[at + 4]!) << 4) |
    hexDigit(text[at + 5]!)
  );
}

/** -1 = it is none. */
function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= ZERO + 9) return byte - ZERO;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** Characters of UTF-8 before `end`. */
function countCharacters(text: Uint8Array, end: number): number {
  let count = 0;
  for (let at = 0; at < end; at++) if ((text[at]! & 0xc0) !== 0x80) count++;
  return count;
}
