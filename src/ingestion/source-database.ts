import type { SideboardError } from '../errors.ts';
import { fileStamps } from './file-stamps.ts';
import { invalidSourceData, replacedSource } from './ingestion-error.ts';
import type { ScratchConnection } from './scratch-connection.ts';
import { openScratchDatabase } from './scratch-database.ts';
import { nameOfFile } from './source-files.ts';
import type { OpenedSourceFiles } from './open-source-files.ts';
import type { SourceFiles } from './source-files.ts';
import { openSource } from './source-relation.ts';
import type { OpenedSource } from './source-relation.ts';

/** What choosing the latest rows may hold in memory; beyond it DuckDB goes to a temporary folder. */
const MEMORY_LIMIT = '1GB';

/** The files of one batch source, opened for questions. */
export interface SourceDatabase extends OpenedSource {
  readonly connection: ScratchConnection;
  /**
   * Parquet is read several times, and what is read then has to be what was read before.
   *
   * @throws SideboardError INVALID_SOURCE_DATA where a file has been replaced since.
   */
  requireUnchanged(): Promise<void>;
  /** Releases the files too. */
  close(): Promise<void>;
}

/**
 * Opens the files of a source in a database of its own, which releases them when it is closed or cannot be opened.
 *
 * @param positionLimit how many malformed lines to name.
 * @throws SideboardError INVALID_SOURCE_DATA when they cannot be read.
 */
export async function openSourceDatabase(
  viewName: string,
  files: OpenedSourceFiles,
  positionLimit: number,
): Promise<SourceDatabase> {
  const readAgain = files.format === 'parquet' ? files.paths : [];
  const stamps = await fileStamps(readAgain);
  const database = await openScratchDatabase({ memoryLimit: MEMORY_LIMIT }).catch(
    async (error: unknown) => {
      await files.release();
      throw error;
    },
  );
  const { connection } = database;
  const close = async (): Promise<void> => {
    await database.close();
    await files.release();
  };
  const requireUnchanged = async (): Promise<void> => {
    const now = await fileStamps(readAgain);
    const replaced = readAgain.find((_path, i) => now[i] !== stamps[i]);
    if (replaced !== undefined) {
      throw replacedSource(viewName, nameOfFile(files, replaced));
    }
  };
  try {
    const source = await openSource(connection, files, { tableName: 'csv', positionLimit });
    return { ...source, connection, requireUnchanged, close };
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
  const named = files.paths.reduce(
    (text, path) => text.replaceAll(path, nameOfFile(files, path)),
    `cannot read ${files.paths[0]}${more}: ${reason}`,
  );
  return invalidSourceData(viewName, named, error);
}
