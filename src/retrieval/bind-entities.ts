import { Buffer } from 'node:buffer';
import { copyBytes } from '../feast-encoding/copy-bytes.ts';
import {
  ENTITY_VALUE_HEADER_BYTES,
  writeEntityBytes,
  writeScannedEntityValue,
} from '../feast-encoding/entity-key.ts';
import { createScannedValue, scanValue } from '../feast-encoding/value-scan.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { isNullType } from './coerce-entity-column.ts';
import type { EntityGroupPlan } from './retrieval-plan.ts';
import type { EntityColumn } from './retrieval-request.ts';

/** The entity keys of one group for one request. */
export interface BoundEntities {
  /**
   * One per distinct entity, in order of first occurrence: serialized entity key and the store's suffix. Where the group
   * has a fallback key it is the second and last.
   */
  readonly keys: readonly Uint8Array[];
  /** One per request row: index into `keys`, or -1 where a join key is null. */
  readonly entityOfRow: Int32Array;
}

/** An integer takes at most this much more in an entity key than as a `Value`. */
const MAX_VALUE_GROWTH = ENTITY_VALUE_HEADER_BYTES + 8;

const NO_BYTES = new Uint8Array(0);

/** Looked at as soon as it is written. */
const scanned = createScannedValue();

/**
 * Serializes the entity keys of a group, all into one slab, and drops the repeated ones.
 *
 * @param columns aligned with `RetrievalPlan.entityColumns`, converted by `coerceEntityColumn`.
 */
export function bindEntities(
  group: EntityGroupPlan,
  columns: readonly EntityColumn[],
  rowCount: number,
): BoundEntities {
  const slab = Buffer.allocUnsafe(slabBytes(group, columns, rowCount));
  const entityOfRow = new Int32Array(rowCount);
  const keys: Uint8Array[] = [];
  // A single row is no repetition of another.
  const table = rowCount > 1 ? createTable(rowCount) : NO_NUMBERS;
  const keyStarts = rowCount > 1 ? new Int32Array(rowCount + 1) : NO_NUMBERS;
  let end = 0;
  for (let row = 0; row < rowCount; row++) {
    const after = writeKey(slab, end, group, columns, row);
    if (after < 0) {
      entityOfRow[row] = -1;
      continue;
    }
    const entity = findOrInsert(table, slab, keyStarts, keys.length, after);
    entityOfRow[row] = entity;
    if (entity === keys.length) {
      keys.push(slab.subarray(end, after));
      if (rowCount > 1) keyStarts[keys.length] = after;
      end = after;
    }
  }
  if (group.fallbackKey !== undefined && rowCount > 0) keys.push(group.fallbackKey);
  return { keys, entityOfRow };
}

/** Upper bound of the bytes of all keys of a group. */
function slabBytes(
  group: EntityGroupPlan,
  columns: readonly EntityColumn[],
  rowCount: number,
): number {
  const { keyColumns } = group;
  const fixed = group.keyPrefix.length + group.prepared.keySuffix.length;
  let bytes = rowCount * (fixed + keyColumns.length * MAX_VALUE_GROWTH);
  for (let k = 0; k < keyColumns.length; k++) {
    if (keyColumns[k]! >= 0) bytes += payloadBytes(columns[keyColumns[k]!]!, rowCount);
  }
  return bytes;
}

function payloadBytes({ starts, ends }: EntityColumn, rowCount: number): number {
  let bytes = 0;
  for (let row = 0; row < rowCount; row++) bytes += ends[row]! - starts[row]!;
  return bytes;
}

/** Writes the key of a row at `at`; returns the position after it, or -1 where one of its values is null. */
function writeKey(
  slab: Uint8Array,
  at: number,
  group: EntityGroupPlan,
  columns: readonly EntityColumn[],
  row: number,
): number {
  const { keyColumns } = group;
  at = copyBytes(slab, at, group.keyPrefix, 0, group.keyPrefix.length);
  for (let k = 0; k < keyColumns.length; k++) {
    if (keyColumns[k]! < 0) {
      at = writeEntityBytes(slab, at, ValueType.STRING, NO_BYTES, 0, 0);
      continue;
    }
    const column = columns[keyColumns[k]!]!;
    scanValue(column.bytes, column.starts[row]!, column.ends[row]!, scanned);
    if (isNullType(scanned.valueType)) return -1;
    at = writeScannedEntityValue(slab, at, column.bytes, scanned);
  }
  const { keySuffix } = group.prepared;
  return copyBytes(slab, at, keySuffix, 0, keySuffix.length);
}

/** Open addressing over the slab: entity + 1 per slot, 0 = free. Its size is a power of two, at least twice the rows. */
function createTable(rowCount: number): Int32Array {
  return new Int32Array(2 ** Math.ceil(Math.log2(rowCount * 2)));
}

const NO_NUMBERS = new Int32Array(0);

/**
 * Slots that are looked at for one key; with half of them free, keys by chance need a few. Keys that somebody chose to share
 * one slot are taken for new ones beyond it, so that an entity may be read twice, but no request costs the square of its rows.
 */
const MAX_PROBES = 64;

/**
 * The entity whose key equals the one at `[keyStarts[count], end)`; `count`, and now in the table if there is room nearby,
 * where there is none.
 *
 * @param keyStarts where the key of each entity so far begins; the next one begins where it ends.
 */
function findOrInsert(
  table: Int32Array,
  slab: Uint8Array,
  keyStarts: Int32Array,
  count: number,
  end: number,
): number {
  if (table.length === 0) return count;
  const start = keyStarts[count]!;
  const mask = table.length - 1;
  let slot = hashBytes(slab, start, end) & mask;
  for (let probes = 0; probes < MAX_PROBES; probes++) {
    const entity = table[slot]! - 1;
    if (entity < 0) {
      table[slot] = count + 1;
      return count;
    }
    if (equalBytes(slab, keyStarts[entity]!, keyStarts[entity + 1]!, start, end)) return entity;
    slot = (slot + 1) & mask;
  }
  return count;
}

/** FNV-1a, its upper bits folded into the lower ones that the table uses. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function equalBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
  otherStart: number,
  otherEnd: number,
): boolean {
  if (end - start !== otherEnd - otherStart) return false;
  for (let i = end - start - 1; i >= 0; i--) {
    if (bytes[start + i] !== bytes[otherStart + i]) return false;
  }
  return true;
}
