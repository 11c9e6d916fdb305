import { Buffer } from 'node:buffer';
import { EncodingError } from './encoding-error.ts';
import type { EntityKeyValue, EntityKeyVersion } from './entity-key.ts';
import { ValueType } from './value-type.ts';

/** An entity key taken apart. */
export interface ParsedEntityKey {
  /** As stored: sorted. */
  readonly joinKeys: readonly string[];
  /** One per join key, same order; integers are `number` for INT32 and `bigint` for the 64-bit types. */
  readonly values: readonly EntityKeyValue[];
  /** Position after the last value; in a Redis key the project begins here. */
  readonly end: number;
}

/** Join keys tried for a version 2 key, whose count is not stored. Entities have a handful at most. */
const MAX_V2_JOIN_KEYS = 16;
/** Steps of the search through a version 2 key; a key of ordinary length needs far fewer. */
const MAX_V2_STEPS = 10_000;

/**
 * Takes a serialized entity key apart (layout: `EntityKeyVersion`). A version 3 key says where it ends, so bytes may
 * follow (the project of a Redis key). A version 2 key has no name lengths and does not: without `suffix` it must end with
 * the bytes, and of several readings the one with the fewest join keys and the shortest names is taken; names with
 * control characters are not considered.
 *
 * @param suffix version 2: what must follow the key, such as the project; version 3 does not need it.
 * @throws EncodingError when the bytes are no entity key of that version.
 */
export function parseEntityKey(
  bytes: Uint8Array,
  version: EntityKeyVersion,
  suffix: Uint8Array = new Uint8Array(0),
): ParsedEntityKey {
  const parsed = version === 3 ? parseVersion3(bytes) : parseVersion2(bytes, suffix);
  if (parsed === undefined) {
    throw new EncodingError(`${bytes.length} bytes are no version ${version} entity key`);
  }
  return parsed;
}

function parseVersion3(bytes: Uint8Array): ParsedEntityKey | undefined {
  const count = uint32At(bytes, 0);
  // A name takes 8 bytes and a value 8 at least: a bigger count is no count.
  if (count < 0 || count * 16 > bytes.length) {
    return undefined;
  }
  const joinKeys: string[] = [];
  let at = 4;
  for (let i = 0; i < count; i++) {
    const length = uint32At(bytes, at + 4);
    if (uint32At(bytes, at) !== ValueType.STRING || length < 0 || at + 8 + length > bytes.length) {
      return undefined;
    }
    joinKeys.push(text(bytes, at + 8, at + 8 + length));
    at += 8 + length;
  }
  return parseValues(bytes, at, joinKeys);
}

/** State of the search through one version 2 key. */
interface Version2Search {
  readonly bytes: Uint8Array;
  /** Where the key must end. */
  readonly end: number;
  steps: number;
}

function parseVersion2(bytes: Uint8Array, suffix: Uint8Array): ParsedEntityKey | undefined {
  const end = bytes.length - suffix.length;
  if (end < 0 || Buffer.compare(bytes.subarray(end), suffix) !== 0) {
    return undefined;
  }
  const search: Version2Search = { bytes, end, steps: 0 };
  for (let count = 0; count <= MAX_V2_JOIN_KEYS; count++) {
    const parsed = searchNames(search, 0, count, []);
    if (parsed !== undefined) {
      return parsed;
    }
  }
  return undefined;
}

/** Tries every end of the name at `at`, shortest first, until `count` more names and as many values fill the key. */
function searchNames(
  search: Version2Search,
  at: number,
  count: number,
  joinKeys: readonly string[],
): ParsedEntityKey | undefined {
  const { bytes, end } = search;
  if (count === 0) {
    const parsed = parseValues(bytes.subarray(0, end), at, joinKeys);
    return parsed?.end === end ? parsed : undefined;
  }
  if (uint32At(bytes, at) !== ValueType.STRING) {
    return undefined;
  }
  for (let nameEnd = at + 4; nameEnd <= end - 8; nameEnd++) {
    // Names have no control characters; tags are full of them. That alone tells nearly all readings apart.
    const last = nameEnd > at + 4 ? bytes[nameEnd - 1]! : 0x20;
    if (last < 0x20 || ++search.steps > MAX_V2_STEPS) {
      return undefined;
    }
    // What follows a name is a type tag, of the next name or of the first value.
    const tag = uint32At(bytes, nameEnd);
    if (count > 1 ? tag === ValueType.STRING : tag >= 1 && tag <= ValueType.UNIX_TIMESTAMP) {
      const names = [...joinKeys, text(bytes, at + 4, nameEnd)];
      const parsed = searchNames(search, nameEnd, count - 1, names);
      if (parsed !== undefined) {
        return parsed;
      }
    }
  }
  return undefined;
}

function parseValues(
  bytes: Uint8Array,
  start: number,
  joinKeys: readonly string[],
): ParsedEntityKey | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: EntityKeyValue[] = [];
  let at = start;
  for (let i = 0; i < joinKeys.length; i++) {
    const type = uint32At(bytes, at);
    const length = uint32At(bytes, at + 4);
    at += 8;
    if (length < 0 || at + length > bytes.length) {
      return undefined;
    }
    if (type === ValueType.STRING) {
      values.push({ type, value: text(bytes, at, at + length) });
    } else if (type === ValueType.BYTES) {
      values.push({ type, value: bytes.slice(at, at + length) });
    } else if (type === ValueType.INT32 && length === 4) {
      values.push({ type, value: view.getInt32(at, true) });
    } else if ((type === ValueType.INT64 || type === ValueType.UNIX_TIMESTAMP) && length === 8) {
      values.push({ type, value: view.getBigInt64(at, true) });
    } else {
      return undefined;
    }
    at += length;
  }
  return { joinKeys, values, end: at };
}

/** The unsigned integer at `at`; -1 where four bytes are not left. */
function uint32At(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) {
    return -1;
  }
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
}
