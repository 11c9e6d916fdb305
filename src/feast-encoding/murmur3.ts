/**
 * MurmurHash3, the 32-bit x86 variant (Austin Appleby's public-domain reference; Feast calls it through `mmh3`).
 *
 * @returns the hash as an unsigned 32-bit integer.
 */
export function murmur3(bytes: Uint8Array, seed = 0): number {
  const blocksEnd = bytes.length & ~3;
  let hash = seed | 0;
  for (let i = 0; i < blocksEnd; i += 4) {
    const block = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = bytes.length - 1; i >= blocksEnd; i--) {
    tail = (tail << 8) | bytes[i]!;
  }
  hash ^= scramble(tail) ^ bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Mixes one 32-bit block before it enters the hash; 0 stays 0, so an absent tail needs no special case. */
function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
