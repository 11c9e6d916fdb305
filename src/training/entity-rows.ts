import { resolve } from 'node:path';
import type { DuckDBType } from '@duckdb/node-api';
import type { ScratchConnection } from '../ingestion/scratch-connection.ts';
import { isSideboardError } from '../errors.ts';
import { listSourceFiles } from '../ingestion/source-files.ts';
import type { SourceFiles } from '../ingestion/source-files.ts';
import { isMomentType } from '../ingestion/scalar-reader.ts';
import { quote } from '../ingestion/source-queries.ts';
import { fileList, openSource } from '../ingestion/source-relation.ts';
import type { RowPosition } from '../ingestion/source-relation.ts';
import { invalidEntityRows } from './training-error.ts';

/** The rows to join features to, in the order of their files. */
export interface EntityRows {
  readonly files: SourceFiles;
  /** What follows FROM; the rows come in order where nothing else is joined or filtered. */
  readonly sql: string;
  /** SQL for the number of a row, 0 = the first of all files. */
  readonly rowNumber: string;
  /** Types by exact column name, in the order of the columns. */
  readonly types: ReadonlyMap<string, DuckDBType>;
  readonly rowCount: number;
  /** Column with the moments that features are wanted for. */
  readonly eventTimestampColumn: string;
  /** Where the row of that number is. */
  locate(rowNumber: number): RowPosition;
}

/** Where the entity rows are, and what is known of their columns. */
export interface EntityRowsOptions {
  /** File, folder or glob. */
  readonly path: string;
  /** Columns that are join keys; CSV keeps their text, so that `00501` stays what it is. */
  readonly joinKeyColumns: readonly string[];
  /** `undefined`: `event_timestamp`, else the only column of timestamps. */
  readonly eventTimestampColumn: string | undefined;
}

/** As in Feast. */
const DEFAULT_EVENT_TIMESTAMP = 'event_timestamp';
const ENTITY_CSV = 'entity_csv';

/**
 * Opens entity rows. Parquet is read in place; the types of CSV columns are found by looking at all rows.
 *
 * @throws SideboardError INVALID_REQUEST when they cannot be read or the event timestamp is not clear.
 */
export async function openEntityRows(
  connection: ScratchConnection,
  options: EntityRowsOptions,
): Promise<EntityRows> {
  const files = await listSourceFiles(resolve(options.path));
  if (files === 'none') {
    throw invalidEntityRows(`there is no file at ${options.path}`);
  }
  if (files === 'mixed') {
    throw invalidEntityRows(
      `${options.path} mixes Parquet and CSV files; give the files of one kind`,
    );
  }
  try {
    const { counts, ...opened } =
      files.format === 'parquet'
        ? await openParquetRows(connection, files)
        : await openCsvRows(connection, files, options);
    const rowCount = counts.reduce((sum, count) => sum + count, 0);
    return {
      ...opened,
      files,
      rowCount,
      eventTimestampColumn: findEventTimestamp(opened.types, options),
      locate: (rowNumber) => locate(files.paths, counts, rowNumber),
    };
  } catch (error) {
    if (error instanceof Error && !isSideboardError(error)) {
      throw invalidEntityRows(`cannot read ${options.path}: ${firstLine(error)}`, error);
    }
    throw error;
  }
}

type OpenedRows = Pick<EntityRows, 'sql' | 'rowNumber' | 'types'> & {
  /** Rows of each file. */
  readonly counts: readonly number[];
};

