import { Buffer } from 'node:buffer';
import { isValueMessage } from '../feast-encoding/value-check.ts';
import {
  MAX_NESTING,
  payloadEnd,
  skipLength,
  skipPayload,
  skipTag,
} from '../feast-encoding/wire.ts';
import type { StoredCells } from '../online-store/online-store.ts';
import { readTag } from './read-wire.ts';
import type { EntityGroupPlan } from './retrieval-plan.ts';
import { VECTOR_MISSING, VECTOR_STALE, VECTOR_UNUSABLE, VECTOR_USED } from './vector-result.ts';
import { FIRST_TIMESTAMP_CELL, VECTOR_CELL, type VectorPlan } from './vector-plan.ts';

/** `Value.bytes_val`. */
const BYTES_VALUE_TAG = 0x0a;
/** `PrecomputedFeatureVector`: names, values, event timestamps by view. */
const NAME_TAG = 0x0a;
const VALUE_TAG = 0x12;
const TIMESTAMP_TAG = 0x1a;
/** `FeatureViewTimestamp`. */
const VIEW_NAME_TAG = 0x0a;
const EVENT_TIMESTAMP_TAG = 0x12;

/**
 * Reads the vector of one entity into the cells of its group, where it says just what the row says: it was made of the rows
 * that are stored now (their event timestamps are those in it, byte by byte), and it has a value for every feature.
 * Else the cells are not to be used. A feature without value may be a null or none at all, which only the row tells.
 *
 * @param found cells of `vectors.prepared`.
 * @param cells of the group, all `ABSENT`; the entity's buffer is that of `found`.
 * @returns an index into `VECTOR_RESULTS`.
 */
export function readVector(
  { vectors, group }: { readonly vectors: VectorPlan; readonly group: EntityGroupPlan },
  found: StoredCells,
  entity: number,
  cells: Pick<StoredCells, 'starts' | 'ends'>,
): number {
  const bytes = found.buffers[entity]!;
  const at = entity * vectors.prepared.width;
  const start = found.starts[at + VECTOR_CELL]!;
  const end = found.ends[at + VECTOR_CELL]!;
  if (start < 0 || start === end) return VECTOR_MISSING;
  if (bytes[start] !== BYTES_VALUE_TAG) return VECTOR_UNUSABLE;
  const vectorStart = skipLength(bytes, start + 1, end);
  if (vectorStart < 0 || payloadEnd(bytes, start + 1, vectorStart, end) !== end) {
    return VECTOR_UNUSABLE;
  }
  const first = entity * group.prepared.width;
  for (const [view, { timestampCell }] of group.views.entries()) {
    const stored = at + FIRST_TIMESTAMP_CELL + view;
    // The row is gone that it was made of.
    if (found.starts[stored]! < 0) return VECTOR_STALE;
    cells.starts[first + timestampCell] = found.starts[stored]!;
    cells.ends[first + timestampCell] = found.ends[stored]!;
  }
  const valuesStart = readNames(vectors, bytes, vectorStart, end);
  if (valuesStart < 0) return VECTOR_UNUSABLE;
  const target = { group, first, ...cells };
  const result = readFields(vectors, bytes, valuesStart, end, target);
  return result === VECTOR_USED && !isComplete(target) ? VECTOR_UNUSABLE : result;
}

/** Where one entity's values go. */
interface Target extends Pick<StoredCells, 'starts' | 'ends'> {
  readonly group: EntityGroupPlan;
  /** Of the entity. */
  readonly first: number;
}

/** The position after the names, which are kept from one vector to the next; -1 where they are damaged. */
function readNames(
  { cellOfName, experience }: VectorPlan,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const { header } = experience;
  const after = start + header.length;
  const isSame =
    header.length > 0 &&
    after <= end &&
    Buffer.compare(header, bytes.subarray(start, after)) === 0 &&
    bytes[after] !== NAME_TAG;
  if (isSame) return after;
  const cellOfIndex: number[] = [];
  let at = start;
  while (at < end && bytes[at] === NAME_TAG) {
    const nameStart = skipLength(bytes, at + 1, end);
    const nameEnd = nameStart < 0 ? -1 : payloadEnd(bytes, at + 1, nameStart, end);
    if (nameEnd < 0) return -1;
    const name = Buffer.from(bytes.subarray(nameStart, nameEnd)).toString('utf8');
    cellOfIndex.push(cellOfName.get(name) ?? -1);
    at = nameEnd;
  }
  // A copy also where they are a `Buffer`, whose `slice` is none: its memory is received into again.
  experience.header = Uint8Array.from(bytes.subarray(start, at));
  experience.cellOfIndex = Int32Array.from(cellOfIndex);
  return at;
}

