import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { copyBytes } from '../feast-encoding/copy-bytes.ts';
import { varintSize, writeVarint } from '../feast-encoding/varint.ts';
import type { RetrievalPlan } from './retrieval-plan.ts';
import type { EntityColumn } from './retrieval-request.ts';
import type { GroupRows, RetrievedFeatures } from './retrieved-features.ts';

/** Tags of `GetOnlineFeaturesResponse.results` and of the fields of its `FeatureVector`s. */
const RESULTS_TAG = 0x12;
const VALUES_TAG = 0x0a;
const STATUSES_TAG = 0x12;
const EVENT_TIMESTAMPS_TAG = 0x1a;

/**
 * Splices the encoded `feast.serving.GetOnlineFeaturesResponse` from what the store returned: sizes first, then every byte
 * once. Fields stand in the order of their numbers, so that the bytes are those of a protobuf library.
 *
 * @param headroomBytes left free (and zero) in front, for a frame header.
 * @returns a new buffer, headroom included.
 */
export function assembleResponse(retrieved: RetrievedFeatures, headroomBytes: number): Uint8Array {
  const { plan, rowCount, entityColumns, groups, statuses, valueFieldBytes } = retrieved;
  const out = Buffer.allocUnsafe(headroomBytes + retrieved.responseBytes);
  for (let i = 0; i < headroomBytes; i++) out[i] = 0;
  let at = copyBytes(out, headroomBytes, plan.metadataField, 0, plan.metadataField.length);
  let lastGroup = -1;
  let lastView = -1;
  // The event timestamps of the last view, where they have been written: columns of one view mostly stand together.
  let timestampsStart = 0;
  let timestampsBytes = 2 * rowCount;
  for (let column = 0; column < plan.outputNames.length; column++) {
    const group = plan.groupOfColumn[column]!;
    const view = plan.viewOfColumn[column]!;
    const isNextView = group !== lastGroup || view !== lastView;
    if (isNextView) {
      timestampsBytes = timestampFieldsBytes(groups[group]!, timestampCellOf(plan, column));
      lastGroup = group;
      lastView = view;
    }
    const valueBytes = valueFieldBytes[column]!;
    out[at++] = RESULTS_TAG;
    at = writeVarint(out, at, vectorBytes(valueBytes, rowCount, timestampsBytes));
    at =
      group < 0
        ? writeEntityValues(out, at, entityColumns[column]!)
        : writeCells(out, at, groups[group]!, VALUES_TAG, plan.cellOfColumn[column]!);
    at = writeStatuses(out, at, statuses, column * rowCount, rowCount);
    if (group < 0) {
      at = writeEmptyTimestamps(out, at, rowCount);
    } else if (isNextView) {
      timestampsStart = at;
      at = writeCells(out, at, groups[group]!, EVENT_TIMESTAMPS_TAG, timestampCellOf(plan, column));
    } else {
      at = copyBytes(out, at, out, timestampsStart, timestampsStart + timestampsBytes);
    }
  }
  assert.equal(at, out.length, 'the measured size of a response is its size');
  return out;
}

/** Size of the encoded message that `assembleResponse` makes. */
export function measureResponse({
  plan,
  rowCount,
  groups,
  valueFieldBytes,
}: Omit<RetrievedFeatures, 'responseBytes'>): number {
  let lastGroup = -1;
  let lastView = -1;
  let timestampsBytes = 2 * rowCount;
  let bytes = plan.metadataField.length;
  for (let column = 0; column < plan.outputNames.length; column++) {
    const group = plan.groupOfColumn[column]!;
    const view = plan.viewOfColumn[column]!;
    if (group !== lastGroup || view !== lastView) {
      timestampsBytes = timestampFieldsBytes(groups[group]!, timestampCellOf(plan, column));
      lastGroup = group;
      lastView = view;
    }
    const vector = vectorBytes(valueFieldBytes[column]!, rowCount, timestampsBytes);
    bytes += 1 + varintSize(vector) + vector;
  }
  return bytes;
}

/** The cell of the event timestamps of a column's view. */
function timestampCellOf(
  { groups, groupOfColumn, viewOfColumn }: RetrievalPlan,
  column: number,
): number {
  return groups[groupOfColumn[column]!]!.views[viewOfColumn[column]!]!.timestampCell;
}

/** Size of one `FeatureVector`: values, statuses (packed, a byte each), event timestamps. */
function vectorBytes(valueBytes: number, rowCount: number, timestampBytes: number): number {
  const statusBytes = rowCount === 0 ? 0 : 1 + varintSize(rowCount) + rowCount;
  return valueBytes + statusBytes + timestampBytes;
}

function writeEntityValues(
  out: Uint8Array,
  at: number,
  { bytes, starts, ends }: EntityColumn,
): number {
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row]!;
    const end = ends[row]!;
    out[at++] = VALUES_TAG;
    at = writeVarint(out, at, end - start);
    at = copyBytes(out, at, bytes, start, end);
  }
  return at;
}

/** Writes one cell of every row as a field with this tag; what is absent is an empty message. */
function writeCells(
  out: Uint8Array,
  at: number,
  rows: GroupRows,
  tag: number,
  cellIndex: number,
): number {
  const { cells, width, entityOfRow } = rows;
  const { buffers, starts, ends } = cells;
  for (let row = 0; row < entityOfRow.length; row++) {
    const entity = entityOfRow[row]!;
    const cell = entity * width + cellIndex;
    const start = entity < 0 ? -1 : starts[cell]!;
    out[at++] = tag;
    if (start < 0) {
      out[at++] = 0;
      continue;
    }
    const end = ends[cell]!;
    const length = end - start;
    if (length < 0x80) out[at++] = length;
    else at = writeVarint(out, at, length);
    at = copyBytes(out, at, buffers[entity]!, start, end);
  }
  return at;
}

function writeStatuses(
  out: Uint8Array,
  at: number,
  statuses: Uint8Array,
  start: number,
  rowCount: number,
): number {
  if (rowCount === 0) return at;
  out[at++] = STATUSES_TAG;
  at = writeVarint(out, at, rowCount);
  return copyBytes(out, at, statuses, start, start + rowCount);
}

/** Size of the field `event_timestamps` of a view, a row each: the same bytes for each of its features. */
function timestampFieldsBytes(
  { cells: { starts, ends }, width, entityOfRow }: GroupRows,
  timestampCell: number,
): number {
  let bytes = 0;
  for (let row = 0; row < entityOfRow.length; row++) {
    const entity = entityOfRow[row]!;
    const cell = entity * width + timestampCell;
    const isThere = entity >= 0 && starts[cell]! >= 0;
    const length = isThere ? ends[cell]! - starts[cell]! : 0;
    bytes += 1 + varintSize(length) + length;
  }
  return bytes;
}

/** The field `event_timestamps` of an entity column: the epoch in every row. */
function writeEmptyTimestamps(out: Uint8Array, at: number, rowCount: number): number {
  for (let row = 0; row < rowCount; row++) {
    out[at++] = EVENT_TIMESTAMPS_TAG;
    out[at++] = 0;
  }
  return at;
}
