import { pathToFileURL } from 'node:url';

/**
 * What was thrown and where in a feature repository: `TypeError at pricing.ts:12:5`. Its message may hold values and is left
 * out.
 *
 * @param repoPath absolute, without links.
 */
export function errorPlace(error: unknown, repoPath: string): string {
  if (!(error instanceof Error)) return 'what is no Error';
  const prefix = `${pathToFileURL(repoPath).href}/`;
  for (const line of (error.stack ?? '').split('\n')) {
    const start = line.indexOf(prefix);
    if (!/^\s+at /.test(line) || start < 0) continue;
    const place = line.slice(start + prefix.length).replace(/\)?$/, '');
    return `${error.name} at ${place}`;
  }
  return error.name;
}
