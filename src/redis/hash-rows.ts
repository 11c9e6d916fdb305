import type { HashCells } from './read-hash-reply.ts';
import { letGoOfSlab, type ReceiveSlab } from './receive-slab.ts';

/** Where the cells of some hashes begin and end, aligned. */
interface CellPositions {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** Positions of so many cells that wait to be used again, and how many cells all of them have. */
const free = new Map<number, CellPositions[]>();
const MAX_FREE_CELLS = 512 * 1024;
const MAX_FREE_OF_LENGTH = 32;
let freeCells = 0;

/** With whatever was in them. */
function takePositions(length: number): CellPositions {
  const used = free.get(length)?.pop();
  if (used === undefined) {
    return { starts: new Int32Array(length), ends: new Int32Array(length) };
  }
  freeCells -= length;
  return used;
}

function givePositionsBack(positions: CellPositions): void {
  const { length } = positions.starts;
  if (freeCells + length > MAX_FREE_CELLS) {
    // Lengths that were read once are not kept for ever.
    free.clear();
    freeCells = 0;
  }
  let same = free.get(length);
  if (same === undefined) {
    same = [];
    free.set(length, same);
  }
  if (same.length < MAX_FREE_OF_LENGTH) {
    same.push(positions);
    freeCells += length;
  }
}

/** The values of some hashes, and the slabs that they lie in. */
export class HashRows implements HashCells {
  readonly buffers: Uint8Array[];
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  private readonly positions: CellPositions;
  /** What its values lie in: mostly one slab. */
  private slab: ReceiveSlab | undefined = undefined;
  private otherSlabs: ReceiveSlab[] | undefined = undefined;
  private isReleased = false;

  /** Cells hold anything until they are read. */
  constructor(rowCount: number, width: number) {
    this.buffers = [];
    for (let row = 0; row < rowCount; row++) this.buffers.push(NO_BYTES);
    this.positions = takePositions(rowCount * width);
    this.starts = this.positions.starts;
    this.ends = this.positions.ends;
  }

  /** The values of a row lie in this slab. */
  put(index: number, slab: ReceiveSlab): void {
    this.buffers[index] = slab.bytes;
    if (slab === this.slab || this.otherSlabs?.includes(slab) === true) return;
    slab.holders++;
    if (this.slab === undefined) this.slab = slab;
    else (this.otherSlabs ??= []).push(slab);
  }

  /**
   * Gives the memory back, to be used for other reads: nothing in here may be looked at any more. Where it is not called the
   * memory is the garbage collector's.
   */
  release(): void {
    if (this.isReleased) {
      return;
    }
    this.isReleased = true;
    // Who looks all the same finds no buffer, not somebody else's values.
    this.buffers.length = 0;
    if (this.slab !== undefined) letGoOfSlab(this.slab);
    if (this.otherSlabs !== undefined) for (const slab of this.otherSlabs) letGoOfSlab(slab);
    givePositionsBack(this.positions);
  }
}

const NO_BYTES = new Uint8Array(0);
