import { stat } from 'node:fs/promises';

/** What tells files from others that are put in their place or written over them; empty for one that is not there. */
export async function fileStamps(paths: readonly string[]): Promise<readonly string[]> {
  return await Promise.all(paths.map(fileStamp));
}

async function fileStamp(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs}`;
  } catch {
    return '';
  }
}
