import type { Work } from './run-in-slices.ts';

/** Bytes that are compared at a time, in a small part of a slice. */
const COMPARED_BYTES = 256 * 1024;

/** Whether both are the same, byte for byte; yields in between. */
export function* isSameBytes(left: Uint8Array, right: Uint8Array): Work<boolean> {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at += COMPARED_BYTES) {
    const end = at + COMPARED_BYTES;
    if (Buffer.compare(left.subarray(at, end), right.subarray(at, end)) !== 0) return false;
    yield;
  }
  return true;
}