/** Puts values into their cells and compares event timestamps. @returns an index into `VECTOR_RESULTS` */
function readFields(
  vectors: VectorPlan,
  bytes: Uint8Array,
  start: number,
  end: number,
  { first, group, starts, ends }: Target,
): number {
  const { cellOfIndex } = vectors.experience;
  let confirmed = 0;
  let index = 0;
  let at = start;
  while (at < end) {
    const afterTag = skipTag(bytes, at, end);
    if (afterTag < 0) return VECTOR_UNUSABLE;
    const tag = readTag(bytes, at);
    const next = skipPayload(bytes, afterTag, end, tag, MAX_NESTING);
    // Names that stand between values are lawful, and nobody writes them so.
    if (next < 0 || tag === NAME_TAG) return VECTOR_UNUSABLE;
    if (tag === VALUE_TAG) {
      const cell = cellOfIndex[index++] ?? -1;
      const valueStart = skipLength(bytes, afterTag, end);
      if (cell >= 0) {
        if (!isValueMessage(bytes, valueStart, next)) return VECTOR_UNUSABLE;
        starts[first + cell] = valueStart;
        ends[first + cell] = next;
      }
    } else if (tag === TIMESTAMP_TAG) {
      const target = { first, group, starts, ends };
      const view = confirmedView(vectors, bytes, skipLength(bytes, afterTag, end), next, target);
      if (view === OF_OTHER_ROWS) return VECTOR_STALE;
      if (view === DAMAGED) return VECTOR_UNUSABLE;
      if (view >= 0) confirmed++;
    }
    at = next;
  }
  const isWhole = index === cellOfIndex.length && confirmed === group.views.length;
  return isWhole ? VECTOR_USED : VECTOR_UNUSABLE;
}

const OF_NO_VIEW = -1;
const OF_OTHER_ROWS = -2;
const DAMAGED = -3;

/** The view whose stored event timestamp the vector repeats. */
function confirmedView(
  { viewNames }: VectorPlan,
  bytes: Uint8Array,
  start: number,
  end: number,
  { first, group, starts, ends }: Target,
): number {
  let view = OF_NO_VIEW;
  let timestampStart = start;
  let timestampEnd = start;
  let at = start;
  while (at < end) {
    const afterTag = skipTag(bytes, at, end);
    if (afterTag < 0) return DAMAGED;
    const tag = readTag(bytes, at);
    const next = skipPayload(bytes, afterTag, end, tag, MAX_NESTING);
    if (next < 0) return DAMAGED;
    if (tag === VIEW_NAME_TAG) {
      const nameStart = skipLength(bytes, afterTag, end);
      for (const candidate of viewNames) {
        if (isEqual(bytes, nameStart, next, candidate.name, 0, candidate.name.length)) {
          view = candidate.view;
        }
      }
    } else if (tag === EVENT_TIMESTAMP_TAG) {
      timestampStart = skipLength(bytes, afterTag, end);
      timestampEnd = next;
    }
    at = next;
  }
  if (view < 0) return OF_NO_VIEW;
  const cell = first + group.views[view]!.timestampCell;
  return isEqual(bytes, timestampStart, timestampEnd, bytes, starts[cell]!, ends[cell]!)
    ? view
    : OF_OTHER_ROWS;
}

/** Whether every feature of the entity has a value. */
function isComplete({ first, group, starts, ends }: Target): boolean {
  for (const { firstCell, timestampCell } of group.views) {
    for (let cell = first + firstCell; cell < first + timestampCell; cell++) {
      if (starts[cell]! < 0 || starts[cell] === ends[cell]) return false;
    }
  }
  return true;
}

function isEqual(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  for (let at = aStart, other = bStart; at < aEnd; at++, other++) {
    if (a[at] !== b[other]) return false;
  }
  return true;
}
