import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { interopPath } from '../support/python.ts';

const FOLDER = join(import.meta.dirname, 'conformance');
/** The suite grows; it does not shrink. Fewer cases mean that something kept them from running. */
const MIN_CASES = 4650;
const TIMEOUT_MS = 280_000;

// Cases that fail would be listed here, each with its reason. There is none. What is left out, and why, is in
// conformance/config.yaml.
test.each(['own', 'builtin'])(
  'on the %s engine every case of the conformance suite passes',
  (engine) => {
    const server = [process.execPath, join(FOLDER, 'conformance-server.ts')];
    const settings = ['--mode=server', `--conf=${join(FOLDER, 'config.yaml')}`];
    const bounds = ['--max-servers=2', '--parallel=16'];
    const { status, stdout, stderr, error } = spawnSync(
      interopPath('bin/connectconformance'),
      [...settings, ...bounds, '--', ...server, interopPath('conformance.binpb'), engine],
      { encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 },
    );
    if (error !== undefined) throw error;
    const report = stdout + stderr;
    expect(report.match(/^FAILED: .*$/gm) ?? []).toEqual([]);
    expect(status, report.slice(-2000)).toBe(0);
    const [, passed] = /^(\d+) passed, 0 failed$/m.exec(report) ?? [];
    expect(Number(passed)).toBeGreaterThanOrEqual(MIN_CASES);
  },
);
