/** An object of a JSON text: a Map keeps every name a plain name (`__proto__` too) and the order of the text. */
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** A number that was written with a point or an exponent, or as NaN or an infinity: Feast's servers read a double. */
export interface JsonFloat {
  readonly float: number;
}

/**
 * A JSON text without loss: integers are numbers where those are exact and bigints beyond, and an integer stays apart
 * from a float of the same value, because `1` and `1.0` are different entity values.
 */
export type JsonValue =
  | null
  | boolean
  | string
  | number
  | bigint
  | JsonFloat
  | readonly JsonValue[]
  | JsonObject;

/** Where and why a text is not JSON. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';
  /** In characters (code points) of the text, as Python counts. */
  readonly position: number;

  constructor(reason: string, text: string, index: number) {
    super(reason);
    this.position = Array.from(text.slice(0, index)).length;
  }
}

/** Arrays and objects inside each other. Python gives up at about a thousand; nothing in a request needs ten. */
const MAX_DEPTH = 200;
/** Python's limit: reading an integer takes more than linear time. */
const MAX_INTEGER_DIGITS = 4300;

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const NON_FINITE: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/** The text and how far it has been read. */
interface Cursor {
  readonly text: string;
  at: number;
}

/**
 * Parses a JSON text as Python's `json` does, which is what Feast's server uses: NaN and infinities are accepted, and a
 * name that occurs twice has its last value. Reasons of errors are in Python's words, because clients see them.
 *
 * @throws JsonSyntaxError
 */
export function parseJson(text: string): JsonValue {
  const cursor: Cursor = { text, at: 0 };
  skipSpace(cursor);
  const value = parseValue(cursor, 0);
  skipSpace(cursor);
  if (cursor.at < text.length) throw new JsonSyntaxError('Extra data', text, cursor.at);
  return value;
}

function parseValue(cursor: Cursor, depth: number): JsonValue {
  const { text, at } = cursor;
  switch (text[at]) {
    case '"':
      return parseString(cursor);
    case '{':
      return parseObject(cursor, depth + 1);
    case '[':
      return parseArray(cursor, depth + 1);
    case 't':
      return parseWord(cursor, 'true', true);
    case 'f':
      return parseWord(cursor, 'false', false);
    case 'n':
      return parseWord(cursor, 'null', null);
    default:
      return parseNumber(cursor);
  }
}

function parseWord<T extends JsonValue>(cursor: Cursor, word: string, value: T): T {
  if (!cursor.text.startsWith(word, cursor.at)) fail(cursor, 'Expecting value');
  cursor.at += word.length;
  return value;
}

function parseNumber(cursor: Cursor): JsonValue {
  const { text, at } = cursor;
  NUMBER.lastIndex = at;
  const match = NUMBER.exec(text);
  if (match === null) return parseNonFinite(cursor);
  cursor.at = NUMBER.lastIndex;
  const digits = match[0];
  if (match[1] !== undefined || match[2] !== undefined) return { float: Number(digits) };
  if (digits.length - (digits.startsWith('-') ? 1 : 0) > MAX_INTEGER_DIGITS) {
    throw new JsonSyntaxError(`Integer of more than ${MAX_INTEGER_DIGITS} digits`, text, at);
  }
  const value = Number(digits);
  // Minus zero is an integer here, and integers have no sign of zero.
  return Number.isSafeInteger(value) ? value + 0 : BigInt(digits);
}

function parseNonFinite(cursor: Cursor): JsonFloat {
  for (const [word, float] of NON_FINITE) {
    if (cursor.text.startsWith(word, cursor.at)) {
      cursor.at += word.length;
      return { float };
    }
  }
  return fail(cursor, 'Expecting value');
}

function parseArray(cursor: Cursor, depth: number): JsonValue[] {
  if (depth > MAX_DEPTH) fail(cursor, `Nested more than ${MAX_DEPTH} levels deep`);
  const items: JsonValue[] = [];
  cursor.at++;
  skipSpace(cursor);
  if (cursor.text[cursor.at] === ']') {
    cursor.at++;
    return items;
  }
  for (;;) {
    skipSpace(cursor);
    items.push(parseValue(cursor, depth));
    skipSpace(cursor);
    const next = cursor.text[cursor.at];
    if (next !== ',' && next !== ']') fail(cursor, "Expecting ',' delimiter");
    cursor.at++;
    if (next === ']') return items;
  }
}

function parseObject(cursor: Cursor, depth: number): JsonObject {
  if (depth > MAX_DEPTH) fail(cursor, `Nested more than ${MAX_DEPTH} levels deep`);
  const members = new Map<string, JsonValue>();
  cursor.at++;
  skipSpace(cursor);
  if (cursor.text[cursor.at] === '}') {
    cursor.at++;
    return members;
  }
  for (;;) {
    skipSpace(cursor);
    if (cursor.text[cursor.at] !== '"') {
      fail(cursor, 'Expecting property name enclosed in double quotes');
    }
    const name = parseString(cursor);
    skipSpace(cursor);
    if (cursor.text[cursor.at] !== ':') fail(cursor, "Expecting ':' delimiter");
    cursor.at++;
    skipSpace(cursor);
    members.set(name, parseValue(cursor, depth));
    skipSpace(cursor);
    const next = cursor.text[cursor.at];
    if (next !== ',' && next !== '}') fail(cursor, "Expecting ',' delimiter");
    cursor.at++;
    if (next === '}') return members;
  }
}

/**
 * Finds the end of the string and leaves its escapes to the engine's own parser. Half of a surrogate pair is refused:
 * it has no UTF-8, so it would ask for another entity than the one that was meant.
 */
function parseString(cursor: Cursor): string {
  const { text, at: start } = cursor;
  let at = start + 1;
  let plain = true;
  for (; ; at++) {
    const unit = text.charCodeAt(at);
    if (unit === 0x22) break;
    if (Number.isNaN(unit)) fail(cursor, 'Unterminated string starting at');
    if (unit < 0x20) throw new JsonSyntaxError('Invalid control character at', text, at);
    if (unit === 0x5c) {
      plain = false;
      at = skipEscape(text, at);
    }
  }
  cursor.at = at + 1;
  const value = plain
    ? text.slice(start + 1, at)
    : (JSON.parse(text.slice(start, at + 1)) as string);
  if (!value.isWellFormed()) {
    throw new JsonSyntaxError('Unpaired surrogate in string starting at', text, start);
  }
  return value;
}

/** The index of the last character of the escape that begins at `at`. */
function skipEscape(text: string, at: number): number {
  const next = text[at + 1];
  if (next === undefined) throw new JsonSyntaxError('Unterminated string starting at', text, at);
  if (next === 'u') {
    if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6))) {
      throw new JsonSyntaxError('Invalid \\uXXXX escape', text, at + 1);
    }
    return at + 5;
  }
  if (!'"\\/bfnrt'.includes(next)) throw new JsonSyntaxError('Invalid \\escape', text, at);
  return at + 1;
}

function skipSpace(cursor: Cursor): void {
  const { text } = cursor;
  for (;;) {
    const unit = text.charCodeAt(cursor.at);
    if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
    cursor.at++;
  }
}

function fail(cursor: Cursor, reason: string): never {
  throw new JsonSyntaxError(reason, cursor.text, cursor.at);
}
