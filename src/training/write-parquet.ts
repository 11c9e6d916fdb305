import { randomUUID } from 'node:crypto';
import { rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { invalidJoin } from './training-error.ts';

/**
 * Checks that a file can be written there, before anything is read.
 *
 * @throws SideboardError INVALID_REQUEST when the folder does not exist or there is a file that may not be replaced.
 */
export async function checkOutput(path: string, overwrite: boolean): Promise<void> {
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (folder?.isDirectory() !== true) {
    throw invalidJoin(`there is no folder ${dirname(path)} to write ${basename(path)} to`);
  }
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) {
    throw invalidJoin(`${path} is a folder; name a file`);
  }
  if (found !== undefined && !overwrite) {
    throw invalidJoin(`${path} exists; --overwrite replaces it`);
  }
}

/** Writes through a file beside it, so that `path` has the old content, the new one, or nothing, but never a part. */
export async function writeThrough(
  path: string,
  write: (temporaryPath: string) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await write(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
