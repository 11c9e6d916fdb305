import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import { openRegistry, readRegistry, updateRegistry } from '../../src/registry/open-registry.ts';
import type { RegistrySnapshot, RegistrySource } from '../../src/registry/registry-model.ts';
import { registryBytes } from '../registry/registry-fixture.ts';
import { makeServedRepository } from '../support/served-repository.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';
import {
  SQL_PASSWORD,
  startMariadb,
  startPostgres,
  type SqlServer,
} from '../support/sql-servers.ts';
import { startSideboard } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { addView, createTables, fillTables, type Execute } from './sql-registry-fixture.ts';

/** A database, wherever it runs. */
interface Database {
  readonly url: string;
  readonly dialect: 'postgresql' | 'mysql' | 'sqlite';
  readonly execute: Execute;
  readonly server?: SqlServer;
  stop(): Promise<void>;
}

const BASE = registryBytes({ version: 'first', views: { rides: ['v', 'w'], shops: ['v', 'x'] } });
/** Long ago: what changed just now is read at every look. */
const THEN_SECONDS = 1_700_000_000;
/** Golden registries whose projects are read from tables as from their files. */
const GOLDEN = ['services', 'types', 'projects', 'versions', 'ondemand', 'writes'];

let folder: string;
let opened: RegistrySource[] = [];
let failures: string[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-sql-registry-'));
});
afterEach(async () => {
  for (const registry of opened) await registry.close();
  opened = [];
  failures = [];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function makeSqlite(): Promise<Database> {
  const path = join(folder, 'registry.sqlite');
  const database = new DatabaseSync(path);
  return Promise.resolve({
    url: `sqlite:///${path}`,
    dialect: 'sqlite',
    execute: async (sql, parameters = []) => {
      if (parameters.length === 0) database.exec(sql);
      else database.prepare(sql).run(...parameters);
    },
    stop: async () => {
      database.close();
      rmSync(path);
    },
  });
}

async function serve(starting: Promise<SqlServer>): Promise<Database> {
  const server = await starting;
  return { ...server, server };
}

function configOf(path: string, block: string, project = 'rides', more = '') {
  const repoPath = mkdtempSync(join(folder, 'repo-'));
  writeFileSync(
    join(repoPath, 'feature_store.yaml'),
    `project: ${project}\nregistry: {registry_type: sql, path: "${path}"${block}}\nonline_store: sqlite\n${more}`,
  );
  return loadConfig({ repoPath, env: {} });
}

async function open(
  path: string,
  { block = '', project = 'rides' }: { block?: string; project?: string } = {},
): Promise<RegistrySource> {
  const registry = await openRegistry(configOf(path, block, project).registry, {
    project,
    hashFeatureField,
    onFailure: ({ message }) => failures.push(message),
  });
  opened.push(registry);
  return registry;
}

/** Everything but what names the content as a whole; tables know no order. */
function contentOf(snapshot: RegistrySnapshot): object {
  const { versionId: _, lastUpdatedMs: __, pushSources, ...rest } = snapshot;
  return {
    ...rest,
    pushSources: new Map([...pushSources].map(([name, views]) => [name, [...views].sort()])),
  };
}

function viewsOf(registry: RegistrySource): readonly string[] {
  return [...registry.current().views.keys()].sort();
}

describe.each<[string, () => Promise<Database>]>([
  ['SQLite', makeSqlite],
  ['PostgreSQL', () => serve(startPostgres())],
  ['MariaDB', () => serve(startMariadb())],
])('a registry in %s', (_name, start) => {
  let database: Database;

  beforeAll(async () => {
    database = await start();
    await createTables(database.execute, database.dialect);
    await fillTables(database.execute, BASE, THEN_SECONDS);
  });
  afterAll(() => database?.stop());

  test('holds each project alone', async () => {
    expect(viewsOf(await open(database.url))).toEqual(['v', 'w']);
    const shops = await open(database.url, { project: 'shops' });
    expect(viewsOf(shops)).toEqual(['v', 'x']);
    expect(shops.current().project).toBe('shops');
    await expect(open(database.url, { project: 'boats' })).rejects.toThrow(
      'it does not hold project boats (it holds: rides, shops)',
    );
    const { featureViews } = await readRegistry(configOf(database.url, '').registry, 'rides');
    expect(featureViews.map(({ spec }) => spec?.name)).toEqual(['v', 'w']);
  });

  test('is taken up when it changes, and stays the same object when it does not', async () => {
    const registry = await open(database.url, { block: ', cache_ttl_seconds: 1' });
    const first = registry.current();
    await waitUntil(() => registry.ageMs() > 900, { what: 'a second' });
    await waitUntil(() => registry.ageMs() < 900, { what: 'a look' });
    // Not even the same content in another object.
    expect(registry.current()).toBe(first);
    await addView(database.execute, 'rides', 'later', Math.floor(Date.now() / 1000));
    await waitUntil(() => viewsOf(registry).includes('later'), { what: 'the new view' });
    await database.execute('DELETE FROM feature_views WHERE feature_view_name = ?', ['later']);
    await waitUntil(() => !viewsOf(registry).includes('later'), { what: 'its removal' });
    expect(failures).toEqual([]);
  });

  test('is not written', async () => {
    await expect(
      updateRegistry(configOf(database.url, '').registry, () => {}),
    ).rejects.toMatchObject({
      code: 'UNSUPPORTED_OPERATION',
      message:
        'a registry of kind sql is read here and not written; change it with Feast: feast apply',
    });
  });

  describeWithShared('filled from what Feast wrote', () => {
    test.each(GOLDEN)('has the same %s as the file', async (scenario) => {
      const file = sharedPath('golden', 'scenarios', scenario, 'registry.sqlite.db');
      const bytes = readFileSync(file);
      for (const table of [
        'entities',
        'data_sources',
        'feature_views',
        'stream_feature_views',
        'on_demand_feature_views',
        'label_views',
        'feature_services',
        'projects',
        'feature_view_version_history',
        'feast_metadata',
      ]) {
        await database.execute(`DELETE FROM ${table}`);
      }
      await fillTables(database.execute, bytes, THEN_SECONDS);
      const repoPath = mkdtempSync(join(folder, 'repo-'));
      writeFileSync(join(repoPath, 'registry.db'), bytes);
      const whole = await readRegistry(
        {
          ...configOf('sqlite:///x', '').registry,
          kind: 'file',
          path: join(repoPath, 'registry.db'),
        },
        'any',
      );
      expect(whole.projects.length).toBeGreaterThan(0);
      for (const { spec } of whole.projects) {
        const project = spec!.name;
        const block = ', enable_online_feature_view_versioning: true';
        const ofTables = await open(database.url, { project, block });
        const ofFile = await openRegistry(
          {
            ...configOf('sqlite:///x', block).registry,
            kind: 'file',
            path: join(repoPath, 'registry.db'),
            copyPath: undefined,
          },
          { project, hashFeatureField },
        );
        opened.push(ofFile);
        expect(contentOf(ofTables.current())).toEqual(contentOf(ofFile.current()));
      }
    });
  });
});

describe.each<[string, () => Promise<SqlServer>, string]>([
  ['PostgreSQL', startPostgres, 'there is no such database'],
  ['MariaDB', startMariadb, 'the user may not read the database'],
])('a %s that fails', (_name, start, noDatabase) => {
  let server: SqlServer;

  beforeAll(async () => {
    server = await start();
    await createTables(server.execute, server.dialect);
    await fillTables(server.execute, BASE, THEN_SECONDS);
  });
  afterAll(() => server?.stop());

  test('says why, and no secret', async () => {
    const reason = async (url: string, message: string): Promise<void> => {
      const error: unknown = await open(url).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      const text = (error as Error).message;
      expect(text).toContain(message);
      expect(text).toContain(`${server.dialect}://127.0.0.1:`);
      expect(text).not.toContain(SQL_PASSWORD);
      expect(text).not.toContain('wrong-password');
    };
    await reason(
      server.url.replace(/feast:[^@]*@/, 'feast:wrong-password@'),
      'the user or the password is wrong',
    );
    await reason(server.url.replace(/\/feast$/, '/nothing'), noDatabase);
    await reason(server.url.replace(`:${server.port}/`, ':1/'), 'nothing listens there');
  });

  test('leaves the last good registry in service, and its copy for a start without it', async () => {
    const config = configOf(server.url, ', cache_ttl_seconds: 1').registry;
    const options = {
      project: 'rides',
      hashFeatureField,
      onFailure: ({ message }: Error) => failures.push(message),
    };
    const registry = await openRegistry(config, options);
    opened.push(registry);
    await waitUntil(() => readFileSync(config.copyPath!).length > 0, { what: 'the copy' });
    await server.kill();
    await waitUntil(() => failures.length > 0, { what: 'the failure to be told' });
    expect(failures).toEqual([expect.stringContaining('nothing listens there')]);
    expect(viewsOf(registry)).toEqual(['v', 'w']);
    const warnings: string[] = [];
    const cold = await openRegistry(config, {
      ...options,
      onWarning: (text) => warnings.push(text),
    });
    opened.push(cold);
    expect(viewsOf(cold)).toEqual(['v', 'w']);
    expect(warnings).toEqual([expect.stringContaining('cannot be served; starting with')]);
    await server.restart();
    await addView(server.execute, 'rides', 'later', Math.floor(Date.now() / 1000));
    for (const each of [registry, cold]) {
      await waitUntil(() => viewsOf(each).includes('later'), { what: 'the registry to be back' });
    }
  });
});

test('a server serves from tables, and starts without them', async () => {
  const repository = await makeServedRepository();
  const file = join(repository.path, 'data', 'registry.db');
  const tables = join(repository.path, 'registry.sqlite');
  const database = new DatabaseSync(tables);
  const execute: Execute = async (sql, parameters = []) => {
    database.prepare(sql).run(...parameters);
  };
  await createTables(execute, 'sqlite');
  await fillTables(execute, readFileSync(file), THEN_SECONDS);
  database.close();
  rmSync(file);
  const yaml = join(repository.path, 'feature_store.yaml');
  const block = 'registry_type: sql\n  path: sqlite:///registry.sqlite';
  writeFileSync(yaml, readFileSync(yaml, 'utf8').replace('path: data/registry.db', block));
  try {
    for (const isThere of [true, false]) {
      if (!isThere) rmSync(tables);
      const server = await startSideboard({ repoPath: repository.path });
      try {
        const response = await fetch(`http://127.0.0.1:${server.port}/get-online-features`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ features: ['driver_stats:trips'], entities: { driver_id: [7] } }),
        });
        const { results } = (await response.json()) as { results: { values: unknown[] }[] };
        expect(results[1]?.values).toEqual([7]);
        const copy = join(repository.path, 'data', 'registry.last-good');
        await waitUntil(() => readFileSync(copy).length > 0, { what: 'the copy' });
      } finally {
        await server.stop();
      }
    }
  } finally {
    repository.remove();
  }
});
