import { DuckDBTypeId } from '@duckdb/node-api';
import { isEntityKeyType, ValueType, valueTypeName } from '../feast-encoding/value-type.ts';
import { isIntegerType, isTextType } from '../ingestion/scalar-reader.ts';
import type { SourceColumn } from '../ingestion/source-columns.ts';
import { describeMisfit, joinKeyExpression } from '../ingestion/source-queries.ts';

/**
 * SQL for a column of the relation `source` as a join key of a declared type: NULL where it is null or no such value.
 * Columns of different types that hold the same entity come out equal, as they make the same entity key online.
 *
 * @returns or why the column cannot hold such keys.
 */
export function joinKeySql(
  column: SourceColumn,
  valueType: number,
): { readonly sql: string } | { readonly misfit: string } {
  if (!isEntityKeyType(valueType)) {
    return {
      misfit: `join key ${column.name} is declared as ${valueTypeName(valueType)}; entity keys hold STRING, BYTES, INT32, INT64 and UNIX_TIMESTAMP`,
    };
  }
  const sql = joinKeyExpression(column, valueType);
  const { type } = column;
  const isText = valueType === ValueType.STRING;
  if (sql === undefined || (isText && !hasText(column))) {
    return { misfit: describeMisfit(column, valueType) };
  }
  return { sql: isText && !isTextType(type) ? `${sql}::VARCHAR` : sql };
}

/** Types whose text is the same in DuckDB and in Python. */
function hasText({ type }: SourceColumn): boolean {
  return isTextType(type) || isIntegerType(type) || type.typeId === DuckDBTypeId.UUID;
}
