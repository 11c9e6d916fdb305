import { DuckDBTypeId, SQLNULL } from '@duckdb/node-api';
import type { DuckDBType } from '@duckdb/node-api';
import type { ScratchConnection } from './scratch-connection.ts';
import { nameOfFile } from './source-files.ts';
import type { SourceFiles } from './source-files.ts';
import { quote } from './source-queries.ts';
import type { SourceRelation } from './source-queries.ts';

/** Columns that DuckDB adds to Parquet files; a file's own column of that name would hide them. */
const PARQUET_POSITION = ['file_index', 'file_row_number'] as const;
const CSV_POSITION = ['rowid'] as const;

/** The files of one batch source, as a relation of a DuckDB connection. */
export interface OpenedSource {
  readonly relation: SourceRelation;
  /** Types by exact column name. */
  readonly types: ReadonlyMap<string, DuckDBType>;
  /** Columns that have a type but must not be read: DuckDB gets decimals of more than 38 digits wrong. */
  readonly unreadable: ReadonlySet<string>;
  /** Lines of CSV files that are no rows (wrong number of columns, broken quotes). */
  readonly malformedLineCount: number;
  /** The first of them. */
  readonly malformedLines: readonly RowPosition[];
  /** Where the row is that the columns `relation.position` name. */
  locate(position: readonly unknown[]): Promise<RowPosition>;
}

/** A row of a source. */
export interface RowPosition {
  readonly file: string;
  /** 0 = the first row (of CSV: below the header); of a malformed line its line in the file, from 1. */
  readonly row: number;
}

/** How a source is opened. */
export interface OpenSourceOptions {
  /** Of the tables that a CSV source is copied to; letters, digits and `_`, one per source of a connection. */
  readonly tableName: string;
  /** How many malformed lines to name. */
  readonly positionLimit: number;
}

/**
 * Opens the files of a source. Parquet is read in place, row groups as they are needed. CSV, which has no types and no row
 * numbers, is copied once into a temporary table whose columns are all text: an empty field is null, `""` the empty text.
 *
 * @throws Error of DuckDB when they cannot be read.
 */
export async function openSource(
  connection: ScratchConnection,
  files: SourceFiles,
  options: OpenSourceOptions,
): Promise<OpenedSource> {
  return files.format === 'parquet'
    ? await openParquet(connection, files)
    : await openCsv(connection, files, options);
}

async function openParquet(
  connection: ScratchConnection,
  files: SourceFiles,
): Promise<OpenedSource> {
  const { paths } = files;
  // Columns go by their names: files of one source may have been written in different orders, or before a column was added.
  const byName = paths.length > 1 ? ', union_by_name = true' : '';
  const relation = {
    sql: `read_parquet(${fileList(paths)}${byName}) AS source`,
    position: PARQUET_POSITION,
  };
  const types = await readTypes(connection, relation);
  const taken = PARQUET_POSITION.find((name) => types.has(name));
  if (taken !== undefined) {
    throw new Error(`a column is named ${taken}, which is reserved; rename it`);
  }
  return {
    relation,
    types,
    unreadable: await findWideDecimals(connection, paths, types),
    malformedLineCount: 0,
    malformedLines: [],
    locate: async ([file, row]) => ({
      file: nameOfFile(files, paths[Number(file)]!),
      row: Number(row),
    }),
  };
}

async function openCsv(
  connection: ScratchConnection,
  files: SourceFiles,
  { tableName, positionLimit }: OpenSourceOptions,
): Promise<OpenedSource> {
  const table = quote(tableName);
  const rejectTables = [`${tableName}_errors`, `${tableName}_scans`].map(quote);
  await connection.run(
    `CREATE TEMP TABLE ${table} AS SELECT * FROM read_csv(${fileList(files.paths)}, header = true, all_varchar = true, allow_quoted_nulls = false, store_rejects = true, rejects_limit = 0, rejects_table = '${tableName}_errors', rejects_scan = '${tableName}_scans', filename = 'source_file')`,
  );
  const relation = { sql: `${table} AS source`, position: CSV_POSITION };
  const types = await readTypes(connection, relation);
  types.delete('source_file');
  const rejects = `FROM ${rejectTables.join(' JOIN ')} USING (scan_id, file_id)`;
  const counted = await connection.runAndReadAll(
    `SELECT count(*) FROM (SELECT DISTINCT file_path, line ${rejects})`,
  );
  const named = await connection.runAndReadAll(
    `SELECT DISTINCT file_path, line ${rejects} ORDER BY ALL LIMIT ${positionLimit}`,
  );
  return {
    relation,
    types,
    unreadable: new Set(),
    malformedLineCount: Number(counted.getRows()[0]![0]),
    malformedLines: named
      .getRows()
      .map(([file, line]) => ({ file: nameOfFile(files, String(file)), row: Number(line) })),
    locate: async ([row]) => {
      const found = await connection.runAndReadAll(
        `SELECT source_file, (SELECT count(*) FROM ${table} AS before WHERE before.source_file = here.source_file AND before.rowid < here.rowid) FROM ${table} AS here WHERE rowid = ${Number(row)}`,
      );
      const [file, before] = found.getRows()[0]!;
      return { file: nameOfFile(files, String(file)), row: Number(before) };
    },
  };
}

async function readTypes(
  connection: ScratchConnection,
  relation: SourceRelation,
): Promise<Map<string, DuckDBType>> {
  const empty = await connection.run(`SELECT * FROM ${relation.sql} LIMIT 0`);
  const types = new Map<string, DuckDBType>();
  for (const [i, name] of empty.columnNames().entries()) {
    types.set(name, empty.columnType(i));
  }
  // A result shows columns without a type (nothing but nulls) as INTEGER; only the description tells.
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${relation.sql}`);
  for (const [name, type] of described.getRows()) {
    if (type === '"NULL"') {
      types.set(String(name), SQLNULL);
    }
  }
  return types;
}

/**
 * Columns with decimals of more than 38 digits. DuckDB reads them as floats and gets them wrong: 1.50 of 50 digits becomes
 * 25165824.
 */
async function findWideDecimals(
  connection: ScratchConnection,
  paths: readonly string[],
  types: ReadonlyMap<string, DuckDBType>,
): Promise<Set<string>> {
  const result = await connection.runAndReadAll(
    `SELECT DISTINCT name FROM parquet_schema(${fileList(paths)}) WHERE "precision" > 38`,
  );
  const wide = new Set(result.getRows().map(([name]) => String(name)));
  const insideOthers = [...wide].some((name) => !types.has(name));
  return new Set(
    [...types]
      .filter(([name, type]) => wide.has(name) || (insideOthers && isNested(type)))
      .map(([name]) => name),
  );
}

function isNested(type: DuckDBType): boolean {
  return [DuckDBTypeId.LIST, DuckDBTypeId.ARRAY, DuckDBTypeId.STRUCT, DuckDBTypeId.MAP].includes(
    type.typeId,
  );
}

/** A list of files in SQL. Characters that DuckDB would take for a pattern stand in brackets. */
export function fileList(paths: readonly string[]): string {
  const literals = paths.map(
    (path) => `'${path.replaceAll(/[*?[]/g, '[$&]').replaceAll("'", "''")}'`,
  );
  return `[${literals.join(', ')}]`;
}
