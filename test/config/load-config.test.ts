import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { loadYaml } from './repository.ts';

const ACCEPTED = join(import.meta.dirname, 'accepted');

describe("Feast's own keys", () => {
  test('all of them are accepted, and those that mean something here are taken', () => {
    const config = loadConfig({ configFile: join(ACCEPTED, 'every-key.yaml'), env: {} });
    expect(config).toMatchObject({
      configFile: join(ACCEPTED, 'every-key.yaml'),
      repoPath: ACCEPTED,
      project: 'rides',
      entityKeySerializationVersion: 3,
      registry: {
        kind: 'file',
        path: join(ACCEPTED, 'data/registry.db'),
        cacheTtlSeconds: 60,
        versioningEnabled: true,
      },
      onlineStore: {
        kind: 'sqlite',
        path: join(ACCEPTED, 'data/online.db'),
        writerUtcOffsetSeconds: 0,
        skipStale: true,
      },
      materialization: { onlineWriteBatchSize: 500 },
      transformationEndpoint: 'localhost:6569',
    });
    expect(config.warnings).toEqual([]);
  });

  test('those of Redis too', () => {
    const configFile = join(ACCEPTED, 'every-key-of-redis.yaml');
    const config = loadConfig({ configFile, env: {} });
    expect(config.onlineStore).toEqual({
      kind: 'redis_sentinel',
      nodes: [
        { host: 'sentinel-a', port: 26_379 },
        { host: 'sentinel-b', port: 26_380 },
      ],
      username: 'feast',
      password: 's=cret',
      database: 2,
      tls: { rejectUnauthorized: false, checkServerIdentity: true },
      sentinelMaster: 'features',
      sentinelTls: false,
      keyTtlSeconds: 3600,
      skipDedup: true,
      fullScanForDeletion: false,
      connectTimeoutMs: 100,
      commandTimeoutMs: 5000,
      clientName: 'sideboard',
      readFrom: 'primary',
      readShape: 'auto',
      sharesReads: true,
      zones: [],
      natMap: [],
      hedgePercent: 5,
      hedgePercentile: 95,
      silenceTimeoutMs: 1000,
      topologyRefreshMs: 5000,

      waitReplicas: 0,

      waitTimeoutMs: 500,
      maxPendingCommands: 100_000,
      maxPendingBytes: 64 * 1024 * 1024,
    });
    expect(config.warnings).toEqual([expect.stringMatching(/MCP is not served$/)]);
  });

  test('a project alone is a whole configuration', () => {
    const config = loadYaml('project: rides');
    expect(config.registry).toMatchObject({
      kind: 'file',
      path: join(config.repoPath, 'data/registry.db'),
    });
    expect(config.registry.cacheTtlSeconds).toBe(600);
    expect(config.onlineStore).toMatchObject({
      kind: 'sqlite',
      path: join(config.repoPath, 'data/online.db'),
    });
    expect(config.warnings).toEqual([]);
  });

  const redis = 'online_store: {type: redis';
  test.each<[string, string, (config: Config) => unknown, unknown]>([
    [
      'a registry at an absolute path',
      'registry: /srv/r.db',
      (c) => (c.registry.kind === 'file' ? c.registry.path : c.registry.kind),
      '/srv/r.db',
    ],
    [
      'a registry that never expires',
      'registry: {path: r, cache_ttl_seconds: 0}',
      (c) => c.registry.cacheTtlSeconds,
      0,
    ],
    [
      'a number in quotes',
      'registry: {path: r, cache_ttl_seconds: "5"}',
      (c) => c.registry.cacheTtlSeconds,
      5,
    ],
    ['a store that is a type', 'online_store: redis', (c) => c.onlineStore.kind, 'redis'],
    ['a store without a type', 'online_store: {path: x}', (c) => c.onlineStore.kind, 'sqlite'],
    [
      'a class for a type',
      'online_store: feast.infra.online_stores.redis.RedisOnlineStore',
      (c) => c.onlineStore.kind,
      'redis',
    ],
    [
      'a class in a block',
      'online_store: {type: feast.infra.online_stores.sqlite.SqliteOnlineStore, path: /x.db}',
      (c) => c.onlineStore,
      { kind: 'sqlite', path: '/x.db', writerUtcOffsetSeconds: 0, skipStale: true },
    ],
    [
      'keys of version 2',
      'entity_key_serialization_version: 2',
      (c) => c.entityKeySerializationVersion,
      2,
    ],
    ['a word of YAML 1.1', `${redis}, skip_dedup: on}`, redisPart('skipDedup'), true],
    ['0 for no expiry', `${redis}, key_ttl_seconds: 0}`, redisPart('keyTtlSeconds'), undefined],
    ['a null', `${redis}, skip_dedup: }`, redisPart('skipDedup'), false],
    ['an auth that is a type', 'auth: no_auth', (c) => c.warnings, []],
    ['an auth without anything', 'auth:', (c) => c.warnings, []],
    ['keys of others at the top', 'team: growth', (c) => c.warnings, []],
  ])('%s is accepted', (_, yaml, part, expected) => {
    expect(part(loadYaml(`project: rides\n${yaml}\n`))).toEqual(expected);
  });

  test.each([
    [
      'at the top',
      'onlinestore: redis',
      '2: unknown key onlinestore was ignored; did you mean online_store?',
    ],
    [
      'of the registry',
      'registry: {path: r, cache_ttl_secs: 1}',
      '2: unknown key registry.cache_ttl_secs was ignored; did you mean cache_ttl_seconds?',
    ],
    [
      'of the registry, of somebody else',
      'registry: {path: r, team: x}',
      '2: unknown key registry.team was ignored',
    ],
    [
      'of materialization',
      'materialization: {batch: 1}',
      '2: unknown key materialization.batch was ignored',
    ],
  ])('an unknown key %s passes with a warning, where Feast lets it pass', (_, yaml, warning) => {
    const { warnings } = loadYaml(`project: rides\n${yaml}\n`);
    expect(warnings.map((line) => line.replace(/^.*\.yaml:/, ''))).toEqual([warning]);
  });
});

test.each([
  ['beside', '/repo/data/registry.db', '/repo/data/registry.db.last-good'],
  ['none', '/repo/data/registry.db', undefined],
  ['/var/lib/sideboard/copy.db', '/repo/data/registry.db', '/var/lib/sideboard/copy.db'],
])('registry_copy %s', (setting, path, copyPath) => {
  const yaml = `project: rides\nregistry: ${path}\nsideboard: {registry_copy: ${setting}}\n`;
  expect(loadYaml(yaml).registry).toMatchObject({ path, copyPath });
});

function redisPart(name: 'skipDedup' | 'keyTtlSeconds'): (config: Config) => unknown {
  return ({ onlineStore }) => (onlineStore.kind === 'sqlite' ? onlineStore : onlineStore[name]);
}

test('nothing of a configuration can be changed', () => {
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(frozen));
  expect(
    frozen(loadConfig({ configFile: join(ACCEPTED, 'every-key-of-redis.yaml'), env: {} })),
  ).toBe(true);
});
