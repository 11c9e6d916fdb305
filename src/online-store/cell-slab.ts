import { Buffer } from 'node:buffer';
import { ABSENT, type StoredCells } from './online-store.ts';

/** Cells of one entity group, copied one by one into a buffer that they all share. */
export interface CellSlab {
  /** Puts bytes into a cell, by its index in `StoredCells.starts`; a cell that is put again holds the later bytes. */
  put(index: number, bytes: Uint8Array): void;
  /** What has been put so far; nothing may be put after this. */
  cells(): StoredCells;
}

/** A guess at a value's size, for the first buffer. */
const BYTES_PER_CELL = 16;

/** Makes room for `entityCount` entities of `width` cells each, all absent. */
export function createCellSlab(entityCount: number, width: number): CellSlab {
  const starts = new Int32Array(entityCount * width).fill(ABSENT);
  const ends = new Int32Array(entityCount * width);
  let slab: Buffer = Buffer.allocUnsafe(entityCount * width * BYTES_PER_CELL);
  let end = 0;
  return {
    put(index, bytes) {
      if (end + bytes.length > slab.length) {
        const larger = Buffer.allocUnsafe(2 * (end + bytes.length));
        slab.copy(larger, 0, 0, end);
        slab = larger;
      }
      slab.set(bytes, end);
      starts[index] = end;
      end += bytes.length;
      ends[index] = end;
    },
    cells: () => ({ buffers: Array.from({ length: entityCount }, () => slab), starts, ends }),
  };
}
