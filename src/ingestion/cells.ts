import type { DuckDBDataChunk, DuckDBValue, DuckDBVector } from '@duckdb/node-api';
import type { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import type { ColumnData } from './column-data.ts';

/** Writes a cell of every row: the values of one column as encoded `feast.types.Value`s, or entity keys. */
export interface Cells {
  /** Goes over to a chunk, which has to be held while its rows are written. */
  attach(chunk: DuckDBDataChunk): void;
  /** Writes the cell of a row, nothing for a null; false = it does not fit, and what was written of it means nothing. */
  write(row: number, out: GrowingBytes): boolean;
}

/** Cells of a column that is read where DuckDB keeps it. */
export abstract class DataCells implements Cells {
  protected readonly column: ColumnData;

  constructor(column: ColumnData) {
    this.column = column;
  }

  attach(chunk: DuckDBDataChunk): void {
    this.column.attach(chunk);
  }

  abstract write(row: number, out: GrowingBytes): boolean;
}

/** Cells of a column that is read item by item. */
export abstract class ItemCells implements Cells {
  private readonly index: number;
  private vector: DuckDBVector | undefined;

  /** @param index of the column in its chunk. */
  constructor(index: number) {
    this.index = index;
  }

  attach(chunk: DuckDBDataChunk): void {
    this.vector = chunk.getColumnVector(this.index);
  }

  abstract write(row: number, out: GrowingBytes): boolean;

  protected item(row: number): DuckDBValue {
    return this.vector!.getItem(row);
  }
}
