import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runProgram, runPython } from '../support/python.ts';
import {
  adminClient,
  startRedisCluster,
  type RedisClusterServers,
} from '../support/redis-server.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';
import { startSideboard } from '../support/sideboard-process.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const EXAMPLE = join(ROOT, 'examples', 'loan-approval');
const NODE = join(ROOT, 'node_modules', '.bin', 'node');
const COMPARE = join(import.meta.dirname, 'python', 'compare_tables.py');
const ZIPCODES = sharedPath('data', 'zipcode_table.parquet');
const CREDIT = sharedPath('data', 'credit_history_sample.csv');
const COMMANDS_TIMEOUT_MS = 240_000;

interface Comparison {
  readonly rows: number;
  /** rows times features */
  readonly values: number;
  readonly present: number;
  /** Values equal to those of the source file. */
  readonly against_source: number;
  readonly differences: readonly string[];
}

/** The example's own definitions on the real tables; the credit history comes as CSV. */
async function makeLoanRepo(onlineStore: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sideboard-loan-'));
  await mkdir(join(path, 'data'));
  await cp(ZIPCODES, join(path, 'data', 'zipcode_table.parquet'));
  await cp(CREDIT, join(path, 'data', 'credit_history.csv'));
  const definitions = await readFile(join(EXAMPLE, 'features.ts'), 'utf8');
  const changed = definitions.replace('credit_history.parquet', 'credit_history.csv');
  if (changed === definitions) throw new Error('the example names its sources differently now');
  await writeFile(join(path, 'features.ts'), changed);
  await writeFile(
    join(path, 'feature_store.yaml'),
    `project: loan_approval
provider: local
registry: data/registry.db
online_store:
${onlineStore}
entity_key_serialization_version: 3
`,
  );
  return path;
}

/** Runs our command line as a user does. */
function sideboard(repoPath: string, ...args: string[]): Promise<string> {
  const main = ['--disable-warning=ExperimentalWarning', join(ROOT, 'src', 'main.ts')];
  return runProgram(NODE, [...main, '-c', repoPath, ...args], { timeoutMs: COMMANDS_TIMEOUT_MS });
}

describeWithShared('28,844 zip codes and 1,000 credit histories', () => {
  let cluster: RedisClusterServers;

  beforeAll(async () => {
    cluster = await startRedisCluster({ shards: 3 });
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  describe.each(['Redis Cluster of three shards', 'SQLite'])('through %s', (kind) => {
    let repoPath: string;

    beforeAll(async () => {
      const nodes = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
      repoPath = await makeLoanRepo(
        kind === 'SQLite'
          ? '  type: sqlite\n  path: data/online_store.db'
          : `  type: redis\n  redis_type: redis_cluster\n  connection_string: "${nodes}"`,
      );
    });

    afterAll(async () => {
      if (repoPath !== undefined) await rm(repoPath, { recursive: true });
    });

    test('are applied, materialized, served, and read back as the real SDK reads them', async () => {
      await sideboard(repoPath, 'apply');
      await sideboard(repoPath, 'materialize', '2000-01-01T00:00:00', '2030-01-01T00:00:00');
      const server = await startSideboard({ repoPath });
      try {
        const address = `127.0.0.1:${server.port}`;
        const output = await runPython(COMPARE, [repoPath, address, ZIPCODES, CREDIT], {
          cwd: repoPath,
        });
        const views = JSON.parse(output) as Record<string, Comparison>;
        const exact = (rows: number, features: number): Comparison => {
          const values = rows * features;
          return { rows, values, present: values, against_source: values, differences: [] };
        };
        expect(views).toEqual({
          zipcode_features: exact(28_844, 6),
          credit_history: exact(1000, 9),
        });
      } finally {
        await server.stop();
      }
    });

    test.runIf(kind !== 'SQLite')('lie on all shards', async () => {
      const counts = await Promise.all(
        cluster.masters.map(async ({ port }) => {
          const client = adminClient(port);
          await client.connect();
          return client.dbsize().finally(() => client.disconnect());
        }),
      );
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(28_844 + 1000);
      expect(Math.min(...counts)).toBeGreaterThan(9000);
    });

    test('change nothing when they are applied again', async () => {
      const plan = JSON.parse(await sideboard(repoPath, 'plan', '--json')) as { changes: unknown };
      expect(plan.changes).toEqual([]);
    });
  });
});
