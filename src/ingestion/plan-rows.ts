import { Buffer } from 'node:buffer';
import { readValue } from '../feast-encoding/value-reader.ts';
import { serializeEntityValue } from '../feast-encoding/entity-key.ts';
import type { EntityKeyValue } from '../feast-encoding/entity-key.ts';
import { ValueType, valueTypeName } from '../feast-encoding/value-type.ts';
import type { WriteRow } from '../online-store/online-store.ts';
import { momentOf } from './frame-moment.ts';
import { isMissing } from './plain-value.ts';
import { createRowProblems } from './row-problems.ts';
import type { RowProblems } from './row-problems.ts';
import { invalidWrite } from './write-errors.ts';
import type { FrameColumn, WriteFrame } from './write-frame.ts';
import type { EncodedColumn, WritePlan, WrittenColumn } from './write-plan.ts';

/** What a write says besides its frame. */
export interface RowOptions {
  /**
   * Whether the columns `event_timestamp` and `created` stand for the timestamps of the source whatever it calls them:
   * Feast's remote online store sends these names.
   */
  readonly takesRemoteNames: boolean;
  /** Event timestamp of rows that are computed on demand. */
  readonly nowNs: bigint;
}

const REMOTE_EVENT_TIMESTAMP = 'event_timestamp';
const REMOTE_CREATED_TIMESTAMP = 'created';

/**
 * The rows that a frame has for a view. A frame without rows, or with nothing but nulls for features, has none, and nothing
 * else of it is looked at (as in Feast). Any value that does not fit refuses the whole frame for this view.
 *
 * @throws SideboardError INVALID_REQUEST naming the columns that are missing, or columns and rows whose values do not fit.
 */
export function planRows(
  plan: WritePlan,
  frame: WriteFrame,
  options: RowOptions,
): readonly WriteRow[] {
  if (frame.rowCount === 0 || hasNoFeatures(plan, frame)) {
    return [];
  }
  const columns = findColumns(plan, frame, options);
  const problems = createRowProblems();
  const rows: WriteRow[] = [];
  for (let row = 0; row < frame.rowCount; row++) {
    const eventTimestampNs = readEventTimestamp(plan, columns, row, options, problems);
    const createdTimestampNs = readCreatedTimestamp(plan, columns, row, problems);
    const entityKey = writeEntityKey(plan, columns.joinKeys, row, problems);
    const values = plan.features.map((feature, i) =>
      encode(feature, columns.features[i], row, problems),
    );
    if (problems.isEmpty) {
      rows.push({ entityKey, eventTimestampNs, createdTimestampNs, values });
    }
  }
  if (!problems.isEmpty) {
    throw invalidWrite(plan.viewName, problems.describe());
  }
  return rows;
}

function hasNoFeatures({ features, takesMissingFeatures }: WritePlan, frame: WriteFrame): boolean {
  return (
    features.length > 0 &&
    features.every((feature) => {
      const column = columnOf(feature, frame);
      return column === undefined ? takesMissingFeatures : isAllNull(column);
    })
  );
}

function columnOf(
  { name, sourceName }: WrittenColumn,
  { columns }: WriteFrame,
): FrameColumn | undefined {
  return columns.get(name) ?? columns.get(sourceName);
}

/** The columns of a frame that a plan needs, aligned with the plan's. */
interface FoundColumns {
  readonly joinKeys: readonly FrameColumn[];
  /** `undefined` = null in every row. */
  readonly features: readonly (FrameColumn | undefined)[];
  readonly eventTimestamp: FrameColumn | undefined;
  readonly createdTimestamp: FrameColumn | undefined;
}

const NULL_BYTES = new Uint8Array(0);

