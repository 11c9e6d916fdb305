import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { create } from '@bufbuild/protobuf';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FeatureViewState } from '../../gen/feast/core/FeatureView_pb.ts';
import { DataSource_SourceType } from '../../gen/feast/core/DataSource_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import {
  createRepository,
  dumpRedis,
  dumpSqlite,
  registryOf,
  runSql,
} from './materialize-fixture.ts';
import type { TestRepository } from './materialize-fixture.ts';

const ENTITY_COUNT = 60_000;
const FEATURES_PER_ENTITY = 2;
const MAIN = join(import.meta.dirname, '../../src/main.ts');

/** Where it is killed: before the first rows, and at parts of the way. */
const KILL_POINTS = [0, 0.05, 0.4, 0.7];

let redis: RedisServer;
let client: Redis;
let children: ChildProcess[] = [];

beforeAll(async () => {
  redis = await startRedis();
  client = new Redis({ host: redis.host, port: redis.port });
});

afterAll(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
  client?.disconnect();
  await redis?.stop();
});

function registry(): Registry {
  return create(RegistrySchema, {
    entities: [
      { spec: { name: 'user', joinKey: 'user_id', project: 'p', valueType: ValueType.INT64 } },
    ],
    featureViews: [
      {
        spec: {
          name: 'activity',
          project: 'p',
          entities: ['user'],
          entityColumns: [{ name: 'user_id', valueType: ValueType.INT64 }],
          features: [
            { name: 'score', valueType: ValueType.DOUBLE },
            { name: 'city', valueType: ValueType.STRING },
          ],
          online: true,
          batchSource: {
            name: 'events',
            type: DataSource_SourceType.BATCH_FILE,
            timestampField: 'ts',
            options: { case: 'fileOptions', value: { uri: 'data/events.parquet' } },
          },
        },
        meta: {},
      },
    ],
    projects: [{ spec: { name: 'p' } }],
  });
}

async function repositoryWith(onlineStore: string): Promise<TestRepository> {
  const repository = await createRepository({ registry: registry(), project: 'p', onlineStore });
  await runSql(
    `COPY (SELECT i % ${ENTITY_COUNT} AS user_id, TIMESTAMP '2024-01-01' + INTERVAL (i) SECOND AS ts, i / 7.0::DOUBLE AS score, 'city ' || i AS city FROM range(${2 * ENTITY_COUNT}) t(i)) TO '${join(repository.path, 'data/events.parquet')}' (FORMAT parquet)`,
  );
  return repository;
}

/** Starts `sideboard materialize` over the repository as its user would. */
function startMaterialize(repository: TestRepository): ChildProcess {
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      MAIN,
      '-c',
      repository.path,
      'materialize',
      '2024-01-01',
      '2025-01-01',
      '--json',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  children.push(child);
  return child;
}

async function finish(
  child: ChildProcess,
): Promise<{ readonly code: number | null; readonly output: string }> {
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text));
  let problems = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (problems += text));
  const [code] = (await once(child, 'close')) as [number | null];
  children = children.filter((other) => other !== child);
  if (code === 1 || code === 2) {
    throw new Error(problems);
  }
  return { code, output };
}

/** Kills the command with SIGKILL as soon as the store holds the part of the entities, or more. */
async function killAt(
  repository: TestRepository,
  part: number,
  countEntities: () => number | Promise<number>,
): Promise<void> {
  const child = startMaterialize(repository);
  const closed = finish(child);
  await waitUntil(async () => (await countEntities()) >= part * ENTITY_COUNT, {
    what: `${part * 100}% of the entities`,
    timeoutMs: 60_000,
  });
  child.kill('SIGKILL');
  expect((await closed).code).toBeNull();
  const view = (await registryOf(repository)).featureViews[0];
  expect(view?.meta?.materializationIntervals).toEqual([]);
  expect(view?.meta?.state).toBe(FeatureViewState.STATE_UNSPECIFIED);
}

async function expectRecordedOnce(repository: TestRepository): Promise<void> {
  const meta = (await registryOf(repository)).featureViews[0]?.meta;
  expect(meta?.state).toBe(FeatureViewState.AVAILABLE_ONLINE);
  expect(meta?.materializationIntervals).toMatchObject([
    { startTime: { seconds: 1_704_067_200n }, endTime: { seconds: 1_735_689_600n } },
  ]);
}

describe('killed at any point and run again', () => {
  test('SQLite holds what one run leaves', async () => {
    const first = await repositoryWith('type: sqlite\npath: online.db');
    const second = await repositoryWith('type: sqlite\npath: online.db');
    const file = join(second.path, 'online.db');
    try {
      await finish(startMaterialize(first));
      const whole = dumpSqlite(join(first.path, 'online.db'), 'p_activity');
      expect(whole).toHaveLength(FEATURES_PER_ENTITY * ENTITY_COUNT);
      for (const part of KILL_POINTS) {
        for (const suffix of ['', '-wal', '-shm', '-journal']) {
          await rm(file + suffix, { force: true });
        }
        await killAt(second, part, () => countSqliteEntities(file));
      }
      await finish(startMaterialize(second));
      expect(dumpSqlite(file, 'p_activity')).toEqual(whole);
      await expectRecordedOnce(second);
    } finally {
      await first.remove();
      await second.remove();
    }
  });

  test('Redis holds what one run leaves', async () => {
    const onlineStore = `type: redis\nconnection_string: 127.0.0.1:${redis.port}`;
    const first = await repositoryWith(onlineStore);
    const second = await repositoryWith(onlineStore);
    try {
      await finish(startMaterialize(first));
      const whole = await dumpRedis(client);
      expect(whole.size).toBe(ENTITY_COUNT);
      for (const part of KILL_POINTS) {
        await client.flushall();
        await killAt(second, part, async () => await client.dbsize());
      }
      const { output } = await finish(startMaterialize(second));
      const { views } = JSON.parse(output) as {
        readonly views: readonly { entities_written: number; stale_skipped: number }[];
      };
      // What the last killed run had written is met again and left alone.
      expect(views[0]!.stale_skipped).toBeGreaterThanOrEqual(0.7 * ENTITY_COUNT);
      expect(views[0]!.entities_written + views[0]!.stale_skipped).toBe(ENTITY_COUNT);
      expect(await dumpRedis(client)).toEqual(whole);
      await expectRecordedOnce(second);
    } finally {
      await first.remove();
      await second.remove();
    }
  });
});

/** Rows over features; 0 while there is no table or a writer holds the file. */
function countSqliteEntities(file: string): number {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 1000 });
  try {
    const row = database.prepare('SELECT count(*) AS n FROM "p_activity"').get();
    return Number(row?.['n']) / FEATURES_PER_ENTITY;
  } finally {
    database.close();
  }
}
