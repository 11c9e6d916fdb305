import type { NonFiniteJson } from './json-numbers.ts';
import { JsonWriter } from './json-writer.ts';

/** The JSON of an encoded `feast.types.Value`, as `appendValue` has it; `undefined` where the bytes are none. */
export function valueJson(bytes: Uint8Array, nonFinite: NonFiniteJson): string | undefined {
  const json = new JsonWriter(2 * bytes.length);
  return json.value(bytes, 0, bytes.length, nonFinite)
    ? json.written().toString('utf8')
    : undefined;
}
