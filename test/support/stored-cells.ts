import { createCellSlab } from '../../src/online-store/cell-slab.ts';
import type {
  EntityRead,
  OnlineStore,
  ReadOptions,
  StoredCells,
} from '../../src/online-store/online-store.ts';

/** One cell by itself: its bytes, or `null` where the store holds nothing. */
export type Cell = Uint8Array | null;

/** Cells as a store returns them. @param cells one entity after the other. */
export function storedCells(cells: readonly Cell[], width: number): StoredCells {
  const slab = createCellSlab(cells.length / width, width);
  for (const [index, cell] of cells.entries()) {
    if (cell !== null) slab.put(index, cell);
  }
  return slab.cells();
}

/** `store.read`, its cells taken out of their buffers: an array per group, one entity after the other. */
export async function readCells(
  store: OnlineStore,
  reads: readonly EntityRead[],
  limits: ReadOptions,
): Promise<Cell[][]> {
  const results = await store.read(reads, limits);
  return results.map(({ buffers, starts, ends }, g) => {
    const { width } = reads[g]!.prepared;
    return Array.from(starts, (start, index) =>
      start < 0 ? null : buffers[Math.floor(index / width)]!.subarray(start, ends[index]),
    );
  });
}
