import { Buffer } from 'node:buffer';

/**
 * A buffer that replies are received into, one after the other. It is used again when nobody holds it any more: memory
 * outside of V8's heap costs a collection of all of it for every few dozen megabytes, which a fast reader uses up in no time.
 */
export interface ReceiveSlab {
  readonly bytes: Buffer;
  /** Whoever receives into it, and the reads whose values lie in it. */
  holders: number;
}

export const SLAB_BYTES = 128 * 1024;
/** Slabs that wait to be used again. */
const MAX_FREE = 64;

const free: ReceiveSlab[] = [];

/** A slab with room for so many bytes at least, held once. */
export function takeSlab(minBytes: number): ReceiveSlab {
  const used = minBytes <= SLAB_BYTES ? free.pop() : undefined;
  if (used !== undefined) {
    used.holders = 1;
    return used;
  }
  return { bytes: Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, minBytes)), holders: 1 };
}

/** One holder less. A slab that is never let go of is left to the garbage collector. */
export function letGoOfSlab(slab: ReceiveSlab): void {
  slab.holders--;
  if (slab.holders === 0 && slab.bytes.length === SLAB_BYTES && free.length < MAX_FREE) {
    free.push(slab);
  }
}
