import { Buffer } from 'node:buffer';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import { decodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import type { OnlineStore, ViewLayout } from '../../src/online-store/online-store.ts';
import { openSqliteOnlineStore } from '../../src/online-store/sqlite-online-store.ts';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';
import { REDIS_DEFAULTS } from './redis-contract.ts';
import { SECOND_NS, soon } from './store-fixture.ts';
import { readCells } from '../support/stored-cells.ts';

interface DumpedHash {
  readonly key_b64: string;
  readonly type: string;
  readonly fields?: readonly { readonly field_b64: string; readonly value_b64: string }[];
}

interface DumpedRow {
  readonly table: string;
  readonly entity_key_hex: string;
  readonly feature_name: string;
  readonly value_b64: string;
  readonly event_ts: number;
}

function lines<T>(...path: readonly string[]): T[] {
  return readFileSync(sharedPath('golden', 'scenarios', ...path), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** Every view of a scenario's registry with its features, under each name that the dump has rows of. */
function storedViews(scenario: string, variant: string, dump: readonly DumpedHash[]): ViewLayout[] {
  const path = sharedPath('golden', 'scenarios', scenario, `registry.${variant}.json`);
  const registry = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  const features = new Map<string, string[]>();
  for (const objects of Object.values(registry)) {
    if (!Array.isArray(objects)) continue;
    for (const { spec } of objects as {
      spec?: { name: string; features?: { name: string }[] };
    }[]) {
      if (spec?.features !== undefined && !features.has(spec.name)) {
        features.set(
          spec.name,
          spec.features.map(({ name }) => name),
        );
      }
    }
  }
  const names = dump
    .flatMap(({ fields = [] }) => fields.map(({ field_b64 }) => Buffer.from(field_b64, 'base64')))
    .filter((field) => field.toString('latin1').startsWith('_ts:'))
    .map((field) => field.subarray(4).toString('utf8'));
  return [...new Set(names)].map((storedName) => ({
    storedName,
    featureNames: features.get(storedName) ?? features.get(storedName.replace(/_v\d+$/, '')) ?? [],
  }));
}

const REDIS_DUMPS: readonly [scenario: string, variant: string][] = [
  ['big', 'redis'],
  ['edges', 'redis'],
  ['keys', 'redis'],
  ['legacy', 'redis_ekv2'],
  ['legacy', 'redis_default'],
  ['materialized', 'redis'],
  ['ondemand', 'redis'],
  ['projects', 'redis'],
  ['realdata', 'redis'],
  ['realdata', 'redis_ekv2'],
  ['services', 'redis'],
  ['types', 'redis'],
  ['versions', 'redis'],
];

describeWithShared('what Feast stored in Redis', () => {
  let server: RedisServer;
  let store: OnlineStore;
  beforeAll(async () => {
    server = await startRedis();
    store = await openOnlineStore({ ...REDIS_DEFAULTS, kind: 'redis', nodes: [server] });
  });
  afterAll(async () => {
    await store?.close();
    await server?.stop();
  });

  it.each(REDIS_DUMPS)('is read byte for byte: %s, %s', async (scenario, variant) => {
    const dump = lines<DumpedHash>(scenario, `redis_dump.${variant}.jsonl`);
    const client = adminClient(server.port);
    await client.flushall();
    for (const { key_b64, fields = [] } of dump.filter(({ type }) => type === 'hash')) {
      const parts = fields.flatMap((field) => [field.field_b64, field.value_b64]);
      const words = parts.map((part) => Buffer.from(part, 'base64'));
      await client.hset(Buffer.from(key_b64, 'base64'), ...words);
    }
    client.disconnect();

    const hashes = dump.filter(({ type }) => type === 'hash');
    const views = storedViews(scenario, variant, hashes);
    const prepared = store.prepare({ project: '', joinKeys: ['unused'], views });
    const keys = hashes.map(({ key_b64 }) => Buffer.from(key_b64, 'base64'));
    const [cells] = await readCells(store, [{ prepared, keys }], soon());
    const fields = views.flatMap(({ storedName, featureNames }) => [
      ...featureNames.map((name) => hashFeatureField(storedName, name)),
      timestampField(storedName),
    ]);
    let found = 0;
    for (const [entity, hash] of hashes.entries()) {
      const stored = new Map(
        hash.fields!.map(({ field_b64, value_b64 }) => [field_b64, value_b64]),
      );
      for (const [i, field] of fields.entries()) {
        const cell = cells![entity * prepared.width + i]!;
        const expected = stored.get(Buffer.from(field).toString('base64')) ?? null;
        expect(cell === null ? null : Buffer.from(cell).toString('base64')).toBe(expected);
        found += expected === null ? 0 : 1;
      }
    }
    // Nothing is left that no view of the registry names, but for features of definitions that were replaced.
    const storedCount = hashes.reduce((sum, hash) => sum + hash.fields!.length, 0);
    expect(found).toBeGreaterThan(storedCount * 0.75);
  });
});

const SQLITE_DUMPS: readonly [scenario: string, variant: string][] = [
  ['edges', 'sqlite'],
  ['keys', 'sqlite'],
  ['legacy', 'sqlite_ekv2'],
  ['materialized', 'sqlite'],
  ['ondemand', 'sqlite'],
  ['projects', 'sqlite'],
  ['services', 'sqlite'],
  ['types', 'sqlite'],
  ['versions', 'sqlite'],
];

describeWithShared('what Feast stored in SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sideboard-golden-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(SQLITE_DUMPS)('is read byte for byte: %s, %s', async (scenario, variant) => {
    const path = join(folder, `${scenario}.db`);
    copyFileSync(sharedPath('golden', 'scenarios', scenario, `online.${variant}.db`), path);
    const rows = lines<DumpedRow>(scenario, `sqlite_dump.${variant}.jsonl`);
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    for (const table of new Set(rows.map((row) => row.table))) {
      const ofTable = rows.filter((row) => row.table === table);
      const featureNames = [...new Set(ofTable.map((row) => row.feature_name))];
      const keys = [...new Set(ofTable.map((row) => row.entity_key_hex))];
      // A table is named project_view; where one ends and the other begins does not matter here.
      const cut = table.indexOf('_');
      const prepared = store.prepare({
        project: table.slice(0, cut),
        joinKeys: ['unused'],
        views: [{ storedName: table.slice(cut + 1), featureNames }],
      });
      const read = keys.map((key) => Buffer.from(key, 'hex'));
      const [cells] = await readCells(store, [{ prepared, keys: read }], soon());
      for (const [entity, key] of keys.entries()) {
        const row = cells!.slice(entity * prepared.width, (entity + 1) * prepared.width);
        const stored = ofTable.filter((candidate) => candidate.entity_key_hex === key);
        const expected = featureNames.map(
          (name) => stored.find((candidate) => candidate.feature_name === name)?.value_b64 ?? null,
        );
        const actual = row
          .slice(0, -1)
          .map((cell) => (cell === null ? null : Buffer.from(cell).toString('base64')));
        expect(actual).toEqual(expected);
        const newest = Math.max(...stored.map((candidate) => candidate.event_ts));
        expect(decodeTimestamp(row.at(-1)!)).toBe(BigInt(newest) * SECOND_NS);
      }
    }
    await store.close();
  });
});
