import type { Buffer } from 'node:buffer';
import { doubleJson } from './json-numbers.ts';
import type { JsonFloat, JsonObject, JsonValue } from './json-parser.ts';

/** Characters of a value that an error repeats to the caller. */
const MAX_ECHO_LENGTH = 2000;
/** Bytes of UTF-8 that a UTF-16 unit takes at most. */
const MAX_UTF8_BYTES = 3;

/** The text of a JSON value, numbers as exact as they came. */
export function jsonText(value: JsonValue): string {
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(jsonText).join(',')}]`;
  if (value instanceof Map) {
    const members = [...(value as JsonObject)].map(
      ([name, member]) => `${JSON.stringify(name)}:${jsonText(member)}`,
    );
    return `{${members.join(',')}}`;
  }
  return doubleJson((value as JsonFloat).float, 'string');
}

/** As `jsonText`, but a long text is cut and repeated as a string. */
export function echoText(value: JsonValue): string {
  const text = jsonText(value);
  return text.length <= MAX_ECHO_LENGTH ? text : cutString(text);
}

/** What is repeated of a long JSON text that begins at `at`: its first characters as they came, as a string. */
export function cutEcho(text: Buffer, at: number): string {
  return cutString(text.toString('utf8', at, at + MAX_UTF8_BYTES * MAX_ECHO_LENGTH));
}

function cutString(text: string): string {
  return JSON.stringify(`${text.slice(0, MAX_ECHO_LENGTH).toWellFormed()}…`);
}
