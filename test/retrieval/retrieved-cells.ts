import type { RetrievedFeatures } from '../../src/retrieval/retrieved-features.ts';

/** The status at (output column, row). */
export function statusAt(
  { statuses, rowCount }: RetrievedFeatures,
  column: number,
  row: number,
): number | undefined {
  return statuses[column * rowCount + row];
}

/** The encoded `feast.types.Value` at (output column, row); empty = unset. */
export function valueAt(
  { plan, entityColumns, groups }: RetrievedFeatures,
  column: number,
  row: number,
): Uint8Array {
  const entityColumn = entityColumns[column];
  if (entityColumn !== undefined) {
    return entityColumn.bytes.subarray(entityColumn.starts[row], entityColumn.ends[row]);
  }
  const { cells, width, entityOfRow } = groups[plan.groupOfColumn[column]!]!;
  const entity = entityOfRow[row]!;
  const cell = entity * width + plan.cellOfColumn[column]!;
  const start = entity < 0 ? -1 : cells.starts[cell]!;
  return start < 0 ? new Uint8Array(0) : cells.buffers[entity]!.subarray(start, cells.ends[cell]);
}

/** The encoded `google.protobuf.Timestamp` at (output column, row); empty = the epoch, also where nothing is known. */
export function timestampAt(
  { plan, groups }: RetrievedFeatures,
  column: number,
  row: number,
): Uint8Array {
  const group = plan.groupOfColumn[column]!;
  if (group < 0) return new Uint8Array(0);
  const { timestampCell } = plan.groups[group]!.views[plan.viewOfColumn[column]!]!;
  const { cells, width, entityOfRow } = groups[group]!;
  const entity = entityOfRow[row]!;
  if (entity < 0) return new Uint8Array(0);
  const at = entity * width + timestampCell;
  const start = cells.starts[at]!;
  return start < 0 ? new Uint8Array(0) : cells.buffers[entity]!.subarray(start, cells.ends[at]);
}
