import { Buffer } from 'node:buffer';

/** From here on a native copy is worth its call (measured: they are even at 24 to 48 bytes). */
const SHORT_BYTES = 32;

/** Works on any bytes, not on a `Buffer` alone. */
const copyNative: (
  this: Uint8Array,
  target: Uint8Array,
  targetStart: number,
  start: number,
  end: number,
) => number = Buffer.prototype.copy;

/** Copies `source[start, end)` to `at`, without a view of that part, as `set(subarray())` would make one; returns the position after it. */
export function copyBytes(
  out: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start > SHORT_BYTES) {
    copyNative.call(source, out, at, start, end);
    return at + end - start;
  }
  for (let i = start; i < end; i++) out[at++] = source[i]!;
  return at;
}
