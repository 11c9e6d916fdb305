import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Half of SHA-256: enough that nobody meets two files of one hash by chance. */
const HEX_DIGITS = 32;

/**
 * What tells one state of a file, and of all files of its repository that it imports, from another. What comes from
 * packages is not part of it.
 *
 * @param importsOf file → files that it imports, as URLs.
 */
export function hashModules(
  repoPath: string,
  file: string,
  importsOf: ReadonlyMap<string, ReadonlySet<string>>,
): string {
  const seen = new Set<string>();
  const pending = [pathToFileURL(join(repoPath, file)).href];
  for (let url = pending.pop(); url !== undefined; url = pending.pop()) {
    if (seen.has(url)) continue;
    seen.add(url);
    pending.push(...(importsOf.get(url) ?? []));
  }
  const hash = createHash('sha256');
  for (const path of [...seen].map((url) => fileURLToPath(url)).toSorted()) {
    const content = readFileSync(path);
    hash.update(`${relative(repoPath, path)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, HEX_DIGITS);
}
