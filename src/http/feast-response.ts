import { SideboardError } from '../errors.ts';
import {
  statusAt,
  timestampAt,
  valueAt,
  type RetrievedFeatures,
} from '../retrieval/retrieved-features.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import { timestampText } from './json-timestamps.ts';
import { valueJson } from './json-values.ts';

/** Names of `feast.serving.FieldStatus` by number, as JSON. */
const STATUS_JSON = ['INVALID', 'PRESENT', 'NULL_VALUE', 'NOT_FOUND', 'OUTSIDE_MAX_AGE'].map(
  (name) => JSON.stringify(name),
);

/**
 * The body of an answer to `POST /get-online-features`: one object per output column with its values, statuses and
 * (unless there are no rows) event timestamps, then the names. Written from the stored bytes column by column; no tree of
 * objects in between.
 *
 * @throws SideboardError CORRUPT_STORED_VALUE where stored bytes have no JSON, naming the column
 */
export function feastResponseText(retrieved: RetrievedFeatures, nonFinite: NonFiniteJson): string {
  // Features of one view share their timestamps.
  const timestamps = new Map<string, string>();
  const columns = retrieved.plan.outputNames.map((_name, column) =>
    columnText(retrieved, column, nonFinite, timestamps),
  );
  return `{"results":[${columns.join(',')}],"metadata":${metadataText(retrieved)}}`;
}

function columnText(
  retrieved: RetrievedFeatures,
  column: number,
  nonFinite: NonFiniteJson,
  timestamps: Map<string, string>,
): string {
  const { rowCount, plan } = retrieved;
  if (rowCount === 0) return '{"values":[],"statuses":[]}';
  let values = '';
  let statuses = '';
  for (let row = 0; row < rowCount; row++) {
    const comma = row === 0 ? '' : ',';
    const value = valueJson(valueAt(retrieved, column, row), nonFinite);
    if (value === undefined) throw notJson(retrieved, column, 'value');
    values += comma + value;
    statuses += comma + (STATUS_JSON[statusAt(retrieved, column, row)] ?? STATUS_JSON[0]!);
  }
  const view = `${plan.groupOfColumn[column]} ${plan.viewOfColumn[column]}`;
  const times = timestamps.get(view) ?? timestampsText(retrieved, column);
  timestamps.set(view, times);
  return `{"values":[${values}],"statuses":[${statuses}],"event_timestamps":[${times}]}`;
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

function notJson(retrieved: RetrievedFeatures, column: number, what: string): SideboardError {
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
