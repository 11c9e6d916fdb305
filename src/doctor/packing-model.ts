import type { SampledField } from './sample-entities.ts';

/**
 * What a hash takes in the other encoding, where no copy of it can be measured: Redis 7's structures, with an allocator
 * whose sizes are 8 and multiples of 16. Compared with `MEMORY USAGE` in `test/system/doctor.test.ts`.
 */
const OBJECT_BYTES = 16;
const DICTIONARY_BYTES = 56;
const ENTRY_BYTES = 24;
const BUCKET_BYTES = 8;
const PACKED_HEADER_BYTES = 7;
/** Length and kind of a short string before its bytes, and a zero after them. */
const STRING_BYTES = 2;

/** A hash, as far as its size goes. */
export interface HashContent {
  readonly key: Uint8Array;
  readonly fields: readonly SampledField[];
}

/** Bytes of the hash unpacked: per field an entry and two strings, and buckets for the next power of two. */
export function unpackedBytes({ key, fields }: HashContent): number {
  const buckets = 2 ** Math.ceil(Math.log2(Math.max(4, fields.length)));
  let bytes = keyBytes(key) + DICTIONARY_BYTES + buckets * BUCKET_BYTES;
  for (const { name, value } of fields) {
    bytes += ENTRY_BYTES + stringBytes(name) + stringBytes(value);
  }
  return bytes;
}

/** Bytes of the hash packed: one block in which every string has its length before and behind it. */
export function packedBytes({ key, fields }: HashContent): number {
  let bytes = PACKED_HEADER_BYTES;
  for (const { name, value } of fields) {
    bytes += packedEntryBytes(name.length) + packedEntryBytes(value.length);
  }
  return keyBytes(key) + allocated(bytes);
}

function keyBytes(key: Uint8Array): number {
  return OBJECT_BYTES + ENTRY_BYTES + stringBytes(key);
}

function stringBytes({ length }: Uint8Array): number {
  return allocated(length + STRING_BYTES);
}

function allocated(bytes: number): number {
  return bytes <= 8 ? 8 : Math.ceil(bytes / 16) * 16;
}

function packedEntryBytes(length: number): number {
  const head = length < 64 ? 1 : length < 4096 ? 2 : 5;
  return head + length + (head + length < 128 ? 1 : 2);
}

/**
 * How much longer `HMGET` takes on an unpacked hash than asking a packed one for its first field as many times, which
 * finds each without a walk. Measured on Redis 7.0.15 with hashes of 11 to 500 fields and reads of 5 to 55: 1.2 to 5
 * times, more for wider hashes, whose fields are spread in memory.
 */
export const UNPACKED_OVER_FIRST_FIELD = 2.4;

/** How much longer `HGETALL` takes once a hash is unpacked: 1.0 to 3 times, measured alike. */
export const UNPACKED_HGETALL = 1.7;
