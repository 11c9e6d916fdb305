import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const SCRIPT = join(import.meta.dirname, 'warm-up-process.ts');

/**
 * An optimising compiler may be wrong where an interpreter is right (docs: node 26.10 was, in one process of twenty), so
 * one warm process proves little: several fresh ones, each compared on every call.
 */
test.each([1, 2, 3, 4, 5, 6])(
  'every answer of a fresh process is right, cold to warm: seed %i',
  async (seed) => {
    const { stdout } = await run(process.execPath, [SCRIPT, String(seed)], { timeout: 60_000 });
    expect(Number.parseInt(stdout, 10)).toBeGreaterThan(5000);
  },
  60_000,
);
