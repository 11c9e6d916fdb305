import { Buffer } from 'node:buffer';
import { copyBytes } from './copy-bytes.ts';
import { EncodingError } from './encoding-error.ts';
import { ValueType, valueTypeName } from './value-type.ts';
import type { ScannedValue } from './value-scan.ts';

/**
 * Layouts of serialized entity keys (Feast: `infra/key_encoding_utils.py`). Version 3 counts the join keys and gives the
 * length of their names, version 2 does neither. All integers are little-endian and unsigned unless stated:
 *
 *     v3: count u32 | per join key: 2 u32, name length u32, name | per value: type u32, length u32, payload
 *     v2:             per join key: 2 u32,                  name | per value: type u32, length u32, payload
 *
 * Join keys are in order of their UTF-8 bytes and the values follow in that same order. Versions 0 and 1 cut int64 to four
 * bytes; they are not supported.
 */
export type EntityKeyVersion = 2 | 3;

/** One value of an entity key. `type` is a `ValueType` number and decides how `value` is read. */
export interface EntityKeyValue {
  /** BYTES, STRING, INT32, INT64 or UNIX_TIMESTAMP. */
  readonly type: number;
  /** Bytes for BYTES, text for STRING, an integer of the type's range otherwise. */
  readonly value: Uint8Array | string | number | bigint;
}

/** Bytes before the payload of a value: its type and its length. */
export const ENTITY_VALUE_HEADER_BYTES = 8;

const INT32_MIN = -0x8000_0000;
const INT32_MAX = 0x7fff_ffff;
const INT64_MIN = -0x8000_0000_0000_0000n;
const INT64_MAX = 0x7fff_ffff_ffff_ffffn;

/**
 * Accepts 2 and 3.
 *
 * @throws EncodingError for the versions that Feast has given up, 0 and 1, and for any other number.
 */
export function requireEntityKeyVersion(version: number): EntityKeyVersion {
  if (version === 2 || version === 3) {
    return version;
  }
  const reason =
    version === 0 || version === 1
      ? 'cuts int64 keys to four bytes and is not supported: write the store again with version 3'
      : 'does not exist: use 3 (or 2 for stores written with it)';
  throw new EncodingError(`entity_key_serialization_version ${version} ${reason}`);
}

/** Compares names as Feast sorts join keys: by code point, which is the order of their UTF-8 bytes. */
export function compareJoinKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

/** A sorted copy of `joinKeys`. JavaScript's own sort goes by UTF-16 units and differs beyond U+FFFF. */
export function sortJoinKeys(joinKeys: readonly string[]): string[] {
  return [...joinKeys].sort(compareJoinKeys);
}

/**
 * The part of an entity key that depends on the join keys alone: everything before the first value.
 *
 * @param joinKeys sorted with `sortJoinKeys`.
 * @returns bytes for a plan to keep: no part of the pool that Node makes small buffers in
 */
