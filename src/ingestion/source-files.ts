import { glob, readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { invalidSourceData, notMaterializable } from './ingestion-error.ts';

/** The files of a batch source, in the order of their names. */
export interface SourceFiles {
  readonly format: 'parquet' | 'csv';
  /** Absolute paths; at least one. */
  readonly paths: readonly string[];
  /** Where copies come from, aligned with `paths`; absent = the files are no copies. */
  readonly origins?: readonly string[];
}

const CSV_NAME = /\.(csv|tsv)(\.(gz|zst))?$/i;
const PARQUET_NAME = /\.(parquet|parq|pq)$/i;
export const GLOB_CHARACTERS = /[*?[{]/;
const SCHEME = /^([a-z][a-z0-9+.-]+):\/\//i;

/**
 * Finds the files that a file source names: one file, all Parquet (else all CSV) files below a folder, or what a glob
 * matches. A file whose name does not end as CSV does is Parquet.
 *
 * @param uri as the registry has it: a path relative to `repoPath`, an absolute one, or a `file://` URL.
 * @throws SideboardError UNSUPPORTED_OPERATION for files that are elsewhere; INVALID_SOURCE_DATA when there is none or
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
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) {
    return chooseFormat((await listFiles(path)).sort(), true);
  }
  // An existing file is taken by its name even when the name has characters of a glob.
  const paths = found !== undefined ? [path] : await matchingFiles(path);
  return chooseFormat(paths.sort(), false);
}

/**
 * What the files of a source are.
 *
 * @param isFolder whether they are all there is below a folder, of which other kinds of files are passed over.
 */
export function chooseFormat(
  names: readonly string[],
  isFolder: boolean,
): SourceFiles | 'none' | 'mixed' {
  const parquet = isFolder ? names.filter((name) => PARQUET_NAME.test(name)) : [];
  const csv = names.filter((name) => CSV_NAME.test(name));
  const paths = !isFolder ? names : parquet.length > 0 ? parquet : csv;
  if (paths.length === 0) {
    return 'none';
  }
  if (paths !== parquet && csv.length > 0 && csv.length < paths.length) {
    return 'mixed';
  }
  return { format: paths !== parquet && csv.length > 0 ? 'csv' : 'parquet', paths };
}

/** The end of a file's name that tells how to read it. */
export function formatEnding(name: string): string {
  return CSV_NAME.exec(name)?.[0] ?? '.parquet';
}

/** What messages call a file of a source. */
export function nameOfFile(files: SourceFiles, path: string): string {
  return files.origins?.[files.paths.indexOf(path)] ?? path;
}

function localPath(uri: string, repoPath: string, viewName: string): string {
  const scheme = SCHEME.exec(uri)?.[1]?.toLowerCase();
  if (scheme === 'file') {
    return fileURLToPath(uri);
  }
  if (scheme !== undefined) {
    throw notMaterializable(
      viewName,
      `reads ${scheme}:// files, and only files of this machine and of S3 are read here`,
    );
  }
  return isAbsolute(uri) ? uri : resolve(repoPath, uri);
}

async function matchingFiles(pattern: string): Promise<string[]> {
  const files: string[] = [];
  if (!GLOB_CHARACTERS.test(pattern)) {
    return files;
  }
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
