import { readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fromBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FeatureViewState } from '../../gen/feast/core/FeatureView_pb.ts';
import { type Registry, RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { recordMaterialization } from '../../src/registry/record-materialization.ts';
import { updateRegistryFile } from '../../src/registry/registry-file.ts';
import {
  configuration,
  featuresSource,
  makeRepository,
  type RepositoryFolder,
  runSideboard,
} from './apply-fixture.ts';

/** The parts of `apply --json` that the tests look at. */
interface Report {
  readonly applied: boolean;
  readonly changes: readonly {
    readonly action: string;
    readonly kind: string;
    readonly name: string;
    readonly fields: readonly unknown[];
  }[];
  readonly warnings: readonly string[];
}

let repository: RepositoryFolder;

beforeEach(async () => {
  repository = await makeRepository();
});
afterEach(async () => repository.remove());

async function apply(command: 'apply' | 'plan' = 'apply'): Promise<Report> {
  const result = await runSideboard(['-c', repository.path, command, '--json']);
  expect(result.stderr).toBe('');
  expect(result.exitCode).toBe(0);
  return JSON.parse(result.stdout) as Report;
}

async function registry(): Promise<Registry> {
  return fromBinary(RegistrySchema, await readFile(repository.registryFile));
}

function linesOf(report: Report): readonly string[] {
  return report.changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`);
}

function tables(): readonly string[] {
  const database = new DatabaseSync(repository.storeFile, { readOnly: true });
  try {
    const rows = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    return rows.map((row) => String(row['name'])).toSorted();
  } finally {
    database.close();
  }
}

describe('sideboard apply', () => {
  it('writes a registry and the tables of a new repository, and then nothing more', async () => {
    await repository.write({ 'features.ts': featuresSource() });
    const first = await apply();
    expect(first.applied).toBe(true);
    expect(linesOf(first)).toEqual([
      'create project rides',
      'create entity driver',
      'create entity __dummy',
      'create data_source trips_file',
      'create feature_view trips',
    ]);
    expect(first.warnings).toEqual([expect.stringContaining('data/trips.parquet')]);
    expect(tables()).toEqual(['rides_trips']);
    const written = await registry();
    expect(written.registrySchemaVersion).toBe('1');
    expect(written.infra?.infraObjects[0]?.infraObject.value).toMatchObject({
      name: 'rides_trips',
      path: repository.storeFile,
    });

    // A time that no write could leave behind, so that any write shows.
    const long = new Date('2001-02-03T04:05:06Z');
    await utimes(repository.registryFile, long, long);
    const before = await readFile(repository.registryFile);
    expect(linesOf(await apply())).toEqual([]);
    expect((await stat(repository.registryFile)).mtime).toEqual(long);
    expect(await readFile(repository.registryFile)).toEqual(before);
  });

  it('updates and deletes, and keeps what was materialized', async () => {
    const extra = `export const zones = defineFeatureView({
      name: 'zones', source, schema: { size: Int64 } });`;
    await repository.write({ 'features.ts': featuresSource({ extra }) });
    await apply();
    expect(tables()).toEqual(['rides_trips', 'rides_zones']);
    await updateRegistryFile(repository.registryFile, (current) => {
      recordMaterialization(current, {
        project: 'rides',
        viewName: 'trips',
        startNs: 1_000_000_000n,
        endNs: 2_000_000_000n,
      });
    });
    await repository.write({ 'features.ts': featuresSource({ ttlDays: 30 }) });
    const planned = await apply('plan');
    expect(planned.applied).toBe(false);
    expect(linesOf(planned)).toEqual(['delete feature_view zones', 'update feature_view trips']);
    expect(planned.changes[1]?.fields).toEqual([
      { field: 'ttl', before: '604800s', after: '2592000s' },
    ]);
    expect(tables()).toEqual(['rides_trips', 'rides_zones']);

    const applied = await apply();
    expect(applied.changes).toEqual(planned.changes);
    expect(tables()).toEqual(['rides_trips']);
    const [view] = (await registry()).featureViews;
    expect(view?.spec?.ttl?.seconds).toBe(2_592_000n);
    expect(view?.meta?.state).toBe(FeatureViewState.AVAILABLE_ONLINE);
    expect(view?.meta?.materializationIntervals).toHaveLength(1);
    expect((await registry()).infra?.infraObjects).toHaveLength(1);
  });

  it('puts tables of their own beside versions, where versions are on', async () => {
    const yaml = configuration('rides', '  enable_online_feature_view_versioning: true\n');
    await repository.write({ 'feature_store.yaml': yaml, 'features.ts': featuresSource() });
    await apply();
    await repository.write({ 'features.ts': featuresSource({ schema: '{ count: Int64 }' }) });
    await apply();
    expect(tables()).toEqual(['rides_trips', 'rides_trips_v1']);
    await repository.write({
      'features.ts': featuresSource().replace(/export const trips[^;]*;/, ''),
    });
    await apply();
    expect(tables()).toEqual([]);
  });

  it('leaves the other projects of a registry file alone', async () => {
    await repository.write({ 'features.ts': featuresSource() });
    await apply();
    const [before] = (await registry()).featureViews;
    await repository.write({
      'feature_store.yaml': configuration('meals'),
      'features.ts': featuresSource({ ttlDays: 1 }),
    });
    await apply();
    await repository.write({
      'features.ts': `import { defineEntity, String } from 'sideboard';
        export const cook = defineEntity({ name: 'cook', valueType: String });`,
    });
    await apply();
    const after = await registry();
    expect(after.featureViews).toEqual([before]);
    expect(after.projects.map(({ spec }) => spec?.name)).toEqual(['rides', 'meals']);
    expect(tables()).toEqual(['rides_trips']);
  });

  it('takes turns with other writers: none of their changes is lost', async () => {
    await repository.write({ 'features.ts': featuresSource() });
    await apply();
    await repository.write({ 'features.ts': featuresSource({ ttlDays: 2 }) });
    const record = (startNs: bigint) =>
      updateRegistryFile(repository.registryFile, (current) => {
        recordMaterialization(current, {
          project: 'rides',
          viewName: 'trips',
          startNs,
          endNs: startNs + 1n,
        });
      });
    const writers = Array.from({ length: 20 }, (_, index) => record(BigInt(index)));
    await Promise.all([apply(), ...writers]);
    const [view] = (await registry()).featureViews;
    expect(view?.spec?.ttl?.seconds).toBe(172_800n);
    expect(view?.meta?.materializationIntervals).toHaveLength(20);
  });

  it('says for people what changes', async () => {
    await repository.write({ 'features.ts': featuresSource() });
    const planned = await runSideboard(['-c', repository.path, 'plan']);
    expect(planned.stdout).toMatch(/^ {2}\+ feature view {2,}trips$/m);
    expect(planned.stdout).toContain('5 created, 0 updated, 0 deleted');
    await expect(stat(repository.registryFile)).rejects.toThrow('ENOENT');
    await apply();
    await repository.write({ 'features.ts': featuresSource({ ttlDays: 1 }) });
    const updated = await runSideboard(['-c', repository.path, 'apply', '--dry-run']);
    expect(updated.stdout).toMatch(/^ {2}~ feature view {2}trips\n {6}ttl {2}604800s -> 86400s$/m);
  });
});

describe('files of a feature repository', () => {
  it('are found in subfolders, may import each other, and define an object once', async () => {
    await repository.write({
      'entities/driver.ts': `import { defineEntity, Int64 } from 'sideboard';
        export const driver = defineEntity({ name: 'driver', valueType: Int64 });
        export const notADefinition = { name: 'driver' };`,
      'views.ts': `import { defineFeatureView, defineFileSource, Int64 } from 'sideboard';
        import { driver } from './entities/driver.ts';
        export { driver as again } from './entities/driver.ts';
        export const view = defineFeatureView({ name: 'v', entities: [driver], schema: { x: Int64 },
          source: defineFileSource({ name: 's', path: 'x.csv', timestampField: 't' }) });`,
      'views.test.ts': 'throw new Error("a test was imported");',
      'types.d.ts': 'export declare const nothing: number;',
      '.hidden/x.ts': 'throw new Error("a hidden file was imported");',
      'node_modules/x/x.ts': 'throw new Error("a package was imported");',
      'tools/seed.ts': 'throw new Error("an ignored file was imported");',
      'run.ts': 'throw new Error("an ignored file was imported");',
      '.feastignore': '# programs\ntools/\nru*.ts\n',
    });
    expect(linesOf(await apply())).toContain('create entity driver');
    expect((await registry()).featureViews).toHaveLength(1);
  });

  const broken: readonly (readonly [string, Record<string, string>, readonly string[]])[] = [
    ['nothing to import', {}, ['no TypeScript files']],
    ['no definition', { 'x.ts': 'export const x = 1;' }, ['export no definitions']],
    ['a syntax error', { 'bad/x.ts': 'export const = 1;' }, ['bad/x.ts', 'cannot be imported']],
    [
      'a wrong definition',
      { 'x.ts': featuresSource({ schema: '{ driver_id: Int64 }' }) },
      ['feature view "trips"', '"driver_id"', 'leave it out'],
    ],
    [
      'one name twice',
      {
        'a.ts': featuresSource(),
        'b.ts': `import { defineEntity, Int64 } from 'sideboard';
          export const other = defineEntity({ name: 'driver', valueType: Int64 });`,
      },
      ['entity "driver"', 'a.ts and b.ts'],
    ],
  ];
  it.each(broken)('with %s change nothing: exit code 2', async (_what, files, words) => {
    await repository.write({ 'features.ts': featuresSource() });
    await apply();
    const before = await readFile(repository.registryFile);
    await rm(join(repository.path, 'features.ts'));
    await repository.write(files);
    const result = await runSideboard(['-c', repository.path, 'apply']);
    expect(result.exitCode).toBe(2);
    expect(result.stdout).toBe('');
    for (const word of words) expect(result.stderr).toContain(word);
    expect(await readFile(repository.registryFile)).toEqual(before);
  });

  it('are not compared with a registry that is no registry: exit code 1', async () => {
    await repository.write({
      'features.ts': featuresSource(),
      'data/registry.db': 'not a registry',
    });
    const result = await runSideboard(['-c', repository.path, 'apply']);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain('data/registry.db');
    expect(await readFile(repository.registryFile, 'utf8')).toBe('not a registry');
  });
});

describe('listings', () => {
  beforeEach(async () => {
    const extra = `export const ranking = sideboard.defineFeatureService({
      name: 'ranking', features: [trips.select('rating')] });`;
    await repository.write({ 'features.ts': featuresSource({ extra }) });
    await apply();
  });

  it('show entities, views and services as JSON', async () => {
    const list = async (what: string): Promise<unknown> => {
      const { stdout, exitCode } = await runSideboard([
        '-c',
        repository.path,
        what,
        'list',
        '--json',
      ]);
      expect(exitCode).toBe(0);
      return JSON.parse(stdout);
    };
    expect(await list('entities')).toEqual([
      { name: 'driver', joinKey: 'driver_id', type: 'INT64' },
    ]);
    expect(await list('feature-views')).toEqual([
      {
        name: 'trips',
        entities: ['driver'],
        type: 'feature_view',
        features: ['count', 'rating'],
        ttlSeconds: 604_800,
        online: true,
      },
    ]);
    expect(await list('feature-services')).toEqual([
      { name: 'ranking', features: ['trips:rating'] },
    ]);
  });

  it('show them as tables', async () => {
    const { stdout } = await runSideboard(['-c', repository.path, 'feature-views', 'list']);
    const [head, row] = stdout.split('\n');
    expect(head).toMatch(/^NAME +ENTITIES +TYPE +FEATURES +TTL \(S\) +ONLINE$/);
    expect(row).toMatch(/^trips +driver +feature_view +count, rating +604800 +true$/);
  });

  it('say what to do when there is no registry', async () => {
    await rm(repository.registryFile);
    const result = await runSideboard(['-c', repository.path, 'entities', 'list']);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain('sideboard apply');
  });
});
