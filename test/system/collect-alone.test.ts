import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { NODE_FLAGS } from '../support/sideboard-process.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const NODE = join(ROOT, 'node_modules', '.bin', 'node');
/** A thread that helps marks for 5 ms and more; in the pause at the end of a collection one may still lend a hand. */
const MOST_MS = 1;
/** Says that what follows is looked at. */
const MARK = 'from here on';

/** Keeps some megabytes, each object for a while, turn by turn: enough for several collections of everything. */
const PROGRAM = `
const { collectAlone } = await import('./src/cli/collect-alone.ts');
const [, isAlone] = process.argv;
if (isAlone === 'alone') collectAlone();
console.log('${MARK}');
const kept = [];
for (let turn = 0; turn < 3000; turn++) {
  kept.push(Array.from({ length: 500 }, (_, i) => ({ turn, i, name: 'n' + i })));
  if (kept.length > 200) kept.shift();
  await new Promise((resolve) => setImmediate(resolve));
}
console.log(typeof gc);
`;

/** Milliseconds that other threads marked during each collection of everything, and whether a program is left the function \`gc\`. */
async function collectionsOf(
  mode: 'alone' | 'helped',
): Promise<{ markedBesideMs: number[]; left: string }> {
  const flags = [...NODE_FLAGS, '--trace-gc-nvp', '--input-type=module'];
  const { stdout } = await promisify(execFile)(NODE, [...flags, '-e', PROGRAM, '--', mode], {
    cwd: ROOT,
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  const lines = stdout.slice(stdout.indexOf(MARK)).trimEnd().split('\n');
  const full = lines.filter((line) => line.includes(' gc=mc '));
  return {
    markedBesideMs: full.map((line) => Number(/ background\.mark=([\d.]+)/.exec(line)?.[1])),
    left: lines.at(-1)!,
  };
}

it('threads of the collector mark nothing beside what runs, once they are told', async () => {
  const helped = await collectionsOf('helped');
  expect(Math.max(...helped.markedBesideMs)).toBeGreaterThan(MOST_MS);
  const { markedBesideMs, left } = await collectionsOf('alone');
  expect(markedBesideMs.length).toBeGreaterThan(0);
  expect(Math.max(...markedBesideMs)).toBeLessThan(MOST_MS);
  expect(left).toBe('undefined');
});
