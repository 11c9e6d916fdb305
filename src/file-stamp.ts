import { stat } from 'node:fs/promises';

/** Changes whenever one of the files does, also when a symbolic link leads elsewhere, as Kubernetes swaps secrets. */
export async function stampOf(paths: readonly string[]): Promise<string> {
  const stamps = paths.map(async (path) => {
    try {
      const { size, mtimeNs, ino } = await stat(path, { bigint: true });
      return `${size} ${mtimeNs} ${ino}`;
    } catch {
      return '';
    }
  });
  return (await Promise.all(stamps)).join('\n');
}
