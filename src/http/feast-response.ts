import { Buffer } from 'node:buffer';
import { SideboardError } from '../errors.ts';
import { invalidRequest } from '../retrieval/retrieval-errors.ts';
import type { RetrievalPlan } from '../retrieval/retrieval-plan.ts';
import { FIELD_STATUS, type RetrievedFeatures } from '../retrieval/retrieved-features.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import { JsonWriter } from './json-writer.ts';

/** An unset value, and the epoch. */
const EMPTY = new Uint8Array(0);

/** Names of `feast.serving.FieldStatus` by number, as JSON. */
const STATUS_JSON = ['INVALID', 'PRESENT', 'NULL_VALUE', 'NOT_FOUND', 'OUTSIDE_MAX_AGE'].map(
  (name) => Buffer.from(JSON.stringify(name)),
);
const COMMA = Buffer.from(',');
const FIRST_VALUES = Buffer.from('{"values":[');
const VALUES = Buffer.from(',{"values":[');
const STATUSES = Buffer.from('],"statuses":[');
const TIMESTAMPS = Buffer.from('],"event_timestamps":[');
const COLUMN_END = Buffer.from(']}');
const FIRST_NO_ROWS = Buffer.from('{"values":[],"statuses":[]}');
const NO_ROWS = Buffer.from(',{"values":[],"statuses":[]}');
const RESULTS = Buffer.from('{"results":[');

/** What most values take with their status and timestamp; the buffer grows where they take more. */
const CELL_SIZE_HINT = 48;
const COLUMN_SIZE_HINT = 128;
const TIMESTAMP_SIZE_HINT = 32;

/**
 * The body of an answer to `POST /get-online-features`: one object per output column with its values, statuses and
 * (unless there are no rows) event timestamps, then the names. Written from the stored bytes column by column; no tree of
 * objects in between.
 *
 * @throws SideboardError CORRUPT_STORED_VALUE where stored bytes have no JSON, INVALID_REQUEST where a value of the request
 *   has none, naming the column
 */
export function feastResponseJson(retrieved: RetrievedFeatures, nonFinite: NonFiniteJson): Buffer {
  const { plan, rowCount } = retrieved;
  const columnCount = plan.outputNames.length;
  const json = new JsonWriter(columnCount * (COLUMN_SIZE_HINT + CELL_SIZE_HINT * rowCount));
  const entityEnds = new ColumnEnds();
  const viewEnds = plan.groups.map(({ views }) => views.map(() => new ColumnEnds()));
  json.bytes(RESULTS);
  for (let column = 0; column < columnCount; column++) {
    if (rowCount === 0) {
      json.bytes(column === 0 ? FIRST_NO_ROWS : NO_ROWS);
      continue;
    }
    json.bytes(column === 0 ? FIRST_VALUES : VALUES);
    writeValues(json, retrieved, column, nonFinite);
    const group = plan.groupOfColumn[column]!;
    const ends = group < 0 ? entityEnds : viewEnds[group]![plan.viewOfColumn[column]!]!;
    ends.write(json, retrieved, column);
  }
  json.bytes(metadataOf(plan));
  return json.written();
}

function writeValues(
  json: JsonWriter,
  retrieved: RetrievedFeatures,
  column: number,
  nonFinite: NonFiniteJson,
): void {
  const { plan, entityColumns, groups, rowCount } = retrieved;
  const group = plan.groupOfColumn[column]!;
  for (let row = 0; row < rowCount; row++) {
    if (row > 0) json.bytes(COMMA);
    let isWritten: boolean;
    if (group < 0) {
      const { bytes, starts, ends } = entityColumns[column]!;
      isWritten = json.value(bytes, starts[row]!, ends[row]!, nonFinite);
    } else {
      const { cells, width, entityOfRow } = groups[group]!;
      const entity = entityOfRow[row]!;
      const cell = entity * width + plan.cellOfColumn[column]!;
      const start = entity < 0 ? -1 : cells.starts[cell]!;
      isWritten =
        start < 0
          ? json.value(EMPTY, 0, 0, nonFinite)
          : json.value(cells.buffers[entity]!, start, cells.ends[cell]!, nonFinite);
    }
    if (!isWritten) throw notJson(retrieved, column, 'value');
  }
}

