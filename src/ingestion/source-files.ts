import { glob, readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { invalidSourceData, notMaterializable } from './ingestion-error.ts';

/** The files of a batch source, in the order of their names. */
export interface SourceFiles {
  readonly format: 'parquet' | 'csv';
  /** Absolute paths; at least one. */
  readonly paths: readonly string[];
}

const CSV_NAME = /\.(csv|tsv)(\.(gz|zst))?$/i;
const PARQUET_NAME = /\.(parquet|parq|pq)$/i;
const GLOB_CHARACTERS = /[*?[{]/;
const SCHEME = /^([a-z][a-z0-9+.-]+):\/\//i;

/**
 * Finds the files that a file source names: one file, all Parquet (else all CSV) files below a folder, or what a glob
 * matches. A file whose name does not end as CSV does is Parquet.
 *
 * @param uri as the registry has it: a path relative to `repoPath`, an absolute one, or a `file://` URL.
 * @throws SideboardError UNSUPPORTED_OPERATION for files that are not local; INVALID_SOURCE_DATA when there is none or
 *   Parquet and CSV are mixed.
 */
export async function findSourceFiles(
  uri: string,
  repoPath: string,
  viewName: string,
): Promise<SourceFiles> {
  const path = localPath(uri, repoPath, viewName);
  const files = await listSourceFiles(path);
  if (files === 'none') {
    throw invalidSourceData(
      viewName,
      `its source ${uri} has no files: nothing is at ${path} (relative paths start at the folder of feature_store.yaml)`,
    );
  }
  if (files === 'mixed') {
    throw invalidSourceData(viewName, `its source ${uri} mixes Parquet and CSV files`);
  }
  return files;
}

/**
 * The files at an absolute path or glob.
 *
 * @returns `none` where there is nothing, `mixed` where there are Parquet and CSV files.
 */
export async function listSourceFiles(path: string): Promise<SourceFiles | 'none' | 'mixed'> {
  const paths = (await expand(path)).sort();
  if (paths.length === 0) {
    return 'none';
  }
  const csvCount = paths.filter((found) => CSV_NAME.test(found)).length;
  if (csvCount > 0 && csvCount < paths.length) {
    return 'mixed';
  }
  return { format: csvCount > 0 ? 'csv' : 'parquet', paths };
}

function localPath(uri: string, repoPath: string, viewName: string): string {
  const scheme = SCHEME.exec(uri)?.[1]?.toLowerCase();
  if (scheme === 'file') {
    return fileURLToPath(uri);
  }
  if (scheme !== undefined) {
    throw notMaterializable(
      viewName,
      `reads ${scheme}:// files, and only files of this machine are read here`,
    );
  }
  return isAbsolute(uri) ? uri : resolve(repoPath, uri);
}

async function expand(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) {
    const files = await listFiles(path);
    const parquet = files.filter((name) => PARQUET_NAME.test(name));
    return parquet.length > 0 ? parquet : files.filter((name) => CSV_NAME.test(name));
  }
  if (found !== undefined) {
    return [path];
  }
  // An existing file is taken by its name even when the name has characters of a glob.
  return GLOB_CHARACTERS.test(path) ? await matchingFiles(path) : [];
}

async function matchingFiles(pattern: string): Promise<string[]> {
  const files: string[] = [];
  for await (const path of glob(pattern)) {
    if ((await stat(path)).isFile()) {
      files.push(path);
    }
  }
  return files;
}

/** Files at any depth, without those that writers hide from readers (`_SUCCESS`, `.crc`, `_temporary/`). */
async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const visible = entries.filter(({ name }) => !name.startsWith('_') && !name.startsWith('.'));
  const nested = await Promise.all(
    visible.map(async (entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? await listFiles(path) : [path];
    }),
  );
  return nested.flat();
}
