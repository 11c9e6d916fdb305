import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A registry that was served once, byte for byte. */
export interface RegistryCopy {
  readonly bytes: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
}

/** @throws Error of node:fs, such as ENOENT */
export async function readRegistryCopy(path: string): Promise<RegistryCopy> {
  const bytes = await readFile(path);
  return { bytes, modifiedMs: (await stat(path)).mtimeMs };
}

/**
 * Puts the bytes in place at once, so that whoever starts next finds a whole registry; several servers may share the
 * copy. Only the user of the process may read it.
 *
 * @throws Error of node:fs, such as EACCES or EROFS
 */
export async function writeRegistryCopy(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, bytes, { flag: 'wx', mode: 0o600, flush: true });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