/** What stands behind the values of the columns of one view: statuses, mostly all PRESENT, and the same timestamps. */
class ColumnEnds {
  /** The end of a column without a value that is not PRESENT. */
  #present: Uint8Array | undefined;
  /** From the end of the statuses on. */
  #timestamps: Uint8Array | undefined;

  write(json: JsonWriter, retrieved: RetrievedFeatures, column: number): void {
    const { rowCount, statuses } = retrieved;
    const from = column * rowCount;
    if (isAllPresent(statuses, from, from + rowCount)) {
      this.#present ??= presentEnd(rowCount, this.#timestampsOf(retrieved, column));
      json.bytes(this.#present);
      return;
    }
    json.bytes(STATUSES);
    for (let row = 0; row < rowCount; row++) {
      if (row > 0) json.bytes(COMMA);
      json.bytes(STATUS_JSON[statuses[from + row]!] ?? STATUS_JSON[0]!);
    }
    json.bytes(this.#timestampsOf(retrieved, column));
  }

  #timestampsOf(retrieved: RetrievedFeatures, column: number): Uint8Array {
    this.#timestamps ??= timestampsEnd(retrieved, column);
    return this.#timestamps;
  }
}

function isAllPresent(statuses: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (statuses[at] !== FIELD_STATUS.PRESENT) return false;
  return true;
}

function presentEnd(rowCount: number, timestamps: Uint8Array): Uint8Array {
  const present = STATUS_JSON[FIELD_STATUS.PRESENT]!.toString('latin1');
  const statuses = `],"statuses":[${present}${`,${present}`.repeat(rowCount - 1)}`;
  return Buffer.concat([Buffer.from(statuses, 'latin1'), timestamps]);
}

function timestampsEnd(retrieved: RetrievedFeatures, column: number): Uint8Array {
  const { plan, groups, rowCount } = retrieved;
  const json = new JsonWriter(COLUMN_SIZE_HINT + TIMESTAMP_SIZE_HINT * rowCount);
  json.bytes(TIMESTAMPS);
  const group = plan.groupOfColumn[column]!;
  for (let row = 0; row < rowCount; row++) {
    if (row > 0) json.bytes(COMMA);
    let isWritten: boolean;
    if (group < 0) {
      isWritten = json.timestamp(EMPTY, 0, 0);
    } else {
      const { timestampCell } = plan.groups[group]!.views[plan.viewOfColumn[column]!]!;
      const { cells, width, entityOfRow } = groups[group]!;
      const entity = entityOfRow[row]!;
      const cell = entity * width + timestampCell;
      const start = entity < 0 ? -1 : cells.starts[cell]!;
      isWritten =
        start < 0
          ? json.timestamp(EMPTY, 0, 0)
          : json.timestamp(cells.buffers[entity]!, start, cells.ends[cell]!);
    }
    if (!isWritten) throw notJson(retrieved, column, 'event timestamp');
  }
  json.bytes(COLUMN_END);
  return json.written();
}

/** Stored bytes have been checked to be a `Value`; what a caller sent as JSON may be nested too deeply for one. */
function notJson(retrieved: RetrievedFeatures, column: number, what: string): SideboardError {
  if (column < retrieved.entityColumns.length) {
    const name = retrieved.plan.outputNames[column];
    return invalidRequest(`a value of column ${name} is nested too deeply for a feast.types.Value`);
  }
  return new SideboardError(
    'CORRUPT_STORED_VALUE',
    `The stored ${what} of ${retrieved.plan.outputNames[column]} cannot be read; write that entity's row again`,
  );
}

/** The end of every answer of a plan, which lives as long as the plan. */
const METADATA = new WeakMap<RetrievalPlan, Uint8Array>();

function metadataOf(plan: RetrievalPlan): Uint8Array {
  let metadata = METADATA.get(plan);
  if (metadata === undefined) {
    metadata = Buffer.from(`],"metadata":${metadataText(plan)}}`);
    METADATA.set(plan, metadata);
  }
  return metadata;
}

function metadataText({ outputNames, viewVersions }: RetrievalPlan): string {
  const names = JSON.stringify(outputNames);
  if (viewVersions.length === 0) return `{"feature_names":${names}}`;
  // Zeros are left out, as protobuf's JSON has it.
  const views = viewVersions.map(({ name, version }) =>
    version === 0 ? { name } : { name, version },
  );
  return `{"feature_names":${names},"feature_view_metadata":${JSON.stringify(views)}}`;
}