function findColumns(
  plan: WritePlan,
  frame: WriteFrame,
  { takesRemoteNames }: RowOptions,
): FoundColumns {
  const { columns } = frame;
  const missing: string[] = [];
  const find = (wanted: WrittenColumn, otherName?: string): FrameColumn => {
    const { name, sourceName } = wanted;
    if (sourceName !== name && columns.has(sourceName) && columns.has(name)) {
      throw invalidWrite(
        plan.viewName,
        `columns ${sourceName} and ${name} are the same (field mapping of its source); send one of them`,
      );
    }
    const column = columnOf(wanted, frame);
    const found = column ?? (otherName === undefined ? undefined : columns.get(otherName));
    if (found === undefined) {
      missing.push(sourceName === name ? name : `${sourceName} (or ${name})`);
    }
    return found!;
  };
  const remote = (name: string): string | undefined => (takesRemoteNames ? name : undefined);
  const { eventTimestamp, createdTimestamp } = plan;
  const found: FoundColumns = {
    joinKeys: plan.joinKeys.map((joinKey) => find(joinKey)),
    features: plan.features.map((feature) =>
      plan.takesMissingFeatures ? columns.get(feature.name) : find(feature),
    ),
    eventTimestamp:
      eventTimestamp === undefined
        ? undefined
        : find(eventTimestamp, remote(REMOTE_EVENT_TIMESTAMP)),
    createdTimestamp:
      createdTimestamp === undefined
        ? undefined
        : find(createdTimestamp, remote(REMOTE_CREATED_TIMESTAMP)),
  };
  if (missing.length > 0) {
    throw invalidWrite(
      plan.viewName,
      `the columns ${missing.join(', ')} are missing; there are ${[...columns.keys()].join(', ')}`,
    );
  }
  return found;
}

function isAllNull(column: FrameColumn): boolean {
  return column.kind === 'plain'
    ? column.values.every(isMissing)
    : column.values.every((bytes) => bytes.length === 0 || readValue(bytes).value === null);
}

function encode(
  { name, valueType, encoder }: EncodedColumn,
  column: FrameColumn | undefined,
  row: number,
  problems: RowProblems,
): Uint8Array {
  if (column === undefined) {
    return NULL_BYTES;
  }
  const bytes =
    column.kind === 'plain'
      ? encoder.fromPlain(column.values[row]!)
      : encoder.fromTyped(column.values[row]!);
  if (bytes === undefined) {
    problems.add(`${name} is no ${valueTypeName(valueType)}`, row);
    return NULL_BYTES;
  }
  return bytes;
}

function writeEntityKey(
  plan: WritePlan,
  columns: readonly FrameColumn[],
  row: number,
  problems: RowProblems,
): Uint8Array {
  if (plan.joinKeys.length === 0) {
    return plan.keyPrefix;
  }
  const parts = [plan.keyPrefix];
  for (const [i, joinKey] of plan.joinKeys.entries()) {
    const value = keyValue(joinKey, columns[i]!, row);
    if (value === undefined) {
      problems.add(`join key ${joinKey.name} is no ${valueTypeName(joinKey.valueType)}`, row);
    } else if (value === null) {
      problems.add(`join key ${joinKey.name} is null`, row);
    } else {
      parts.push(serializeEntityValue({ type: joinKey.valueType, value }, joinKey.name));
    }
  }
  return Buffer.concat(parts);
}

/** `null` = there is none; `undefined` = it does not fit, or would lose digits: reads refuse such values too. */
function keyValue(
  { valueType, encoder }: EncodedColumn,
  column: FrameColumn,
  row: number,
): EntityKeyValue['value'] | null | undefined {
  const source = column.values[row]!;
  const isFraction =
    typeof source === 'number' && !Number.isNaN(source) && !Number.isInteger(source);
  if ((isFraction && valueType !== ValueType.STRING) || typeof source === 'boolean') {
    return undefined;
  }
  const bytes =
    column.kind === 'plain'
      ? encoder.fromPlain(column.values[row]!)
      : encoder.fromTyped(column.values[row]!);
  return bytes === undefined
    ? undefined
    : (readValue(bytes).value as EntityKeyValue['value'] | null);
}

function readEventTimestamp(
  { eventTimestamp }: WritePlan,
  columns: FoundColumns,
  row: number,
  { nowNs }: RowOptions,
  problems: RowProblems,
): bigint {
  if (columns.eventTimestamp === undefined) {
    return nowNs;
  }
  const moment = momentOf(columns.eventTimestamp, row);
  if (moment === null || moment === undefined) {
    problems.add(`${eventTimestamp!.name} is ${moment === null ? 'null' : NO_MOMENT}`, row);
    return 0n;
  }
  return moment;
}

function readCreatedTimestamp(
  { createdTimestamp }: WritePlan,
  columns: FoundColumns,
  row: number,
  problems: RowProblems,
): bigint | undefined {
  if (columns.createdTimestamp === undefined) {
    return undefined;
  }
  const moment = momentOf(columns.createdTimestamp, row);
  if (moment === undefined) {
    problems.add(`${createdTimestamp!.name} is ${NO_MOMENT}`, row);
  }
  return moment ?? undefined;
}

const NO_MOMENT =
  'no moment in ISO 8601, such as 2021-07-16T19:20:01 (UTC) or 2021-07-16T19:20:01+02:00';
