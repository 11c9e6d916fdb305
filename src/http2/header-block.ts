import { STATIC_FIELDS } from './hpack-static-table.ts';

/** Header fields by lower-case name, `:status` among them; a list is a field that occurs several times. */
export type HeaderFields = Readonly<Record<string, string | number | string[]>>;

/**
 * Header fields of a response with their HPACK encoding. It refers to the static table only, so it is good for every
 * connection: what is the same for all calls is encoded once and costs a call the copy of a few bytes.
 */
export interface HeaderBlock {
  readonly fields: HeaderFields;
  readonly bytes: Uint8Array;
}

const STATIC_INDEX = new Map<string, number>();
for (const [at, [name, value]] of STATIC_FIELDS.entries()) {
  if (!STATIC_INDEX.has(name)) STATIC_INDEX.set(name, at + 1);
  STATIC_INDEX.set(`${name}\n${value}`, at + 1);
}

const INDEXED = 0x80;
/** Not sensitive, but different from call to call or sent as they stand: nothing a client should remember. */
const WITHOUT_INDEXING = 0x00;

/**
 * Encodes header fields in their order; pseudo-header fields have to come first.
 *
 * @throws TypeError for a name or value that HTTP does not allow (RFC 9113 section 8.2.1): a fault of the caller's
 */
export function encodeHeaderBlock(fields: HeaderFields): HeaderBlock {
  const bytes: number[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (!/^:?[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) {
      throw new TypeError(`"${name}" is not the name of a header field`);
    }
    for (const each of typeof value === 'object' ? value : [String(value)]) {
      appendField(bytes, name, each);
    }
  }
  return { fields, bytes: Uint8Array.from(bytes) };
}

function appendField(bytes: number[], name: string, value: string): void {
  if (!/^(?![ \t])[\t\x20-\x7e\x80-\xff]*(?<![ \t])$/.test(value)) {
    throw new TypeError(
      `the value of header field ${name} has characters that HTTP does not allow`,
    );
  }
  const whole = STATIC_INDEX.get(`${name}\n${value}`);
  if (whole !== undefined) {
    appendInteger(bytes, INDEXED, 7, whole);
    return;
  }
  const index = STATIC_INDEX.get(name) ?? 0;
  appendInteger(bytes, WITHOUT_INDEXING, 4, index);
  if (index === 0) appendString(bytes, name);
  appendString(bytes, value);
}

function appendString(bytes: number[], text: string): void {
  appendInteger(bytes, 0, 7, text.length);
  for (let i = 0; i < text.length; i++) bytes.push(text.charCodeAt(i));
}

/** An integer with a prefix of `prefixBits` below the bits of `pattern` (RFC 7541 section 5.1). */
function appendInteger(bytes: number[], pattern: number, prefixBits: number, value: number): void {
  const limit = (1 << prefixBits) - 1;
  if (value < limit) {
    bytes.push(pattern | value);
    return;
  }
  bytes.push(pattern | limit);
  let rest = value - limit;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
}
