import { DuckDBTypeId } from '@duckdb/node-api';
import type { DuckDBDataChunk, DuckDBType } from '@duckdb/node-api';
import type { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { appendTypedValue } from '../feast-encoding/value-writer.ts';
import { MAX_VARINT_BYTES, writeVarint, writeVarintHalves } from '../feast-encoding/varint.ts';
import { WireType } from '../feast-encoding/wire.ts';
import { DataCells, ItemCells, type Cells } from './cells.ts';
import { ColumnData } from './column-data.ts';
import { compileValueConversion } from './value-conversion.ts';
import type { ValueConversion } from './value-conversion.ts';

/**
 * How a column of type `type` becomes cells of type `valueType`, with the bytes that `compileValueConversion` and
 * `appendTypedValue` give. Columns that hold what is wanted as it is are copied without a look at single values.
 *
 * @param index of the column in its chunk.
 * @returns `undefined` where the column cannot hold such values.
 */
export function compileColumnCells(
  valueType: number,
  type: DuckDBType,
  index: number,
): Cells | undefined {
  const plain = compilePlainCells(valueType, type.typeId, index);
  if (plain !== undefined) return plain;
  const convert = compileValueConversion(valueType, type);
  return convert === undefined ? undefined : new ConvertedCells(convert, index);
}

function compilePlainCells(
  valueType: number,
  typeId: DuckDBTypeId,
  index: number,
): Cells | undefined {
  const isWide = typeId === DuckDBTypeId.BIGINT || typeId === DuckDBTypeId.DOUBLE;
  switch (typeId) {
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.INTEGER:
      return valueType === ValueType.INT64 || valueType === ValueType.INT32
        ? new IntegerCells(valueType, index, isWide)
        : undefined;
    case DuckDBTypeId.DOUBLE:
    case DuckDBTypeId.FLOAT:
      return valueType === ValueType.DOUBLE || valueType === ValueType.FLOAT
        ? new FloatCells(valueType, index, isWide)
        : undefined;
    case DuckDBTypeId.BOOLEAN:
      return valueType === ValueType.BOOL ? new BooleanCells(index) : undefined;
    case DuckDBTypeId.VARCHAR:
      return valueType === ValueType.STRING ? new TextCells(valueType, index) : undefined;
    case DuckDBTypeId.BLOB:
      return valueType === ValueType.BYTES ? new TextCells(valueType, index) : undefined;
    default:
      return undefined;
  }
}

class IntegerCells extends DataCells {
  private readonly tag: number;
  private readonly isWide: boolean;
  private readonly fitsAll: boolean;

  constructor(valueType: number, index: number, isWide: boolean) {
    super(new ColumnData(index, isWide ? 8 : 4));
    this.tag = valueType << 3;
    this.isWide = isWide;
    this.fitsAll = valueType === ValueType.INT64;
  }

  write(row: number, out: GrowingBytes): boolean {
    const { column, isWide } = this;
    if (column.isNull(row)) return true;
    const low = column.ints[isWide ? 2 * row : row]!;
    const high = isWide ? column.ints[2 * row + 1]! : low >> 31;
    if (!this.fitsAll && high !== low >> 31) return false;
    out.reserve(1 + MAX_VARINT_BYTES);
    const { bytes } = out;
    bytes[out.at] = this.tag;
    out.at = writeVarintHalves(bytes, out.at + 1, low, high);
    return true;
  }
}

class FloatCells extends DataCells {
  private readonly isWide: boolean;
  private readonly isDouble: boolean;
  private floats: Float64Array | Float32Array = new Float64Array(0);

  constructor(valueType: number, index: number, isWide: boolean) {
    super(new ColumnData(index, isWide ? 8 : 4));
    this.isWide = isWide;
    this.isDouble = valueType === ValueType.DOUBLE;
  }

  override attach(chunk: DuckDBDataChunk): void {
    super.attach(chunk);
    const { buffer, byteOffset, byteLength } = this.column.bytes;
    this.floats = this.isWide
      ? new Float64Array(buffer, byteOffset, byteLength >> 3)
      : new Float32Array(buffer, byteOffset, byteLength >> 2);
  }

  /** NaN is a null. */
  write(row: number, out: GrowingBytes): boolean {
    const value = this.floats[row]!;
    if (this.column.isNull(row) || Number.isNaN(value)) return true;
    out.reserve(1 + 8);
    const { bytes } = out;
    if (this.isDouble) {
      bytes[out.at] = (ValueType.DOUBLE << 3) | WireType.FIXED64;
      out.at = bytes.writeDoubleLE(value, out.at + 1);
    } else {
      bytes[out.at] = (ValueType.FLOAT << 3) | WireType.FIXED32;
      out.at = bytes.writeFloatLE(value, out.at + 1);
    }
    return true;
  }
}

class BooleanCells extends DataCells {
  constructor(index: number) {
    super(new ColumnData(index, 1));
  }

  write(row: number, out: GrowingBytes): boolean {
    if (this.column.isNull(row)) return true;
    out.reserve(2);
    out.bytes[out.at++] = ValueType.BOOL << 3;
    out.bytes[out.at++] = this.column.bytes[row]!;
    return true;
  }
}

/** Texts, which DuckDB has as UTF-8, and bytes. */
class TextCells extends DataCells {
  private readonly tag: number;

  constructor(valueType: number, index: number) {
    super(ColumnData.ofTexts(index));
    this.tag = (valueType << 3) | WireType.BYTES;
  }

  write(row: number, out: GrowingBytes): boolean {
    const { column } = this;
    if (column.isNull(row)) return true;
    out.reserve(1 + MAX_VARINT_BYTES);
    out.bytes[out.at] = this.tag;
    out.at = writeVarint(out.bytes, out.at + 1, column.textLength(row));
    column.putText(row, out);
    return true;
  }
}

/** Everything else, value by value. */
class ConvertedCells extends ItemCells {
  private readonly convert: ValueConversion;

  constructor(convert: ValueConversion, index: number) {
    super(index);
    this.convert = convert;
  }

  write(row: number, out: GrowingBytes): boolean {
    const value = this.convert(this.item(row));
    if (value === undefined) return false;
    appendTypedValue(out, value);
    return true;
  }
}
