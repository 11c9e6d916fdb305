import { glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Feast's file of patterns for what in a feature repository is not definitions. */
const IGNORE_FILE = '.feastignore';

/**
 * Reads which files of a feature repository are not to be imported: one glob pattern per line, relative to the repository;
 * `#` starts a comment; a folder stands for all in it.
 *
 * @param root absolute path of the repository
 * @returns whether a file, by its path relative to `root`, is left out
 */
export async function loadIgnoredFiles(root: string): Promise<(file: string) => boolean> {
  const text = await readFile(join(root, IGNORE_FILE), 'utf8').catch(missingAsEmpty);
  const patterns = text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().replace(/\/$/, ''))
    .filter((line) => line !== '');
  const ignored = new Set<string>();
  for await (const path of glob(patterns, { cwd: root })) ignored.add(path);
  return (file) => isIgnored(ignored, file);
}

function isIgnored(ignored: ReadonlySet<string>, file: string): boolean {
  for (let path = file; path !== '.' && path !== '/'; path = dirname(path)) {
    if (ignored.has(path)) return true;
  }
  return false;
}

function missingAsEmpty(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
  throw error;
}
