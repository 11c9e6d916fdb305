import { Buffer } from 'node:buffer';
import { createJsonScalar, JsonKind } from './json-scalar.ts';
import { readScalar, stringOf } from './read-json-scalar.ts';
import { checkJson } from './json-syntax.ts';
import { nextItemAt, valueAfterName } from './json-walk.ts';

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

/** The value and how far the text has been read. */
interface Cursor {
  readonly text: Buffer;
  at: number;
}

const scalar = createJsonScalar();

/**
 * A JSON text as values, as Python's `json` has them: a name that occurs twice has its last value.
 *
 * @throws JsonSyntaxError
 */
export function parseJson(text: string): JsonValue {
  const bytes = Buffer.from(text, 'utf8');
  return readJson(bytes, checkJson(bytes));
}

/** The value that begins at `at` of a text that `checkJson` has checked. */
export function readJson(text: Buffer, at: number): JsonValue {
  return readValue({ text, at });
}

function readValue(cursor: Cursor): JsonValue {
  const { text, at } = cursor;
  if (text[at] === 0x5b) return readArray(cursor);
  if (text[at] === 0x7b) return readObject(cursor);
  cursor.at = readScalar(text, at, scalar);
  switch (scalar.kind) {
    case JsonKind.STRING:
      return stringOf(text, scalar);
    case JsonKind.INTEGER:
    case JsonKind.HUGE_INTEGER:
      return integerOf(text.toString('latin1', scalar.start, scalar.end));
    case JsonKind.FLOAT:
      return { float: scalar.float };
    case JsonKind.BOOL:
      return scalar.low === 1;
    default:
      return null;
  }
}

/** Minus zero is an integer here, and integers have no sign of zero. */
function integerOf(digits: string): number | bigint {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value + 0 : BigInt(digits);
}

function readArray(cursor: Cursor): JsonValue[] {
  const items: JsonValue[] = [];
  while (nextItem(cursor)) items.push(readValue(cursor));
  return items;
}

function readObject(cursor: Cursor): JsonObject {
  const { text } = cursor;
  const members = new Map<string, JsonValue>();
  while (nextItem(cursor)) {
    cursor.at = readScalar(text, cursor.at, scalar);
    const name = stringOf(text, scalar);
    cursor.at = valueAfterName(text, cursor.at);
    members.set(name, readValue(cursor));
  }
  return members;
}

/** Goes over the bracket or comma before the next item; `false` where there is none, and then over the bracket behind. */
function nextItem(cursor: Cursor): boolean {
  const at = nextItemAt(cursor.text, cursor.at);
  cursor.at = at < 0 ? -at : at;
  return at > 0;
}