async function openParquetRows(
  connection: ScratchConnection,
  files: SourceFiles,
): Promise<OpenedRows> {
  const source = await openSource(connection, files, { tableName: ENTITY_CSV, positionLimit: 0 });
  const unreadable = [...source.unreadable];
  if (unreadable.length > 0) {
    throw invalidEntityRows(
      `${unreadable.join(', ')} holds decimals of more than 38 digits, which cannot be read exactly; leave it out`,
    );
  }
  const counted = await connection.runAndReadAll(
    `SELECT file_name, num_rows FROM parquet_file_metadata(${fileList(files.paths)})`,
  );
  const byFile = new Map(counted.getRows().map(([file, count]) => [String(file), Number(count)]));
  const counts = files.paths.map((path) => byFile.get(path) ?? 0);
  const offsets = counts.map((_count, i) => counts.slice(0, i).reduce((sum, n) => sum + n, 0));
  const rowNumber =
    files.paths.length === 1
      ? 'source.file_row_number'
      : `([${offsets.join(', ')}][source.file_index::BIGINT + 1] + source.file_row_number)`;
  return { sql: source.relation.sql, rowNumber, types: source.types, counts };
}

/** The line that DuckDB names when a row is none ends the run: half a training set is worse than none. */
async function openCsvRows(
  connection: ScratchConnection,
  files: SourceFiles,
  options: EntityRowsOptions,
): Promise<OpenedRows> {
  const list = fileList(files.paths);
  const header = await connection.runAndReadAll(
    `DESCRIBE SELECT * FROM read_csv(${list}, header = true, all_varchar = true, strict_mode = true)`,
  );
  const names = header.getRows().map(([name]) => String(name));
  const asText = [
    ...options.joinKeyColumns,
    options.eventTimestampColumn ?? DEFAULT_EVENT_TIMESTAMP,
  ].filter((name, i, all) => names.includes(name) && all.indexOf(name) === i);
  const types =
    asText.length === 0
      ? ''
      : `, types = {${asText.map((name) => `${literal(name)}: 'VARCHAR'`).join(', ')}}`;
  await connection.run(
    `CREATE TEMP TABLE ${ENTITY_CSV} AS SELECT * FROM read_csv(${list}, header = true, sample_size = -1, allow_quoted_nulls = false, filename = 'source_file'${types})`,
  );
  const counted = await connection.runAndReadAll(
    `SELECT source_file, count(*) FROM ${ENTITY_CSV} GROUP BY 1`,
  );
  const byFile = new Map(counted.getRows().map(([file, count]) => [String(file), Number(count)]));
  const described = await connection.run(
    `SELECT ${names.map(quote).join(', ')} FROM ${ENTITY_CSV} LIMIT 0`,
  );
  return {
    sql: `${ENTITY_CSV} AS source`,
    rowNumber: 'source.rowid',
    types: new Map(names.map((name, i) => [name, described.columnType(i)])),
    counts: files.paths.map((path) => byFile.get(path) ?? 0),
  };
}

function findEventTimestamp(
  types: ReadonlyMap<string, DuckDBType>,
  { eventTimestampColumn: asked }: EntityRowsOptions,
): string {
  const names = [...types.keys()];
  if (asked !== undefined) {
    if (types.has(asked)) return asked;
    throw invalidEntityRows(`no column ${asked}; they have ${names.join(', ')}`);
  }
  if (types.has(DEFAULT_EVENT_TIMESTAMP)) return DEFAULT_EVENT_TIMESTAMP;
  const moments = names.filter((name) => isMomentType(types.get(name)!));
  const [only] = moments;
  if (only !== undefined && moments.length === 1) return only;
  const found = moments.length === 0 ? 'no column of timestamps' : `several: ${moments.join(', ')}`;
  throw invalidEntityRows(
    `which column is the event timestamp? There is none called ${DEFAULT_EVENT_TIMESTAMP}, and ${found}; name it with --event-timestamp-column`,
  );
}

function locate(
  paths: readonly string[],
  counts: readonly number[],
  rowNumber: number,
): RowPosition {
  let row = rowNumber;
  let file = 0;
  while (file < counts.length - 1 && row >= counts[file]!) {
    row -= counts[file]!;
    file += 1;
  }
  return { file: paths[file]!, row };
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function firstLine(error: Error): string {
  return error.message.split('\n', 1)[0]!;
}
