import { Buffer } from 'node:buffer';
import { SideboardError } from '../errors.ts';
import {
  statusAt,
  timestampAt,
  valueAt,
  type RetrievedFeatures,
} from '../retrieval/retrieved-features.ts';
import { invalidRequest } from '../retrieval/retrieval-errors.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import { timestampText } from './json-timestamps.ts';
import { JsonWriter } from './json-writer.ts';

/** Names of `feast.serving.FieldStatus` by number, as JSON. */
const STATUS_JSON = ['INVALID', 'PRESENT', 'NULL_VALUE', 'NOT_FOUND', 'OUTSIDE_MAX_AGE'].map(
  (name) => Buffer.from(JSON.stringify(name)),
);
const COMMA = Buffer.from(',');
const VALUES = Buffer.from('{"values":[');
const STATUSES = Buffer.from('],"statuses":[');
const TIMESTAMPS = Buffer.from('],"event_timestamps":[');
const COLUMN_END = Buffer.from(']}');
const NO_ROWS = Buffer.from('{"values":[],"statuses":[]}');

/** What most values take with their status and timestamp; the buffer grows where they take more. */
const CELL_SIZE_HINT = 48;
const COLUMN_SIZE_HINT = 128;

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
  // Features of one view share their timestamps.
  const timestamps = new Map<string, Uint8Array>();
  json.text('{"results":[');
  for (let column = 0; column < columnCount; column++) {
    if (column > 0) json.bytes(COMMA);
    writeColumn(json, retrieved, column, nonFinite, timestamps);
  }
  json.text(`],"metadata":${metadataText(retrieved)}}`);
  return json.written();
}

function writeColumn(
  json: JsonWriter,
  retrieved: RetrievedFeatures,
  column: number,
  nonFinite: NonFiniteJson,
  timestamps: Map<string, Uint8Array>,
): void {
  const { rowCount, plan } = retrieved;
  if (rowCount === 0) {
    json.bytes(NO_ROWS);
    return;
  }
  json.bytes(VALUES);
  for (let row = 0; row < rowCount; row++) {
    if (row > 0) json.bytes(COMMA);
    if (!json.value(valueAt(retrieved, column, row), nonFinite)) {
      throw notJson(retrieved, column, 'value');
    }
  }
  json.bytes(STATUSES);
  for (let row = 0; row < rowCount; row++) {
    if (row > 0) json.bytes(COMMA);
    json.bytes(STATUS_JSON[statusAt(retrieved, column, row)] ?? STATUS_JSON[0]!);
  }
  json.bytes(TIMESTAMPS);
  const view = `${plan.groupOfColumn[column]} ${plan.viewOfColumn[column]}`;
  const times = timestamps.get(view) ?? Buffer.from(timestampsText(retrieved, column), 'latin1');
  timestamps.set(view, times);
  json.bytes(times);
  json.bytes(COLUMN_END);
}

function timestampsText(retrieved: RetrievedFeatures, column: number): string {
  let times = '';
  for (let row = 0; row < retrieved.rowCount; row++) {
    const time = timestampText(timestampAt(retrieved, column, row));
    if (time === undefined) throw notJson(retrieved, column, 'event timestamp');
    times += `${row === 0 ? '' : ','}"${time}"`;
  }
  return times;
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

function metadataText({ plan }: RetrievedFeatures): string {
  const names = JSON.stringify(plan.outputNames);
  if (plan.viewVersions.length === 0) return `{"feature_names":${names}}`;
  // Zeros are left out, as protobuf's JSON has it.
  const views = plan.viewVersions.map(({ name, version }) =>
    version === 0 ? { name } : { name, version },
  );
  return `{"feature_names":${names},"feature_view_metadata":${JSON.stringify(views)}}`;
}
