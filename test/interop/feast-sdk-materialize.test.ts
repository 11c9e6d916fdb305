import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runMaterialization } from '../../src/cli/run-materialization.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { readRegistryFile } from '../../src/registry/registry-file.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { runPython } from '../support/python.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { dumpRedis, dumpSqlite, windowOf } from '../system/materialize-fixture.ts';

const SCRIPTS = join(import.meta.dirname, 'python');

/** Written by Feast in an order of its own: the elements of sets, the entries of maps. */
const UNORDERED_VIEW = /_set$|^map_from|^struct$/;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sideboard-interop-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface FeastView {
  readonly view: string;
  readonly rows: readonly (readonly [
    key: string,
    feature: string,
    value: string,
    eventTs: number,
  ])[];
}

interface StoredRow {
  readonly k: string;
  readonly feature_name: string;
  readonly v: string;
  readonly event_ts: number;
}

/** A value with sets sorted and maps by name, to be compared with `toEqual`. */
function unordered(hex: string): unknown {
  const { type, value } = readValue(Buffer.from(hex, 'hex'));
  return Array.isArray(value)
    ? { type, value: value.map((item) => JSON.stringify(item, spell)).sort() }
    : { type, value };
}

function spell(_key: string, item: unknown): unknown {
  if (item instanceof Uint8Array) {
    return Buffer.from(item).toString('hex');
  }
  return typeof item === 'bigint' ? item.toString() : item;
}

describe('the same Parquet, materialized by the Feast SDK and by us', () => {
  test('leaves the same bytes for values of every type', async () => {
    const repository = join(folder, 'types');
    const output = await runPython(join(SCRIPTS, 'materialize_types.py'), [repository]);
    const views = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as FeastView);
    expect(views.length).toBeGreaterThan(90);

    const ours = loadConfig({ repoPath: repository, env: {} });
    const file = join(repository, 'ours.db');
    const result = await runMaterialization({
      config: {
        ...ours,
        onlineStore: { ...ours.onlineStore, path: file } as typeof ours.onlineStore,
      },
      scope: windowOf('2020-01-01', '2025-01-01'),
    });
    expect(result.views.filter(({ badRowCount }) => badRowCount > 0)).toEqual([]);

    const different: unknown[] = [];
    for (const { view, rows } of views) {
      const stored = (dumpSqlite(file, `types_${view}`) as StoredRow[]).map(
        ({ k, feature_name, v, event_ts }) => [k, feature_name, v, event_ts] as const,
      );
      const comparable = UNORDERED_VIEW.test(view)
        ? (all: typeof rows) => all.map(([k, f, v, ts]) => [k, f, unordered(v), ts])
        : (all: typeof rows) => all;
      try {
        expect(comparable(stored)).toEqual(comparable(rows));
      } catch {
        different.push({ view, ours: stored, feast: rows });
      }
    }
    expect(different).toEqual([]);
  });

  test('chooses the same rows into SQLite, and records the same in the registry', async () => {
    const repository = join(folder, 'rows-sqlite');
    const names = await feastRows(repository, '  type: sqlite\n  path: feast.db');
    const feastRegistry = await recorded(repository);
    const config = loadConfig({ repoPath: repository, env: {} });
    const file = join(repository, 'ours.db');
    await runMaterialization({
      config: {
        ...config,
        onlineStore: { ...config.onlineStore, path: file } as typeof config.onlineStore,
      },
      scope: ROWS_SCOPE,
    });
    for (const name of names) {
      expect([name, dumpSqlite(file, `rows_${name}`)]).toEqual([
        name,
        dumpSqlite(join(repository, 'feast.db'), `rows_${name}`),
      ]);
    }
    // Ours is the second interval of each view, and equal to Feast's first.
    const registry = await recorded(repository);
    expect(registry).toEqual(
      feastRegistry.map(({ intervals, ...view }) => ({
        ...view,
        intervals: [...intervals, ...intervals],
      })),
    );
  });

  test('chooses the same rows into Redis', async () => {
    const redis = await startRedis();
    const feast = new Redis({ host: redis.host, port: redis.port, db: 0 });
    const ours = new Redis({ host: redis.host, port: redis.port, db: 1 });
    try {
      const repository = join(folder, 'rows-redis');
      await feastRows(repository, redisBlock(redis));
      const config = loadConfig({ repoPath: repository, env: {} });
      await runMaterialization({
        config: {
          ...config,
          onlineStore: { ...config.onlineStore, database: 1 } as typeof config.onlineStore,
        },
        scope: ROWS_SCOPE,
      });
      const expected = await dumpRedis(feast);
      expect(expected.size).toBeGreaterThan(50);
      expect(await dumpRedis(ours)).toEqual(expected);
    } finally {
      feast.disconnect();
      ours.disconnect();
      await redis.stop();
    }
  });
});

/** As in materialize_rows.py. */
const ROWS_SCOPE = windowOf('2024-01-01', '2024-06-01T12:30:15.250000');

async function feastRows(repository: string, onlineStore: string): Promise<readonly string[]> {
  const { mkdir } = await import('node:fs/promises');
  await mkdir(repository);
  const output = await runPython(join(SCRIPTS, 'materialize_rows.py'), [repository, onlineStore]);
  const names = output.trim().split('\n');
  expect(names.length).toBeGreaterThan(10);
  return names;
}

async function recorded(repository: string) {
  const registry = await readRegistryFile(join(repository, 'registry.db'));
  return registry!.featureViews
    .map(({ spec, meta }) => ({
      name: spec!.name,
      state: meta!.state,
      intervals: meta!.materializationIntervals.map(({ startTime, endTime }) => [
        startTime?.seconds,
        startTime?.nanos,
        endTime?.seconds,
        endTime?.nanos,
      ]),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function redisBlock(redis: RedisServer): string {
  return `  type: redis\n  connection_string: 127.0.0.1:${redis.port}`;
}
