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
const BAD_VALUE = /^[ \t]|[ \t]$|[\0\r\n]/;
const UNSIGNED = /^\d{1,15}$/;

export function createField(name: string, value: string): HpackField {
  return { name, value, kind: kindOf(name, value) };
}

function kindOf(name: string, value: string): FieldKind {
  const kind = KIND_BY_NAME.get(name) ?? (TOKEN.test(name) ? FieldKind.PLAIN : FieldKind.MALFORMED);
  if (BAD_VALUE.test(value)) return FieldKind.MALFORMED;
  if (name === 'te' && value.toLowerCase() !== 'trailers') return FieldKind.MALFORMED;
  if (kind === FieldKind.CONTENT_LENGTH && !UNSIGNED.test(value)) return FieldKind.MALFORMED;
  return kind;
}

export function fieldBytes({ name, value }: HeaderField): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES;
}
