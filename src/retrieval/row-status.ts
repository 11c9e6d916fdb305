import { timestampSeconds } from '../feast-encoding/timestamp.ts';
import { varintSize } from '../feast-encoding/varint.ts';
import { LOST } from './cell-marks.ts';
import type { GroupViewPlan, RetrievalPlan } from './retrieval-plan.ts';
import type { EntityColumn, RetrievalSemantics } from './retrieval-request.ts';
import { FIELD_STATUS, type GroupRows } from './retrieved-features.ts';

/** What decides over statuses besides the rows themselves. */
export interface StatusRules {
  readonly semantics: Pick<RetrievalSemantics, 'nullStatus' | 'missingEntity'>;
  /** Whether values older than their view's TTL are marked. */
  readonly enforceTtl: boolean;
  /** Whole seconds since the epoch. */
  readonly nowSeconds: number;
}

/** The answer's statuses and how large its values are; what `RetrievedFeatures` says of them. */
export interface SettledRows {
  readonly statuses: Uint8Array;
  readonly valueFieldBytes: Float64Array;
  readonly lostCount: number;
}

/** Memory that answers are settled in, one after the other: it grows with the largest of them. */
export class SettlingRoom {
  statuses = new Uint8Array(0);
  valueFieldBytes = new Float64Array(0);

  grow(columnCount: number, valueCount: number): void {
    if (this.statuses.length < valueCount) this.statuses = new Uint8Array(valueCount);
    if (this.valueFieldBytes.length < columnCount) {
      this.valueFieldBytes = new Float64Array(columnCount);
    }
  }
}

/**
 * Decides the status of every value and adds up the encoded size of each output column's values.
 *
 * @param entityColumns one per entity column of the answer.
 * @param room what is settled is there until it is used again.
 */
export function settleRows(
  plan: RetrievalPlan,
  entityColumns: readonly EntityColumn[],
  groups: readonly GroupRows[],
  rowCount: number,
  rules: StatusRules,
  room: SettlingRoom,
): SettledRows {
  const columnCount = plan.outputNames.length;
  room.grow(columnCount, columnCount * rowCount);
  const { statuses, valueFieldBytes } = room;
  for (let at = 0; at < entityColumns.length * rowCount; at++) {
    statuses[at] = FIELD_STATUS.PRESENT;
  }
  for (let column = 0; column < entityColumns.length; column++) {
    valueFieldBytes[column] = entityColumnBytes(entityColumns[column]!, rowCount);
  }
  const codes = statusCodes(rules);
  const expired = groups.map((rows, g) =>
    plan.groups[g]!.views.map((view) => expiredEntities(rows, view, rules)),
  );
  for (let column = entityColumns.length; column < columnCount; column++) {
    const group = plan.groupOfColumn[column]!;
    valueFieldBytes[column] = settleColumn(
      groups[group]!,
      plan.cellOfColumn[column]!,
      expired[group]![plan.viewOfColumn[column]!],
      codes,
      statuses,
      column * rowCount,
    );
  }
  return { statuses, valueFieldBytes, lostCount: countLost(plan, groups) };
}

/** The statuses that the switches decide. */
interface StatusCodes {
  readonly absent: number;
  readonly stored: number;
  readonly storedNull: number;
}

function statusCodes({ semantics }: StatusRules): StatusCodes {
  return {
    absent: semantics.missingEntity === 'present' ? FIELD_STATUS.PRESENT : FIELD_STATUS.NOT_FOUND,
    stored: FIELD_STATUS.PRESENT,
    storedNull:
      semantics.nullStatus === 'null_value' ? FIELD_STATUS.NULL_VALUE : FIELD_STATUS.PRESENT,
  };
}

/** Writes the statuses of one column from `at` on; returns the encoded size of its values. */
function settleColumn(
  { cells: { buffers, starts, ends }, width, entityOfRow }: GroupRows,
  cellIndex: number,
  expired: Uint8Array | undefined,
  codes: StatusCodes,
  statuses: Uint8Array,
  at: number,
): number {
  let bytes = 0;
  for (let row = 0; row < entityOfRow.length; row++) {
    const entity = entityOfRow[row]!;
    const cell = entity * width + cellIndex;
    const start = entity < 0 ? -1 : starts[cell]!;
    if (start < 0) {
      statuses[at + row] = start === LOST ? FIELD_STATUS.INVALID : codes.absent;
      bytes += 2;
      continue;
    }
    const length = ends[cell]! - start;
    bytes += 1 + varintSize(length) + length;
    if (expired !== undefined && expired[entity] === 1) {
      statuses[at + row] = FIELD_STATUS.OUTSIDE_MAX_AGE;
    } else {
      statuses[at + row] = isStoredNull(buffers[entity]!, start, length)
        ? codes.storedNull
        : codes.stored;
    }
  }
  return bytes;
}

/** Output values of entities that could not be read: a group is lost by whole rows. */
function countLost({ groupOfColumn }: RetrievalPlan, groups: readonly GroupRows[]): number {
  let lost = 0;
  for (let g = 0; g < groups.length; g++) {
    const rows = lostRows(groups[g]!);
    if (rows > 0) lost += rows * groupOfColumn.filter((group) => group === g).length;
  }
  return lost;
}

function lostRows({ cells: { starts }, width, entityOfRow }: GroupRows): number {
  let lost = 0;
  for (let row = 0; row < entityOfRow.length; row++) {
    const entity = entityOfRow[row]!;
    if (entity >= 0 && starts[entity * width] === LOST) lost++;
  }
  return lost;
}

/** A null is stored as nothing; somebody else may have written `null_val` (field 19, a varint of one byte). */
function isStoredNull(bytes: Uint8Array, start: number, length: number): boolean {
  return length === 0 || (length === 3 && bytes[start] === 0x98 && bytes[start + 1] === 0x01);
}

/**
 * Which entities' rows of a view are too old, one byte each; `undefined` = none is. Feast's Go and Java rule: whole
 * seconds, strictly more than the TTL, and a row without event timestamp does not age.
 */
function expiredEntities(
  { cells: { buffers, starts, ends }, width, entityCount }: GroupRows,
  { ttlSeconds, timestampCell }: GroupViewPlan,
  { enforceTtl, nowSeconds }: StatusRules,
): Uint8Array | undefined {
  if (!enforceTtl || ttlSeconds === 0) return undefined;
  let expired: Uint8Array | undefined;
  for (let entity = 0; entity < entityCount; entity++) {
    const cell = entity * width + timestampCell;
    const start = starts[cell]!;
    if (start < 0) continue;
    const eventSeconds = timestampSeconds(buffers[entity]!, start, ends[cell]!);
    if (nowSeconds - eventSeconds > ttlSeconds) {
      expired ??= new Uint8Array(entityCount);
      expired[entity] = 1;
    }
  }
  return expired;
}

function entityColumnBytes({ starts, ends }: EntityColumn, rowCount: number): number {
  let bytes = 0;
  for (let row = 0; row < rowCount; row++) {
    const length = ends[row]! - starts[row]!;
    bytes += 1 + varintSize(length) + length;
  }
  return bytes;
}
