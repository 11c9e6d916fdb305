import type { SourceColumn } from '../ingestion/source-columns.ts';
import { quote } from '../ingestion/source-queries.ts';
import { ValueType } from '../feast-encoding/value-type.ts';

/** One feature column in SQL. */
export interface FeatureExpression {
  readonly sql: string;
  /** SQL that is true where there is a value and it does not fit the declared type; absent where all do. */
  readonly misfit?: string;
}

const DIGITS = "regexp_full_match(trim(%), '[+-]?[0-9]+')";
const NUMBER =
  "regexp_full_match(trim(%), '(?i)[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]+)?|nan|inf|infinity)')";
/** More digits are no moment of any calendar. */
const SECONDS = "regexp_full_match(trim(%), '[+-]?[0-9]{1,11}')";

/**
 * SQL for a feature of the relation `source`. Parquet keeps its own types, as in Feast's offline stores. The text of a CSV
 * file becomes the declared type, read as materialization reads it; lists, maps and the like stay text.
 */
export function featureExpression(
  column: SourceColumn,
  valueType: number,
  isText: boolean,
): FeatureExpression {
  const text = `source.${quote(column.sourceName)}`;
  const template = isText ? templateOf(valueType) : undefined;
  if (template === undefined) {
    return { sql: text };
  }
  const sql = template.replaceAll('%', text);
  return { sql, misfit: `(${text} IS NOT NULL AND (${sql}) IS NULL)` };
}

/** `%` stands for the text; NULL where it is no such value. */
function templateOf(valueType: number): string | undefined {
  switch (valueType) {
    case ValueType.INT32:
      return `CASE WHEN ${DIGITS} THEN TRY_CAST(trim(%) AS INTEGER) END`;
    case ValueType.INT64:
      return `CASE WHEN ${DIGITS} THEN TRY_CAST(trim(%) AS BIGINT) END`;
    case ValueType.FLOAT:
      return `CASE WHEN ${NUMBER} THEN TRY_CAST(trim(%) AS FLOAT) END`;
    case ValueType.DOUBLE:
      return `CASE WHEN ${NUMBER} THEN TRY_CAST(trim(%) AS DOUBLE) END`;
    case ValueType.BOOL:
      return "CASE lower(trim(%)) WHEN 'true' THEN true WHEN '1' THEN true WHEN 'false' THEN false WHEN '0' THEN false END";
    case ValueType.UNIX_TIMESTAMP:
      return `CASE WHEN ${SECONDS} THEN to_timestamp(TRY_CAST(trim(%) AS BIGINT)) ELSE TRY_CAST(% AS TIMESTAMPTZ) END`;
    default:
      return undefined;
  }
}