export function compileEntityKeyPrefix(
  joinKeys: readonly string[],
  version: EntityKeyVersion,
): Uint8Array {
  const names = joinKeys.map((joinKey) => Buffer.from(joinKey, 'utf8'));
  const parts: Buffer[] = version === 3 ? [uint32(names.length)] : [];
  for (const name of names) {
    parts.push(uint32(ValueType.STRING));
    if (version === 3) {
      parts.push(uint32(name.length));
    }
    parts.push(name);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * Writes one BYTES or STRING value of an entity key from `source[start, end)`; takes
 * `ENTITY_VALUE_HEADER_BYTES + end - start` bytes of `out`, which the caller provides.
 *
 * @returns the position after it.
 */
export function writeEntityBytes(
  out: Uint8Array,
  at: number,
  type: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  at = writeEntityHeader(out, at, type, end - start);
  return copyBytes(out, at, source, start, end);
}

/** Writes what stands before the payload of a value, `ENTITY_VALUE_HEADER_BYTES`; returns the position after it. */
export function writeEntityHeader(
  out: Uint8Array,
  at: number,
  type: number,
  length: number,
): number {
  return writeUint32(out, writeUint32(out, at, type), length);
}

/** Writes one INT32 value of an entity key, 12 bytes; returns the position after it. */
export function writeEntityInt32(out: Uint8Array, at: number, value: number): number {
  at = writeUint32(out, at, ValueType.INT32);
  at = writeUint32(out, at, 4);
  return writeUint32(out, at, value);
}

/**
 * Writes one INT64 or UNIX_TIMESTAMP value of an entity key, 16 bytes, from its two halves (only the bits count, so signed
 * and unsigned halves are alike); returns the position after it.
 */
export function writeEntityInt64(
  out: Uint8Array,
  at: number,
  type: number,
  low: number,
  high: number,
): number {
  at = writeUint32(out, at, type);
  at = writeUint32(out, at, 8);
  at = writeUint32(out, at, low);
  return writeUint32(out, at, high);
}

/** Bytes that `writeScannedEntityValue` will write; -1 where the type cannot be in an entity key. */
export function scannedEntityValueSize(scanned: ScannedValue): number {
  switch (scanned.valueType) {
    case ValueType.BYTES:
    case ValueType.STRING:
      return ENTITY_VALUE_HEADER_BYTES + scanned.end - scanned.start;
    case ValueType.INT32:
      return ENTITY_VALUE_HEADER_BYTES + 4;
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      return ENTITY_VALUE_HEADER_BYTES + 8;
    default:
      return -1;
  }
}

/**
 * Writes the value that `scanValue` found in `source`, with the type that it has there.
 *
 * @returns the position after it; -1 where the type cannot be in an entity key.
 */
export function writeScannedEntityValue(
  out: Uint8Array,
  at: number,
  source: Uint8Array,
  scanned: ScannedValue,
): number {
  switch (scanned.valueType) {
    case ValueType.BYTES:
    case ValueType.STRING:
      return writeEntityBytes(out, at, scanned.valueType, source, scanned.start, scanned.end);
    case ValueType.INT32:
      return writeEntityInt32(out, at, scanned.low);
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP:
      return writeEntityInt64(out, at, scanned.valueType, scanned.low, scanned.high);
    default:
      return -1;
  }
}

/**
 * Serializes a whole entity key.
 *
 * @param joinKeys in any order; they are sorted here, their values with them.
 * @param values one per join key, same order.
 * @throws EncodingError for unequal counts, a join key given twice, and a value that its type cannot hold.
 */
export function serializeEntityKey(
  joinKeys: readonly string[],
  values: readonly EntityKeyValue[],
  version: EntityKeyVersion,
): Uint8Array {
  if (joinKeys.length !== values.length) {
    throw new EncodingError(`${joinKeys.length} join keys but ${values.length} values`);
  }
  const sorted = sortJoinKeys(joinKeys);
  const valueOf = new Map(joinKeys.map((joinKey, i) => [joinKey, values[i]!]));
  if (valueOf.size !== joinKeys.length) {
    throw new EncodingError(`a join key is given twice: ${sorted.join(', ')}`);
  }
  const parts = [compileEntityKeyPrefix(sorted, version)];
  for (const joinKey of sorted) {
    parts.push(serializeEntityValue(valueOf.get(joinKey)!, joinKey));
  }
  return Buffer.concat(parts);
}

/**
 * Serializes one value of an entity key: type, length, payload. Appended in join-key order to a prefix from
 * `compileEntityKeyPrefix` it makes an entity key.
 *
 * @param joinKey is named in the error.
 * @throws EncodingError where the type cannot be in an entity key or cannot hold the value.
 */
export function serializeEntityValue(entityValue: EntityKeyValue, joinKey: string): Uint8Array {
  const { type, value } = entityValue;
  switch (type) {
    case ValueType.BYTES:
    case ValueType.STRING: {
      const fits =
        type === ValueType.BYTES ? value instanceof Uint8Array : typeof value === 'string';
      if (!fits) {
        throw unfitEntityValue(joinKey, type);
      }
      const payload =
        typeof value === 'string' ? Buffer.from(value, 'utf8') : (value as Uint8Array);
      const out = new Uint8Array(ENTITY_VALUE_HEADER_BYTES + payload.length);
      writeEntityBytes(out, 0, type, payload, 0, payload.length);
      return out;
    }
    case ValueType.INT32: {
      const number = Number(requireInteger(value, joinKey, type));
      if (number < INT32_MIN || number > INT32_MAX) {
        throw unfitEntityValue(joinKey, type);
      }
      const out = new Uint8Array(ENTITY_VALUE_HEADER_BYTES + 4);
      writeEntityInt32(out, 0, number);
      return out;
    }
    case ValueType.INT64:
    case ValueType.UNIX_TIMESTAMP: {
      const integer = requireInteger(value, joinKey, type);
      if (integer < INT64_MIN || integer > INT64_MAX) {
        throw unfitEntityValue(joinKey, type);
      }
      const out = new Uint8Array(ENTITY_VALUE_HEADER_BYTES + 8);
      const low = Number(BigInt.asIntN(32, integer));
      writeEntityInt64(out, 0, type, low, Number(BigInt.asIntN(32, integer >> 32n)));
      return out;
    }
    default:
      throw new EncodingError(
        `join key ${joinKey} has type ${valueTypeName(type)}; entity keys hold STRING, BYTES, INT32, INT64 and UNIX_TIMESTAMP`,
      );
  }
}

function requireInteger(value: EntityKeyValue['value'], joinKey: string, type: number): bigint {
  if (typeof value === 'bigint') {
    return value;
  }
  if (typeof value === 'number' && Number.isSafeInteger(value)) {
    return BigInt(value);
  }
  throw unfitEntityValue(joinKey, type);
}

function unfitEntityValue(joinKey: string, type: number): EncodingError {
  return new EncodingError(`the value of join key ${joinKey} is no ${valueTypeName(type)}`);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function writeUint32(out: Uint8Array, at: number, value: number): number {
  out[at] = value;
  out[at + 1] = value >>> 8;
  out[at + 2] = value >>> 16;
  out[at + 3] = value >>> 24;
  return at + 4;
}
