import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DataSource_SourceType } from '../../gen/feast/core/DataSource_pb.ts';
import { FeatureViewSchema } from '../../gen/feast/core/FeatureView_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { createRepository, dumpSqlite, registryOf } from './materialize-fixture.ts';
import type { TestRepository } from './materialize-fixture.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const SOURCE = 'data/scores.csv';

let repository: TestRepository;

beforeAll(async () => {
  repository = await createRepository({
    project: 'p',
    onlineStore: 'type: sqlite\npath: online.db',
    registry: registryOfScores(),
  });
});

afterAll(async () => {
  await repository?.remove();
});

beforeEach(async () => {
  await writeSource('1,2024-01-01,10', '1,2024-01-02,11', '2,2024-01-01,20');
});

function registryOfScores(): Registry {
  return create(RegistrySchema, {
    entities: [
      { spec: { name: 'user', joinKey: 'user_id', project: 'p', valueType: ValueType.INT64 } },
    ],
    featureViews: ['scores', 'offline'].map((name) =>
      create(FeatureViewSchema, {
        spec: {
          name,
          project: 'p',
          entities: ['user'],
          entityColumns: [{ name: 'user_id', valueType: ValueType.INT64 }],
          features: [{ name: 'score', valueType: ValueType.INT32 }],
          online: name === 'scores',
          ttl: { seconds: 86_400n },
          batchSource: {
            name,
            type: DataSource_SourceType.BATCH_FILE,
            timestampField: 'ts',
            options: { case: 'fileOptions', value: { uri: SOURCE } },
          },
        },
        meta: {},
      }),
    ),
    projects: [{ spec: { name: 'p' } }],
  });
}

