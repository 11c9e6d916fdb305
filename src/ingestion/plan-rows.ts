import {
  ENTITY_VALUE_HEADER_BYTES,
  writeScannedEntityValue,
} from '../feast-encoding/entity-key.ts';
import { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import { nanosOf, secondsOf } from '../feast-encoding/row-slab.ts';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import { createScannedValue, scanValue } from '../feast-encoding/value-scan.ts';
import { valueTypeName } from '../feast-encoding/value-type.ts';
import { readFrameMoment } from './frame-moment.ts';
import type { FrameMoment } from './frame-moment.ts';
import { createRowProblems } from './row-problems.ts';
import type { RowProblems } from './row-problems.ts';
import { invalidWrite, listNames } from './write-errors.ts';
import type { FrameColumn, WriteFrame } from './write-frame.ts';
import type { WritePlan, WrittenColumn } from './write-plan.ts';

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
 * Adds the rows that a frame has for a view to those that are written. A frame without rows, or with nothing but nulls for
 * features, has none, and nothing else of it is looked at (as in Feast). Any value that does not fit refuses the whole frame
 * for this view.
 *
 * @throws SideboardError INVALID_REQUEST naming the columns that are missing, or columns and rows whose values do not fit.
 */
export function planRows(
  plan: WritePlan,
  frame: WriteFrame,
  options: RowOptions,
  slab: RowSlab,
): void {
  new RowPlanner(plan, frame, options, slab).run(Infinity);
}

/** The same in parts. */
export class RowPlanner {
  private readonly plan: WritePlan;
  private readonly columns: FoundColumns;
  private readonly rowCount: number;
  private readonly nowNs: bigint;
  private readonly slab: RowSlab;
  private readonly slabLength: number;
  private readonly slabBytes: number;
  private readonly problems = createRowProblems();
  private row = 0;

  /** @throws SideboardError as `planRows` where columns are missing */
  constructor(plan: WritePlan, frame: WriteFrame, options: RowOptions, slab: RowSlab) {
    const isEmpty = frame.rowCount === 0 || hasNoFeatures(plan, frame);
    this.plan = plan;
    this.columns = isEmpty ? NO_COLUMNS : findColumns(plan, frame, options);
    this.rowCount = isEmpty ? 0 : frame.rowCount;
    this.nowNs = options.nowNs;
    this.slab = slab;
    this.slabLength = slab.length;
    this.slabBytes = slab.byteLength;
  }

  /**
   * Adds so many rows at most, to which nothing else is added meanwhile.
   *
   * @returns whether these were the last
   * @throws SideboardError as `planRows` where values do not fit, with the last row: then none is added
   */
  run(maxRows: number): boolean {
    const end = Math.min(this.row + maxRows, this.rowCount);
    while (this.row < end) this.addRow(this.row++);
    if (this.row < this.rowCount) return false;
    if (!this.problems.isEmpty) {
      this.slab.truncate(this.slabLength, this.slabBytes);
      throw invalidWrite(this.plan.viewName, this.problems.describe());
    }
    return true;
  }

  private addRow(row: number): void {
    const { plan, columns, slab, problems } = this;
    slab.beginRow();
    readEventTimestamp(plan, columns, row, this.nowNs, problems);
    readCreatedTimestamp(plan, columns, row, problems);
    slab.beginCell(0);
    appendEntityKey(plan, columns.joinKeys, row, slab.out, problems);
    slab.endCell(0);
    for (let i = 0; i < plan.features.length; i++) {
      const column = columns.features[i];
      slab.beginCell(i + 1);
      const { name, valueType, encoder } = plan.features[i]!;
      if (column !== undefined && !column.append(slab.out, row, encoder)) {
        problems.add(`${name} is no ${valueTypeName(valueType)}`, row);
      }
      slab.endCell(i + 1);
    }
    if (problems.isEmpty) {
      slab.endRow(event.seconds, event.nanos, created.seconds, created.nanos);
    }
  }
}

/** Looked at as soon as they are read. */
const event: FrameMoment = { seconds: 0, nanos: 0 };
const created: FrameMoment = { seconds: 0, nanos: 0 };
const scanned = createScannedValue();
const keyValue = new GrowingBytes();
const MAX_KEPT_BYTES = 64 * 1024;

function hasNoFeatures({ features, takesMissingFeatures }: WritePlan, frame: WriteFrame): boolean {
  return (
    features.length > 0 &&
    features.every((feature) => {
      const column = columnOf(feature, frame);
      return column === undefined ? takesMissingFeatures : isAllNull(column, frame.rowCount);
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

const NO_COLUMNS: FoundColumns = {
  joinKeys: [],
  features: [],
  eventTimestamp: undefined,
  createdTimestamp: undefined,
};

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
      `the columns ${listNames(missing)} are missing; there are ${listNames(columns.keys())}`,
    );
  }
  return found;
}

function isAllNull(column: FrameColumn, rowCount: number): boolean {
  for (let row = 0; row < rowCount; row++) if (!column.isNull(row)) return false;
  return true;
}

function appendEntityKey(
  plan: WritePlan,
  columns: readonly FrameColumn[],
  row: number,
  out: GrowingBytes,
  problems: RowProblems,
): void {
  out.put(plan.keyPrefix);
  for (let i = 0; i < plan.joinKeys.length; i++) {
    const { name, valueType, encoder } = plan.joinKeys[i]!;
    const column = columns[i]!;
    keyValue.clear(MAX_KEPT_BYTES);
    // What would lose digits is refused by reads too.
    if (column.losesAsKey(row, valueType) || !column.append(keyValue, row, encoder)) {
      problems.add(`join key ${name} is no ${valueTypeName(valueType)}`, row);
    } else if (keyValue.at === 0) {
      problems.add(`join key ${name} is null`, row);
    } else {
      scanValue(keyValue.bytes, 0, keyValue.at, scanned);
      out.reserve(ENTITY_VALUE_HEADER_BYTES + keyValue.at + MAX_FIXED_BYTES);
      out.at = writeScannedEntityValue(out.bytes, out.at, keyValue.bytes, scanned);
    }
  }
}

/** What a number takes in an entity key besides its header. */
const MAX_FIXED_BYTES = 8;

function readEventTimestamp(
  { eventTimestamp }: WritePlan,
  columns: FoundColumns,
  row: number,
  nowNs: bigint,
  problems: RowProblems,
): void {
  if (columns.eventTimestamp === undefined) {
    event.seconds = secondsOf(nowNs);
    event.nanos = nanosOf(nowNs);
    return;
  }
  const found = readFrameMoment(columns.eventTimestamp, row, event);
  if (found !== 'moment') {
    problems.add(`${eventTimestamp!.name} is ${found === 'null' ? 'null' : NO_MOMENT}`, row);
  }
}

function readCreatedTimestamp(
  { createdTimestamp }: WritePlan,
  columns: FoundColumns,
  row: number,
  problems: RowProblems,
): void {
  const found =
    columns.createdTimestamp === undefined
      ? 'null'
      : readFrameMoment(columns.createdTimestamp, row, created);
  if (found === 'misfit') problems.add(`${createdTimestamp!.name} is ${NO_MOMENT}`, row);
  if (found !== 'moment') {
    created.seconds = Number.NaN;
    created.nanos = 0;
  }
}

const NO_MOMENT =
  'no moment in ISO 8601, such as 2021-07-16T19:20:01 (UTC) or 2021-07-16T19:20:01+02:00';
