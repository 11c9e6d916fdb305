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
