import duckdb from '@duckdb/node-bindings';
import type { DuckDBDataChunk } from '@duckdb/node-api';
import { copyBytes } from '../feast-encoding/copy-bytes.ts';
import type { GrowingBytes } from '../feast-encoding/growing-bytes.ts';

/** Texts and blobs lie in their column as 16 bytes: length u32, then themselves up to here, else four letters and a pointer. */
const TEXT_BYTES = 16;
const MAX_INLINE_BYTES = 12;
const INLINE_AT = 4;
const POINTER_AT = 8;

const NOTHING = new Uint8Array(0);

/**
 * One column of a chunk, read where DuckDB keeps it (its documented vector format: items back to back, and a bit per item that is
 * no null), so that nothing is made per value. What it gives out is valid while the chunk is held that it was attached to.
 */
export class ColumnData {
  /** The items as they are: 8 bytes for BIGINT and DOUBLE, 4 for INTEGER and FLOAT, 1 for BOOLEAN, 16 for VARCHAR and BLOB. */
  bytes: Uint8Array = NOTHING;
  /** The same memory, where items have four bytes or more. */
  ints: Int32Array = new Int32Array(0);
  private readonly index: number;
  private readonly itemBytes: number;
  private validity: Uint8Array | undefined;

  /** @param index of the column in its chunk. */
  constructor(index: number, itemBytes: number) {
    this.index = index;
    this.itemBytes = itemBytes;
  }

  /** A column of texts or blobs. */
  static ofTexts(index: number): ColumnData {
    return new ColumnData(index, TEXT_BYTES);
  }

  /** Goes over to a chunk. */
  attach({ chunk, rowCount }: DuckDBDataChunk): void {
    const vector = duckdb.data_chunk_get_vector(chunk, this.index);
    this.bytes = duckdb.vector_get_data(vector, rowCount * this.itemBytes);
    const { buffer, byteOffset, byteLength } = this.bytes;
    this.ints =
      this.itemBytes >= 4 ? new Int32Array(buffer, byteOffset, byteLength >> 2) : this.ints;
    // Absent where nothing is null, whatever its type says.
    const validity = duckdb.vector_get_validity(
      vector,
      8 * Math.ceil(rowCount / 64),
    ) as Uint8Array | null;
    this.validity = validity ?? undefined;
  }

  isNull(row: number): boolean {
    const { validity } = this;
    return validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0;
  }

  /** Bytes of a text or blob. */
  textLength(row: number): number {
    return this.ints[row * (TEXT_BYTES >> 2)]!;
  }

  /** Copies a text or blob. */
  putText(row: number, out: GrowingBytes): void {
    const length = this.textLength(row);
    const at = row * TEXT_BYTES;
    if (length > MAX_INLINE_BYTES) {
      const { buffer, byteOffset } = this.bytes;
      out.put(
        duckdb.get_data_from_pointer(buffer as ArrayBuffer, byteOffset + at + POINTER_AT, length),
      );
      return;
    }
    out.reserve(length);
    const from = at + INLINE_AT;
    out.at = copyBytes(out.bytes, out.at, this.bytes, from, from + length);
  }
}
