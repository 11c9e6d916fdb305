import type { DuckDBDataChunk, DuckDBValue } from '@duckdb/node-api';
import { DuckDBBlobValue, DuckDBTypeId } from '@duckdb/node-api';
import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import type { GrowingBytes } from '../feast-encoding/growing-bytes.ts';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import {
  compileEntityKeyPrefix,
  serializeEntityValue,
  sortJoinKeys,
} from '../feast-encoding/entity-key.ts';
import { appendTypedValue } from '../feast-encoding/value-writer.ts';
import { ValueType, isEntityKeyType, valueTypeName } from '../feast-encoding/value-type.ts';
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
import { floorDivide } from './text-scalars.ts';
import { compileValueConversion } from './value-conversion.ts';
import type { ValueConversion } from './value-conversion.ts';

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
  /** Column of the chunk where the row's position begins. */
  readonly positionAt: number;
}

const NANOS_PER_SECOND = 1_000_000_000;
const MICROS_PER_SECOND = 1_000_000;
const NANOS_PER_MICRO = 1000;

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
  writeKey: KeyWriter,
  featuresAt: number,
): RowReader['read'] {
  const eventUnit = columns.eventTimestamp.type.typeId;
  const createdUnit = columns.createdTimestamp?.type.typeId;
  const keyNames = columns.joinKeys.map(({ name }) => name).join(', ');
  return (chunk, row, slab) => {
    slab.beginRow();
    for (let i = 0; i < conversions.length; i++) {
      const value = conversions[i]!(chunk.getColumnVector(featuresAt + i).getItem(row));
      if (value === undefined) {
        return view.features[i]!.name;
      }
      slab.beginCell(i + 1);
      appendTypedValue(slab.out, value);
      slab.endCell(i + 1);
    }
    slab.beginCell(0);
    if (!writeKey(chunk, row, slab.out)) {
      return keyNames;
    }
    slab.endCell(0);
    const event = chunk.getColumnVector(EVENT_AT).getItem(row) as bigint;
    const eventSeconds = wholeSeconds(event, eventUnit);
    const created = chunk.getColumnVector(CREATED_AT).getItem(row) as bigint | null;
    const createdSeconds = created === null ? Number.NaN : wholeSeconds(created, createdUnit);
    slab.endRow(
      eventSeconds,
      restNanos(event, eventSeconds, eventUnit),
      createdSeconds,
      created === null ? 0 : restNanos(created, createdSeconds, createdUnit),
    );
    return undefined;
  };
}

/** Writes the entity key of a row; false where a value does not fit. */
type KeyWriter = (chunk: DuckDBDataChunk, row: number, out: GrowingBytes) => boolean;

/** Entity keys of a view; those of a view without entities are all the same one. */
function compileKeyWriter(
  joinKeys: readonly FieldDefinition[],
  columns: readonly SourceColumn[],
  version: EntityKeyVersion,
): KeyWriter {
  if (joinKeys.length === 0) {
    const key = Buffer.concat([
      compileEntityKeyPrefix([DUMMY_JOIN_KEY], version),
      serializeEntityValue({ type: ValueType.STRING, value: '' }, DUMMY_JOIN_KEY),
    ]);
    return (_chunk, _row, out) => {
      out.put(key);
      return true;
    };
  }
  const sorted = sortJoinKeys(joinKeys.map(({ name }) => name));
  const prefix = compileEntityKeyPrefix(sorted, version);
  const parts = sorted.map((name) => {
    const i = joinKeys.findIndex((joinKey) => joinKey.name === name);
    const { valueType: type } = joinKeys[i]!;
    const read = type === ValueType.STRING ? compileScalarReader(type, columns[i]!.type)! : plain;
    return { at: JOIN_KEYS_AT + i, name, type, read };
  });
  return (chunk, row, out) => {
    out.put(prefix);
    for (const { at, name, type, read } of parts) {
      const value = read(chunk.getColumnVector(at).getItem(row));
      if (value === undefined) {
        return false;
      }
      out.put(serializeEntityValue({ type, value: value as bigint | string | Uint8Array }, name));
    }
    return true;
  };
}

/** Integers and timestamps have been made BIGINT by the query. */
function plain(value: DuckDBValue): bigint | Uint8Array {
  return value instanceof DuckDBBlobValue ? value.bytes : (value as bigint);
}

type TimeUnit = DuckDBTypeId | undefined;

/** Seconds of an epoch in the unit of its column, rounded down. */
function wholeSeconds(epoch: bigint, unit: TimeUnit): number {
  const perSecond = unitsPerSecond(unit);
  const count = Number(epoch);
  return Number.isSafeInteger(count)
    ? Math.floor(count / perSecond)
    : Number(floorDivide(epoch, BigInt(perSecond)));
}

/** What an epoch has beyond its seconds. Feast keeps microseconds; what is finer is cut off. */
function restNanos(epoch: bigint, seconds: number, unit: TimeUnit): number {
  const perSecond = unitsPerSecond(unit);
  const count = Number(epoch);
  const rest = Number.isSafeInteger(count)
    ? count - seconds * perSecond
    : Number(epoch - BigInt(seconds) * BigInt(perSecond));
  return unit === DuckDBTypeId.TIMESTAMP_NS
    ? rest - (rest % NANOS_PER_MICRO)
    : rest * NANOS_PER_MICRO;
}

function unitsPerSecond(unit: TimeUnit): number {
  return unit === DuckDBTypeId.TIMESTAMP_NS ? NANOS_PER_SECOND : MICROS_PER_SECOND;
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
