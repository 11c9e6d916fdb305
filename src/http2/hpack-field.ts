import type { HeaderField } from './http2-engine.ts';

/** What the rules of HTTP make of a field of a request (RFC 9113 section 8); decided once, when the field is decoded. */
export const FieldKind = {
  /** Passed on, no rule. */
  PLAIN: 0,
  METHOD: 1,
  SCHEME: 2,
  AUTHORITY: 3,
  PATH: 4,
  HOST: 5,
  CONTENT_LENGTH: 6,
  /** Makes the request malformed: a bad name or value, another pseudo-header field, one that is about the connection. */
  MALFORMED: 7,
} as const;

export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

/** A decoded header field. Those in a table are shared by all requests that refer to them. */
export interface HpackField extends HeaderField {
  readonly kind: FieldKind;
}

/** Bytes that a field counts beyond its name and value (RFC 7541 section 4.1). */
export const FIELD_OVERHEAD_BYTES = 32;

const KIND_BY_NAME = new Map<string, FieldKind>([
  [':method', FieldKind.METHOD],
  [':scheme', FieldKind.SCHEME],
  [':authority', FieldKind.AUTHORITY],
  [':path', FieldKind.PATH],
  ['host', FieldKind.HOST],
  ['content-length', FieldKind.CONTENT_LENGTH],
  ['connection', FieldKind.MALFORMED],
  ['keep-alive', FieldKind.MALFORMED],
  ['proxy-connection', FieldKind.MALFORMED],
  ['transfer-encoding', FieldKind.MALFORMED],
  ['upgrade', FieldKind.MALFORMED],
]);

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** Control characters have no place in a value (RFC 9110 section 5.5), nor has blank space at its ends. */
const VALUE = /^(?![ \t])[\t\x20-\x7e\x80-\xff]*(?<![ \t])$/;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const PATH = /^(?:\/[\x21-\x7e\x80-\xff]*|\*)$/;
/** What a host, a port and an address in brackets are made of (RFC 3986 section 3.2). */
const AUTHORITY = /^[\w!$%&'()*+,.:;=@[\]~-]*$/;
const UNSIGNED = /^\d{1,15}$/;

export function createField(name: string, value: string): HpackField {
  return { name, value, kind: kindOf(name, value) };
}

function kindOf(name: string, value: string): FieldKind {
  const kind = KIND_BY_NAME.get(name) ?? (TOKEN.test(name) ? FieldKind.PLAIN : FieldKind.MALFORMED);
  return VALUE.test(value) && fits(kind, name, value) ? kind : FieldKind.MALFORMED;
}

/** Whether a value is one that its field may have. */
function fits(kind: FieldKind, name: string, value: string): boolean {
  switch (kind) {
    case FieldKind.METHOD:
      return METHOD.test(value);
    case FieldKind.SCHEME:
      return SCHEME.test(value);
    case FieldKind.PATH:
      return PATH.test(value);
    case FieldKind.AUTHORITY:
      return AUTHORITY.test(value);
    case FieldKind.HOST:
      return value !== '' && AUTHORITY.test(value);
    case FieldKind.CONTENT_LENGTH:
      return UNSIGNED.test(value);
    default:
      return name !== 'te' || value.toLowerCase() === 'trailers';
  }
}

export function fieldBytes({ name, value }: HeaderField): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES;
}
