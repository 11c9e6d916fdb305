/**
 * Paths of the typed arrays in `value` that are parts of a larger buffer, such as of the pool that Node makes small ones in:
 * what is kept of them keeps all of it.
 */
export function sharedBuffers(value: unknown): readonly string[] {
  const found: string[] = [];
  const seen = new Set<unknown>();
  const visit = (at: string, part: unknown): void => {
    if (typeof part !== 'object' || part === null || seen.has(part)) return;
    seen.add(part);
    if (ArrayBuffer.isView(part)) {
      if (part.buffer.byteLength > part.byteLength) found.push(at);
      return;
    }
    const entries = part instanceof Map ? [...part] : Object.entries(part);
    for (const [name, inner] of entries) visit(`${at}.${String(name)}`, inner);
  };
  visit('', value);
  return found;
}