async function writeSource(...lines: readonly string[]): Promise<void> {
  await writeFile(join(repository.path, SOURCE), `user_id,ts,score\n${lines.join('\n')}\n`);
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `sideboard ARGS` over the repository. */
async function sideboard(...args: readonly string[]): Promise<Ended> {
  return await new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', MAIN, '-c', repository.path, ...args],
      { timeout: 60_000 },
      (error, stdout, stderr) => {
        const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

interface ViewJson {
  readonly feature_view: string;
  readonly start: string;
  readonly end: string;
  readonly rows_in_window: number;
  readonly entities_written: number;
  readonly bad_rows: number;
  readonly bad: readonly {
    kind: string;
    feature?: string;
    count: number;
    first: { row: number }[];
  }[];
}

function viewsOf({ stdout }: Ended): readonly ViewJson[] {
  return (JSON.parse(stdout) as { readonly views: readonly ViewJson[] }).views;
}

async function intervalCount(): Promise<number> {
  const registry = await registryOf(repository);
  return registry.featureViews[0]!.meta!.materializationIntervals.length;
}

describe('sideboard materialize', () => {
  test('writes a window, prints a table and what it left out', async () => {
    const before = await intervalCount();
    const ended = await sideboard('materialize', '2024-01-01', '2024-01-01T23:59:59');
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stdout).toContain('scores');
    expect(ended.stdout).toContain('2024-01-01T23:59:59Z');
    expect(ended.stdout).toContain('- offline: skipped, not online');
    expect(ended.stderr).toBe('scores: reading its source\n');
    expect(dumpSqlite(join(repository.path, 'online.db'), 'p_scores')).toMatchObject([
      { feature_name: 'score', v: '180A', event_ts: 1_704_067_200, created_ts: null },
      { feature_name: 'score', v: '1814', event_ts: 1_704_067_200, created_ts: null },
    ]);
    expect(await intervalCount()).toBe(before + 1);
  });

  test('--disable-event-timestamp takes everything up to now', async () => {
    const ended = await sideboard('materialize', '--disable-event-timestamp', '--json');
    expect(viewsOf(ended)).toMatchObject([
      { start: '1970-01-01T00:00:00Z', rows_in_window: 3, entities_written: 2 },
    ]);
  });

  test('counts and names bad rows without their values, and records the interval', async () => {
    await writeSource(
      // Nobody that other tests write: an older row would be stale.
      '11,2024-01-01,10',
      ',2024-01-01,777001',
      '2,someday,777002',
      '3,2024-01-01,2147483648',
      '4,2024-01-01,777004,surplus',
      '15,2024-01-01,50',
    );
    const before = await intervalCount();
    const ended = await sideboard('materialize', '2024-01-01', '2024-02-01');
    expect(ended.code).toBe(0);
    const file = join(repository.path, SOURCE);
    expect(ended.stdout).toContain(`1 x line is no row: ${file} line 6`);
    expect(ended.stdout).toContain(`1 x event timestamp missing or unreadable: ${file} row 2`);
    expect(ended.stdout).toContain(`1 x join key missing or not of its type: ${file} row 1`);
    expect(ended.stdout).toContain(
      `1 x value does not fit the declared type of score: ${file} row 3`,
    );
    expect(ended.stdout + ended.stderr).not.toMatch(/777|2147483648|someday|surplus/);
    expect(await intervalCount()).toBe(before + 1);

    const json = await sideboard('materialize', '2024-01-01', '2024-02-01', '--json');
    expect(viewsOf(json)[0]).toMatchObject({ entities_written: 2, bad_rows: 4 });
  });

  test('--strict fails at a bad row and records nothing', async () => {
    const before = await intervalCount();
    for (const line of [',2024-01-02,1', '9,,1', '9,2024-01-02,x', '9,2024-01-02,1,1']) {
      await writeSource('1,2024-01-01,10', line);
      const ended = await sideboard('materialize', '2024-01-01', '2024-02-01', '--strict');
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain(
        'feature view scores: bad rows, and --strict allows none: 1 x',
      );
    }
    expect(await intervalCount()).toBe(before);
  });

  test.each([
    [['materialize'], 2, 'START and END are needed'],
    [['materialize', 'today', '2024-01-01'], 2, 'START has to be a moment in ISO 8601'],
    [['materialize', '2024-01-02', '2024-01-01'], 2, 'is after the end'],
    [
      ['materialize', '2024-01-01', '2024-01-02', '--disable-event-timestamp'],
      2,
      'cannot be given',
    ],
    [['materialize', '2024-01-01', '2024-01-02', '-v', 'nothing'], 2, 'nothing does not exist'],
    [['materialize', '2024-01-01', '2024-01-02', '-v', 'offline'], 2, 'offline is not online'],
    [
      ['materialize', '2024-01-01', '2024-01-02', '-v', 'scores', '--version', 'v1'],
      2,
      'versioning',
    ],
    [['materialize-incremental', 'today'], 2, 'END has to be a moment'],
  ])('%j ends with %i', async (args, code, message) => {
    const ended = await sideboard(...args);
    expect(ended.stderr).toContain(message);
    expect(ended.code).toBe(code);
  });

  test('a source that is gone is named', async () => {
    const registry = await readFile(join(repository.path, 'registry.db'));
    const { rm } = await import('node:fs/promises');
    await rm(join(repository.path, SOURCE));
    const ended = await sideboard('materialize', '2024-01-01', '2024-01-02');
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(`its source ${SOURCE} has no files`);
    expect(await readFile(join(repository.path, 'registry.db'))).toEqual(registry);
  });
});

describe('sideboard materialize-incremental', () => {
  test('goes on where the last run ended, and stops where there is nothing left', async () => {
    const first = await sideboard(
      'materialize-incremental',
      '2090-01-01',
      '-v',
      'scores',
      '--json',
    );
    expect(first.code).toBe(0);
    const second = await sideboard(
      'materialize-incremental',
      '2090-01-03T04:05:06.7+01:00',
      '--json',
    );
    expect(viewsOf(second)).toMatchObject([
      { feature_view: 'scores', start: '2090-01-01T00:00:00Z', end: '2090-01-03T03:05:06.700000Z' },
    ]);
    const count = await intervalCount();
    const third = await sideboard('materialize-incremental', '2090-01-02');
    expect(third).toMatchObject({ code: 0 });
    expect(third.stdout).toContain('- scores: skipped, already materialized beyond that end');
    expect(await intervalCount()).toBe(count);
  });
});
