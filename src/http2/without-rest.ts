/** Bytes that are kept must not keep a buffer in which they were received if that is much larger: then they are copied. */
export function withoutRest(bytes: Uint8Array): Uint8Array {
  return 2 * bytes.length < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes;
}
