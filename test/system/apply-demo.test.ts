import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type GeneratedData, generateData } from '../../examples/loan-approval/generate-data.ts';
import { startRedis, startRedisCluster } from '../support/redis-server.ts';
import { runNode, runSideboard } from './apply-fixture.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const EXAMPLE = join(ROOT, 'examples', 'loan-approval');
const DEMO = join(EXAMPLE, 'demo.ts');

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sideboard-demo-'));
  await cp(EXAMPLE, folder, {
    recursive: true,
    filter: (source) => basename(source) !== 'data',
  });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Runs the demo on a copy of the example and holds what it has to show. */
async function runOnce(args: readonly string[] = []): Promise<string> {
  const { stdout, stderr, exitCode } = await runNode([DEMO, '--once', '--repo', folder, ...args]);
  expect(exitCode, stderr).toBe(0);
  for (const name of ['bankruptcies', 'total_wages', 'SAN FRANCISCO', '19530219_5179']) {
    expect(stdout).toContain(name);
  }
  expect(stdout).toContain('(not found)');
  expect(stdout).toContain('(too old, 12');
  expect(stdout).toMatch(/over Connect .*: 45 values, all the same/);
  expect(stdout).toMatch(/over JSON .*: 45 values, all the same/);
  expect(stdout).toMatch(/1 row x 13 features: \d+ calls, p50 \d/);
  expect(stdout).toMatch(/100 rows x 13 features: \d+ calls, p50 \d/);
  expect(stdout).toContain('grpcurl -plaintext');
  expectComputed(stdout);
  return stdout;
}

/** What the table of loan_terms shows is what the function in loan-terms.ts has to make of what the table before it shows. */
function expectComputed(stdout: string): void {
  const [, decision = '', terms = ''] = stdout.split(/^\d+\. Ask for .*$/m);
  const rowOf = (table: string, feature: string): readonly string[] =>
    new RegExp(`│ ${feature} +│(.*)│`)
      .exec(table)![1]!
      .split('│')
      .map((cell) => cell.trim().split(' ', 1)[0]!);
  const dues = ['credit_card_due', 'mortgage_due', 'student_loan_due', 'vehicle_loan_due'];
  const debt = dues.reduce((sum, due) => sum + Number(rowOf(decision, due)[0]), 0);
  expect(rowOf(terms, 'debt')).toEqual([String(debt), String(debt), 'null']);
  const [one, other, unknown] = rowOf(terms, 'years_of_local_income');
  expect(Number(one) / Number(other)).toBeCloseTo((debt + 10_000) / (debt + 500_000), 10);
  expect(unknown).toBe('null');
}

describe('npm run demo', () => {
  it('shows the whole way on SQLite, and the second time nothing is left to define', async () => {
    const first = await runOnce();
    expect(first).toContain('Applied: 12 created');
    expect(first).toMatch(/credit_history .*│ +30,000 │ +10,000 │/);
    const second = await runOnce();
    expect(second).toContain('Nothing to change');
  });

  it('shows the same on Redis', async () => {
    const redis = await startRedis({ password: 'a:b@c' });
    try {
      const url = `redis://:${encodeURIComponent('a:b@c')}@${redis.host}:${redis.port}`;
      const output = await runOnce(['--redis', url]);
      expect(output).toContain('kept in Redis.');
      expect(output).not.toContain('a:b@c');
      const { mode } = await stat(join(folder, 'data', 'feature_store.redis.yaml'));
      expect(mode & 0o077).toBe(0);
    } finally {
      await redis.stop();
    }
  });

  it('shows the same on a cluster of three shards', async () => {
    const cluster = await startRedisCluster();
    try {
      const hosts = cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
      const output = await runOnce(['--redis', `redis-cluster://${hosts}`]);
      expect(output).toContain('kept in Redis Cluster.');
    } finally {
      await cluster.stop();
    }
  });

  it('refuses what is no Redis URL with exit code 2', async () => {
    const args = [DEMO, '--once', '--repo', folder, '--redis', 'localhost'];
    const { stderr, exitCode } = await runNode(args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('redis://host:port');
  });

  it('keeps serving until it is interrupted, and then ends with 0', async () => {
    const node = join(ROOT, 'node_modules', '.bin', 'node');
    const child = spawn(node, [DEMO, '--repo', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    try {
      let output = '';
      await new Promise<void>((resolve, reject) => {
        child.stdout.on('data', (chunk: Buffer) => {
          output += chunk.toString();
          if (output.includes('Serving until Ctrl-C')) resolve();
        });
        child.once('exit', () => reject(new Error(`the demo ended early:\n${output}`)));
      });
      const server = /get --server (\S+)/.exec(output)?.[1] ?? '';
      const json = await runSideboard(
        `get --server ${server} --feature-service loan_decision zipcode=94109 dob_ssn=19530219_5179 --json`.split(
          ' ',
        ),
      );
      expect(json.exitCode, json.stderr).toBe(0);
      expect(json.stdout).toContain('SAN FRANCISCO');
      const terms = /get --server \S+ --feature-service loan_terms .*/.exec(output)?.[0] ?? '';
      const computed = await runSideboard([...terms.split(' '), '--json']);
      expect(computed.exitCode, computed.stderr).toBe(0);
      expect(computed.stdout).toContain('years_of_local_income');
      child.kill('SIGINT');
      expect(await exited).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe('generated data', () => {
  const make = (asOfMs: number): Promise<GeneratedData> =>
    generateData({ folder, asOfMs, applicantCount: 200 });

  it('is the same for the same seed and day, byte for byte', async () => {
    const first = await make(1_800_000_000_000);
    const bytes = await Promise.all(first.files.map(({ path }) => readFile(path)));
    const second = await make(1_800_000_000_000);
    expect(second).toEqual(first);
    expect(first.files.map(({ rowCount }) => rowCount)).toEqual([2_000, 600]);
    for (const [index, { path }] of second.files.entries()) {
      expect((await readFile(path)).equals(bytes[index] ?? Buffer.alloc(0))).toBe(true);
    }
  });

  it('names the same people whatever the day', async () => {
    const { applicant, formerApplicant } = await make(1_700_000_000_000);
    expect(await make(1_800_000_000_000)).toMatchObject({ applicant, formerApplicant });
    expect(applicant).toBe('19530219_5179');
    expect(formerApplicant).toMatch(/^(19|20)\d{6}_\d{4}$/);
  });
});
