import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';

/**
 * Path of a file or folder in `shared`, which lies next to the checkout and holds what was recorded
 * from Feast: golden vectors, descriptors, real tables. Says nothing about whether it exists.
 */
export function sharedPath(...segments: readonly string[]): string {
  return join(process.cwd(), '..', 'shared', ...segments);
}

/**
 * `describe` for tests that read `shared`. Where the folder is absent `fn` is not called, so it may
 * read files while it collects its tests: in CI (`CI` is set) one failing test stands in for the
 * suite, elsewhere one skipped test and a warning.
 */
export function describeWithShared(name: string, fn: () => void): void {
  const folder = sharedPath();
  if (existsSync(folder)) {
    describe(name, fn);
    return;
  }
  const problem = `The folder ${folder} is missing: nothing checks "${name}".`;
  if (process.env['CI']) {
    describe(name, () => {
      it('finds the recorded data', () => {
        throw new Error(problem);
      });
    });
    return;
  }
  console.warn(`\n*** SKIPPED. ${problem}\n`);
  describe.skip(name, () => {
    it('finds the recorded data', () => {});
  });
}
