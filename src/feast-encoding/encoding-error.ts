/**
 * Something cannot be expressed in, or read from, Feast's bytes. This folder knows no callers, so whoever calls it on
 * behalf of one turns this into the `SideboardError` that fits (INVALID_ENTITY_VALUE, INVALID_SOURCE_DATA, …). The message
 * names types and lengths, never a value.
 */
export class EncodingError extends Error {
  override readonly name = 'EncodingError';
}
