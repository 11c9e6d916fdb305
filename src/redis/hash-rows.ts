import type { HashCells } from './read-hash-reply.ts';
import { letGoOfSlab, type ReceiveSlab } from './receive-slab.ts';

/** Arrays of one length that wait to be used again, and how many numbers all of them may hold. */
const free = new Map<number, Int32Array[]>();
const MAX_FREE_NUMBERS = 1024 * 1024;
const MAX_FREE_OF_LENGTH = 32;
let freeNumbers = 0;

/** With whatever was in it. */
function takeNumbers(length: number): Int32Array {
  const used = free.get(length)?.pop();
  if (used === undefined) {
    return new Int32Array(length);
  }
  freeNumbers -= length;
  return used;
}

function giveNumbersBack(numbers: Int32Array): void {
  const { length } = numbers;
  if (freeNumbers + length > MAX_FREE_NUMBERS) {
    // Lengths that were read once are not kept for ever.
    free.clear();
    freeNumbers = 0;
  }
  let same = free.get(length);
  if (same === undefined) {
    same = [];
    free.set(length, same);
  }
  if (same.length < MAX_FREE_OF_LENGTH) {
    same.push(numbers);
    freeNumbers += length;
  }
}

/** The values of some hashes, and the slabs that they lie in. */
export class HashRows implements HashCells {
  readonly buffers: Uint8Array[];
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  private slabs: ReceiveSlab[] = [];
  private isReleased = false;

  /** Cells hold anything until they are read. */
  constructor(rowCount: number, width: number) {
    this.buffers = Array.from({ length: rowCount }, () => NO_BYTES);
    this.starts = takeNumbers(rowCount * width);
    this.ends = takeNumbers(rowCount * width);
  }

  /** The values of a row lie in this slab. */
  put(index: number, slab: ReceiveSlab): void {
    this.buffers[index] = slab.bytes;
    if (!this.slabs.includes(slab)) {
      slab.holders++;
      this.slabs.push(slab);
    }
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
    for (const slab of this.slabs) letGoOfSlab(slab);
    this.slabs = [];
    giveNumbersBack(this.starts);
    giveNumbersBack(this.ends);
  }
}

const NO_BYTES = new Uint8Array(0);
