import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunResults } from '../../bench/report/results.ts';
import { interopPath, runProgram } from '../support/python.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const NODE = join(ROOT, 'node_modules', '.bin', 'node');

/** Figures of a run this short mean nothing; that every part still runs and answers rightly does. */
test('bench/run.ts measures every part that needs no peers', async () => {
  const out = await mkdtemp(join(tmpdir(), 'sideboard-bench-results-'));
  try {
    const parts = [
      'cold',
      'memory',
      'load',
      'scaling',
      'echo',
      'ghz',
      'registry',
      'profile',
      'soak',
      'workers',
      'doctor',
    ];
    const args = ['--parts', parts.join(','), '--scenarios', '1x10', '--out', out];
    args.push('--rounds', '1', '--seconds', '0.5', '--entities', '200', '--soak', '2000');
    await runProgram(NODE, [join(ROOT, 'bench', 'run.ts'), ...args], {
      timeoutMs: 240_000,
      env: { ...process.env, GHZ: interopPath('bin/ghz') },
    });
    const [file = ''] = await readdir(out);
    const results = JSON.parse(await readFile(join(out, file), 'utf8')) as RunResults;
    expect(Object.keys(results.parts).sort()).toEqual([...parts].sort());
    expect(results.parts.load?.map(({ kind }) => kind)).toEqual(['joined', 'each', 'distinct']);
    expect(results.parts.load?.[0]?.cpuUsPerRequest).toBeGreaterThan(0);
    expect(results.parts.scaling?.at(-1)).toMatchObject({ connections: 1000 });
    expect(results.parts.echo?.map(({ engine }) => engine)).toContain('own');
    expect(results.parts.ghz?.[0]?.errors).toBe(0);
    expect(results.parts.registry?.[0]?.reloads).toBeGreaterThan(0);
    expect(results.parts.profile?.[0]?.functions.length).toBeGreaterThan(0);
    expect(results.parts.soak?.samples).toHaveLength(17);
  } finally {
    await rm(out, { recursive: true });
  }
});
