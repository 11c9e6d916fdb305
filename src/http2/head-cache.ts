import type { DecodedHead } from './request-head.ts';

/** Longer header blocks are not worth comparing; a block of indexes has a byte per field. */
const MAX_BLOCK_BYTES = 256;

/**
 * The last header block of a connection and what it meant. A client that calls one method sends the same block again and
 * again, as indexes into a table that no longer changes; it is then read by comparing its bytes.
 */
export class HeadCache {
  private readonly block = new Uint8Array(MAX_BLOCK_BYTES);
  private length = -1;
  private tableVersion = -1;
  private head: DecodedHead | undefined;

  /** The head of an equal block, if the table is still as it was. */
  find(
    bytes: Uint8Array,
    start: number,
    end: number,
    tableVersion: number,
  ): DecodedHead | undefined {
    if (end - start !== this.length || tableVersion !== this.tableVersion) return undefined;
    return areEqual(this.block, bytes, start, this.length) ? this.head : undefined;
  }

  /** Keeps the head of a block that did not change the table. */
  keep(
    bytes: Uint8Array,
    start: number,
    end: number,
    tableVersion: number,
    head: DecodedHead,
  ): void {
    if (end - start > MAX_BLOCK_BYTES) return;
    this.block.set(bytes.subarray(start, end));
    this.length = end - start;
    this.tableVersion = tableVersion;
    this.head = head;
  }
}

function areEqual(block: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (block[i] !== bytes[start + i]) return false;
  }
  return true;
}
