import { Buffer } from 'node:buffer';
import { DuckDBTypeId } from '@duckdb/node-api';
import type { DuckDBDataChunk } from '@duckdb/node-api';
import {
  compileEntityKeyPrefix,
  ENTITY_VALUE_HEADER_BYTES,
  serializeEntityValue,
  sortJoinKeys,
  writeEntityHeader,
  writeEntityInt32,
  writeEntityInt64,
  type EntityKeyVersion,
} from '../feast-encoding/entity-key.ts';
import type { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import type { FieldDefinition } from '../registry/registry-model.ts';
import { DataCells, ItemCells, type Cells } from './cells.ts';
import { ColumnData } from './column-data.ts';
import { compileScalarReader, type ScalarReader } from './scalar-reader.ts';
import { DUMMY_JOIN_KEY, type SourceColumn } from './source-columns.ts';

/** Writes entity keys; false where a value of a join key is null or does not fit. */
export type KeyCells = Cells;

/**
 * Entity keys of a view; those of a view without entities are all the same one. Integers and timestamps have been made BIGINT by
 * the query, which leaves nulls out as well: one is found where a file was replaced meanwhile.
 *
 * @param columns aligned with `joinKeys`; the first one is column `joinKeysAt` of its chunk.
 */
export function compileKeyCells(
  joinKeys: readonly FieldDefinition[],
  columns: readonly SourceColumn[],
  joinKeysAt: number,
  version: EntityKeyVersion,
): KeyCells {
  if (joinKeys.length === 0) {
    const prefix = compileEntityKeyPrefix([DUMMY_JOIN_KEY], version);
    const value = { type: ValueType.STRING, value: '' };
    const key = Buffer.concat([prefix, serializeEntityValue(value, DUMMY_JOIN_KEY)]);
    return new JoinedParts(key, []);
  }
  const sorted = sortJoinKeys(joinKeys.map(({ name }) => name));
  const parts = sorted.map((name) => {
    const i = joinKeys.findIndex((joinKey) => joinKey.name === name);
    return compilePart(joinKeys[i]!, columns[i]!, joinKeysAt + i);
  });
  return new JoinedParts(compileEntityKeyPrefix(sorted, version), parts);
}

function compilePart(
  { name, valueType }: FieldDefinition,
  { type }: SourceColumn,
  index: number,
): Cells {
  switch (valueType) {
    case ValueType.STRING:
      return type.typeId === DuckDBTypeId.VARCHAR
        ? new TextPart(valueType, index)
        : new SpelledPart(name, compileScalarReader(valueType, type)!, index);
    case ValueType.BYTES:
      return new TextPart(valueType, index);
    default:
      return new IntegerPart(valueType, index);
  }
}

class JoinedParts implements KeyCells {
  private readonly prefix: Uint8Array;
  private readonly parts: readonly Cells[];

  constructor(prefix: Uint8Array, parts: readonly Cells[]) {
    this.prefix = prefix;
    this.parts = parts;
  }

  attach(chunk: DuckDBDataChunk): void {
    for (const part of this.parts) part.attach(chunk);
  }

  write(row: number, out: GrowingBytes): boolean {
    out.put(this.prefix);
    for (const part of this.parts) {
      if (!part.write(row, out)) return false;
    }
    return true;
  }
}

class IntegerPart extends DataCells {
  private readonly valueType: number;

  constructor(valueType: number, index: number) {
    super(new ColumnData(index, 8));
    this.valueType = valueType;
  }

  write(row: number, out: GrowingBytes): boolean {
    if (this.column.isNull(row)) return false;
    const low = this.column.ints[2 * row]!;
    const high = this.column.ints[2 * row + 1]!;
    out.reserve(ENTITY_VALUE_HEADER_BYTES + 8);
    out.at =
      this.valueType === ValueType.INT32
        ? writeEntityInt32(out.bytes, out.at, low)
        : writeEntityInt64(out.bytes, out.at, this.valueType, low, high);
    return true;
  }
}

class TextPart extends DataCells {
  private readonly valueType: number;

  constructor(valueType: number, index: number) {
    super(ColumnData.ofTexts(index));
    this.valueType = valueType;
  }

  write(row: number, out: GrowingBytes): boolean {
    if (this.column.isNull(row)) return false;
    out.reserve(ENTITY_VALUE_HEADER_BYTES);
    const length = this.column.textLength(row);
    out.at = writeEntityHeader(out.bytes, out.at, this.valueType, length);
    this.column.putText(row, out);
    return true;
  }
}

/** Text of what is none in its column. */
class SpelledPart extends ItemCells {
  private readonly name: string;
  private readonly read: ScalarReader;

  constructor(name: string, read: ScalarReader, index: number) {
    super(index);
    this.name = name;
    this.read = read;
  }

  write(row: number, out: GrowingBytes): boolean {
    const item = this.item(row);
    const value = item === null ? undefined : this.read(item);
    if (value === undefined) return false;
    out.put(serializeEntityValue({ type: ValueType.STRING, value: value as string }, this.name));
    return true;
  }
}
