import { doubleJson } from './json-numbers.ts';
import type { JsonFloat, JsonObject, JsonValue } from './json-parser.ts';

/** Characters of a value that an error repeats to the caller. */
const MAX_ECHO_LENGTH = 2000;

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
  if (text.length <= MAX_ECHO_LENGTH) return text;
  return JSON.stringify(`${text.slice(0, MAX_ECHO_LENGTH).toWellFormed()}…`);
}
