import type { DuckDBDataChunk, DuckDBValue } from '@duckdb/node-api';
import { DuckDBBlobValue, DuckDBTypeId } from '@duckdb/node-api';
import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import {
  compileEntityKeyPrefix,
  serializeEntityValue,
  sortJoinKeys,
} from '../feast-encoding/entity-key.ts';
import { writeTypedValue } from '../feast-encoding/value-writer.ts';
import { ValueType, isEntityKeyType, valueTypeName } from '../feast-encoding/value-type.ts';
import type { WriteRow } from '../online-store/online-store.ts';
import type { FieldDefinition, ViewDefinition } from '../registry/registry-model.ts';
import { invalidSourceData } from './ingestion-error.ts';
import { compileScalarReader } from './scalar-reader.ts';
import { DUMMY_JOIN_KEY } from './source-columns.ts';
import type { SourceColumn, SourceColumns } from './source-columns.ts';
import {
  describeMisfit,
  joinKeyExpression,
  joinKeyType,
  momentExpression,
} from './source-queries.ts';
import { compileValueConversion } from './value-conversion.ts';
import type { ValueConversion } from './value-conversion.ts';

/** A source's columns, matched with what the view declares and ready to be read. */
export interface RowReader {
  /** Join keys with the types that their values are written with, aligned with `columns.joinKeys`. */
  readonly joinKeys: readonly FieldDefinition[];
  /** All join keys of the view, in the order of the entity key. */
  readonly sortedJoinKeys: readonly string[];
  /** Turns one row of `SourceQueries.latestRows` into what is written, or into the feature that does not fit. */
  readonly read: (chunk: DuckDBDataChunk, row: number) => WriteRow | Misfit;
  /** Column of the chunk where the row's position begins. */
  readonly positionAt: number;
}

/** A row with a value that its declared type cannot hold. */
export interface Misfit {
  readonly misfit: string;
}

const NANOS_PER_MICRO = 1000n;

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
  const conversions = columns.features.map((column, i) =>
    compileValueConversion(view.features[i]!.valueType, column.type),
  );
  const misfits = [
    ...momentMisfits(columns),
    ...columns.joinKeys.flatMap((column, i) => joinKeyMisfit(column, joinKeys[i]!.valueType)),
    ...columns.features.flatMap((column, i) =>
      conversions[i] === undefined ? [describeMisfit(column, view.features[i]!.valueType)] : [],
    ),
  ];
  if (misfits.length > 0) {
    throw invalidSourceData(view.name, misfits.join('; '));
  }
  const featuresAt = JOIN_KEYS_AT + joinKeys.length;
  const keyWriter = compileKeyWriter(joinKeys, columns.joinKeys, version);
  return {
    joinKeys,
    sortedJoinKeys:
      joinKeys.length === 0 ? [DUMMY_JOIN_KEY] : sortJoinKeys(joinKeys.map(({ name }) => name)),
    positionAt: featuresAt + conversions.length,
    read: compileRead(view, columns, conversions as ValueConversion[], keyWriter, featuresAt),
  };
}

function compileRead(
  view: ViewDefinition,
  columns: SourceColumns,
  conversions: readonly ValueConversion[],
  writeKey: (chunk: DuckDBDataChunk, row: number) => Uint8Array | undefined,
  featuresAt: number,
): RowReader['read'] {
  const eventUnit = columns.eventTimestamp.type.typeId;
  const createdUnit = columns.createdTimestamp?.type.typeId;
  return (chunk, row) => {
    const values: Uint8Array[] = [];
    for (let i = 0; i < conversions.length; i++) {
      const value = conversions[i]!(chunk.getColumnVector(featuresAt + i).getItem(row));
      if (value === undefined) {
        return { misfit: view.features[i]!.name };
      }
      values.push(writeTypedValue(value));
    }
    const entityKey = writeKey(chunk, row);
    if (entityKey === undefined) {
      return { misfit: columns.joinKeys.map(({ name }) => name).join(', ') };
    }
    const created = chunk.getColumnVector(CREATED_AT).getItem(row);
    return {
      entityKey,
      eventTimestampNs: toNanos(chunk.getColumnVector(EVENT_AT).getItem(row), eventUnit),
      createdTimestampNs: created === null ? undefined : toNanos(created, createdUnit),
      values,
    };
  };
}

/** Entity keys of a view; those of a view without entities are all the same one. */
function compileKeyWriter(
  joinKeys: readonly FieldDefinition[],
  columns: readonly SourceColumn[],
  version: EntityKeyVersion,
): (chunk: DuckDBDataChunk, row: number) => Uint8Array | undefined {
  if (joinKeys.length === 0) {
    const key = Buffer.concat([
      compileEntityKeyPrefix([DUMMY_JOIN_KEY], version),
      serializeEntityValue({ type: ValueType.STRING, value: '' }, DUMMY_JOIN_KEY),
    ]);
    return () => key;
  }
  const sorted = sortJoinKeys(joinKeys.map(({ name }) => name));
  const prefix = compileEntityKeyPrefix(sorted, version);
  const parts = sorted.map((name) => {
    const i = joinKeys.findIndex((joinKey) => joinKey.name === name);
    const { valueType: type } = joinKeys[i]!;
    const read = type === ValueType.STRING ? compileScalarReader(type, columns[i]!.type)! : plain;
    return { at: JOIN_KEYS_AT + i, name, type, read };
  });
  return (chunk, row) => {
    const bytes: Uint8Array[] = [prefix];
    for (const { at, name, type, read } of parts) {
      const value = read(chunk.getColumnVector(at).getItem(row));
      if (value === undefined) {
        return undefined;
      }
      bytes.push(
        serializeEntityValue({ type, value: value as bigint | string | Uint8Array }, name),
      );
    }
    return Buffer.concat(bytes);
  };
}

/** Integers and timestamps have been made BIGINT by the query. */
function plain(value: DuckDBValue): bigint | Uint8Array {
  return value instanceof DuckDBBlobValue ? value.bytes : (value as bigint);
}

/** Feast keeps microseconds; what is finer is cut off. */
function toNanos(epoch: DuckDBValue, unit: DuckDBTypeId | undefined): bigint {
  const count = epoch as bigint;
  if (unit !== DuckDBTypeId.TIMESTAMP_NS) {
    return count * NANOS_PER_MICRO;
  }
  const rest = count % NANOS_PER_MICRO;
  return count - (rest < 0n ? rest + NANOS_PER_MICRO : rest);
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
