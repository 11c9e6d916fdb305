/**
 * Encoded values of several columns end to end, as they cross from one thread to another: one buffer that is handed over,
 * not copied. Value (column, row) is number `column * rowCount + row`.
 */
export interface ColumnSlab {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each value ends; the next begins there. */
  readonly ends: Int32Array<ArrayBuffer>;
}

/** @param valueAt its answers are used before it is called again. */
export function packColumns(
  columnCount: number,
  rowCount: number,
  valueAt: (column: number, row: number) => Uint8Array,
): ColumnSlab {
  const ends = new Int32Array(columnCount * rowCount);
  let bytes = new Uint8Array(16 * ends.length + 64);
  let at = 0;
  for (let column = 0; column < columnCount; column++) {
    for (let row = 0; row < rowCount; row++) {
      const value = valueAt(column, row);
      if (at + value.length > bytes.length) {
        const larger = new Uint8Array(2 * (bytes.length + value.length));
        larger.set(bytes);
        bytes = larger;
      }
      bytes.set(value, at);
      at += value.length;
      ends[column * rowCount + row] = at;
    }
  }
  return { bytes, ends };
}

/** The value of a number. */
export function slabValue({ bytes, ends }: ColumnSlab, index: number): Uint8Array {
  return bytes.subarray(index === 0 ? 0 : ends[index - 1]!, ends[index]);
}
