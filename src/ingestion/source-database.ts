import type { DuckDBConnection } from '@duckdb/node-api';
import type { SideboardError } from '../errors.ts';
import { invalidSourceData } from './ingestion-error.ts';
import { openScratchDatabase } from './scratch-database.ts';
import type { SourceFiles } from './source-files.ts';
import { openSource } from './source-relation.ts';
import type { OpenedSource } from './source-relation.ts';

/** What choosing the latest rows may hold in memory; beyond it DuckDB goes to a temporary folder. */
const MEMORY_LIMIT = '1GB';

/** The files of one batch source, opened for questions. */
export interface SourceDatabase extends OpenedSource {
  readonly connection: DuckDBConnection;
  close(): Promise<void>;
}

/**
 * Opens the files of a source in a database of its own.
 *
 * @param positionLimit how many malformed lines to name.
 * @throws SideboardError INVALID_SOURCE_DATA when they cannot be read.
 */
export async function openSourceDatabase(
  viewName: string,
  files: SourceFiles,
  positionLimit: number,
): Promise<SourceDatabase> {
  const { connection, close } = await openScratchDatabase({ memoryLimit: MEMORY_LIMIT });
  try {
    const source = await openSource(connection, files, { tableName: 'csv', positionLimit });
    return { ...source, connection, close };
  } catch (error) {
    await close();
    throw unreadableSource(viewName, files, error);
  }
}

/** Files of a source that DuckDB cannot read, with its reason. */
export function unreadableSource(
  viewName: string,
  files: SourceFiles,
  error: unknown,
): SideboardError {
  const more = files.paths.length > 1 ? ` and ${files.paths.length - 1} more files` : '';
  const reason = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
  return invalidSourceData(viewName, `cannot read ${files.paths[0]}${more}: ${reason}`, error);
}
