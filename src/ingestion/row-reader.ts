import { DuckDBTypeId } from '@duckdb/node-api';
import type { DuckDBDataChunk, DuckDBResult, DuckDBType } from '@duckdb/node-api';
import { sortJoinKeys, type EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import { ValueType, isEntityKeyType, valueTypeName } from '../feast-encoding/value-type.ts';
import type { FieldDefinition, ViewDefinition } from '../registry/registry-model.ts';
import type { Cells } from './cells.ts';
import { compileColumnCells } from './column-cells.ts';
import { invalidSourceData, replacedSource } from './ingestion-error.ts';
import { compileKeyCells, type KeyCells } from './key-cells.ts';
import { MomentColumn } from './moment-column.ts';
import { compileScalarReader } from './scalar-reader.ts';
import { DUMMY_JOIN_KEY } from './source-columns.ts';
import type { SourceColumn, SourceColumns } from './source-columns.ts';
import {
  describeMisfit,
  joinKeyExpression,
  joinKeyType,
  momentExpression,
} from './source-queries.ts';

/** A source's columns, matched with what the view declares and ready to be read. */
export interface RowReader {
  /** Join keys with the types that their values are written with, aligned with `columns.joinKeys`. */
  readonly joinKeys: readonly FieldDefinition[];
  /** All join keys of the view, in the order of the entity key. */
  readonly sortedJoinKeys: readonly string[];
  /**
   * Adds one row of `SourceQueries.latestRows` to those that are written.
   *
   * @param slab as wide as the view has features.
   * @returns `undefined`, or the name of what its declared type cannot hold: then nothing is added.
   */
  readonly read: (chunk: DuckDBDataChunk, row: number, slab: RowSlab) => string | undefined;
  /**
   * Makes sure that a result has the types that `read` takes its memory for.
   *
   * @throws SideboardError INVALID_SOURCE_DATA where it has others: files were replaced since their columns were looked at.
   */
  readonly requireTypes: (rows: Pick<DuckDBResult, 'columnTypeId'>) => void;
  /** Column of the chunk where the row's position begins. */
  readonly positionAt: number;
}

/** Columns of `latestRows`: event timestamp, created timestamp, join keys, features, position. */
const EVENT_AT = 0;
const CREATED_AT = 1;
const JOIN_KEYS_AT = 2;

/**
 * Matches the columns of a source with a view.
 *
 * @throws SideboardError INVALID_SOURCE_DATA naming every column whose type cannot be read as what the view declares.
 */
export function compileRowReader(
  view: ViewDefinition,
  columns: SourceColumns,
  version: EntityKeyVersion,
): RowReader {
  const declared = new Map(view.joinKeys.map(({ name, valueType }) => [name, valueType]));
  const joinKeys = columns.joinKeys.map((column) => ({
    name: column.name,
    valueType: joinKeyType(column, declared.get(column.name)!),
  }));
  const featuresAt = JOIN_KEYS_AT + joinKeys.length;
  const cells = columns.features.map((column, i) =>
    compileColumnCells(view.features[i]!.valueType, column.type, featuresAt + i),
  );
  const misfits = [
    ...momentMisfits(columns),
    ...columns.joinKeys.flatMap((column, i) => joinKeyMisfit(column, joinKeys[i]!.valueType)),
    ...columns.features.flatMap((column, i) =>
      cells[i] === undefined ? [describeMisfit(column, view.features[i]!.valueType)] : [],
    ),
  ];
  if (misfits.length > 0) {
    throw invalidSourceData(view.name, misfits.join('; '));
  }
  const key = compileKeyCells(joinKeys, columns.joinKeys, JOIN_KEYS_AT, version);
  const typeIds = [
    ...columns.joinKeys.map(({ type }, i) => keyTypeId(joinKeys[i]!.valueType, type)),
    ...columns.features.map(({ type }) => shownTypeId(type)),
  ];
  return {
    joinKeys,
    sortedJoinKeys:
      joinKeys.length === 0 ? [DUMMY_JOIN_KEY] : sortJoinKeys(joinKeys.map(({ name }) => name)),
    requireTypes(rows) {
      if (typeIds.some((typeId, i) => rows.columnTypeId(JOIN_KEYS_AT + i) !== typeId)) {
        throw replacedSource(view.name, 'a file');
      }
    },
    positionAt: featuresAt + cells.length,
    read: compileRead(view, columns, cells as Cells[], key),
  };
}

function compileRead(
  view: ViewDefinition,
  columns: SourceColumns,
  cells: readonly Cells[],
  key: KeyCells,
): RowReader['read'] {
  const event = new MomentColumn(EVENT_AT, columns.eventTimestamp.type.typeId);
  const created = new MomentColumn(CREATED_AT, columns.createdTimestamp?.type.typeId);
  const keyNames = columns.joinKeys.map(({ name }) => name).join(', ');
  let attached: DuckDBDataChunk | undefined;
  return (chunk, row, slab) => {
    if (chunk !== attached) {
      attached = chunk;
      for (const part of [event, created, key, ...cells]) part.attach(chunk);
    }
    slab.beginRow();
    for (let i = 0; i < cells.length; i++) {
      slab.beginCell(i + 1);
      if (!cells[i]!.write(row, slab.out)) {
        return view.features[i]!.name;
      }
      slab.endCell(i + 1);
    }
    slab.beginCell(0);
    if (!key.write(row, slab.out)) {
      return keyNames;
    }
    slab.endCell(0);
    const seconds = event.seconds(row);
    if (Number.isNaN(seconds)) {
      return columns.eventTimestamp.name;
    }
    const createdSeconds = created.seconds(row);
    const createdNanos = Number.isNaN(createdSeconds) ? 0 : created.nanos(row, createdSeconds);
    slab.endRow(seconds, event.nanos(row, seconds), createdSeconds, createdNanos);
    return undefined;
  };
}

/** Type of a join key's column of `latestRows`. */
function keyTypeId(valueType: number, type: DuckDBType): DuckDBTypeId {
  const isAsItIs = valueType === ValueType.STRING || valueType === ValueType.BYTES;
  return isAsItIs ? type.typeId : DuckDBTypeId.BIGINT;
}

/** DuckDB's results show columns without a type as INTEGER. */
function shownTypeId({ typeId }: DuckDBType): DuckDBTypeId {
  return typeId === DuckDBTypeId.SQLNULL ? DuckDBTypeId.INTEGER : typeId;
}

function momentMisfits(columns: SourceColumns): string[] {
  const moments =
    columns.createdTimestamp === undefined
      ? [columns.eventTimestamp]
      : [columns.eventTimestamp, columns.createdTimestamp];
  return moments
    .filter((column) => momentExpression(column) === undefined)
    .map((column) => describeMisfit(column, 'moment'));
}

function joinKeyMisfit(column: SourceColumn, valueType: number): string[] {
  if (!isEntityKeyType(valueType)) {
    return [
      `join key ${column.name} is declared as ${valueTypeName(valueType)}; entity keys hold STRING, BYTES, INT32, INT64 and UNIX_TIMESTAMP`,
    ];
  }
  const fits =
    joinKeyExpression(column, valueType) !== undefined &&
    (valueType !== ValueType.STRING || compileScalarReader(valueType, column.type) !== undefined);
  return fits ? [] : [describeMisfit(column, valueType)];
}
