import { readFileSync } from 'node:fs';
import { sharedPath } from '../support/shared.ts';

/** The lines of one golden `.jsonl` file, parsed. */
export function goldenLines<T>(...path: readonly string[]): T[] {
  return readFileSync(sharedPath('golden', ...path), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
