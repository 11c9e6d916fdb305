import { expect, test } from 'vitest';
import type { RegistryConfig } from '../../src/config/config.ts';
import { describeConfig } from '../../src/config/describe-config.ts';
import { parseSqlAlchemyUrl } from '../../src/config/sqlalchemy-url.ts';
import { loadYaml } from './repository.ts';

/** Of a configuration with that `registry` block. */
function registryOf(block: string, env: Record<string, string> = {}): RegistryConfig {
  return loadYaml(`project: rides\nregistry: ${block}\n`, { env }).registry;
}

test.each<[string, string, Record<string, string>, object]>([
  [
    'an object in S3',
    's3://features/team/registry.db',
    {},
    {
      kind: 's3',
      bucket: 'features',
      objectKey: 'team/registry.db',
      endpoint: undefined,
      region: 'us-east-1',
    },
  ],
  [
    'an object of a store like S3',
    '{path: "s3://features/r.db", s3_additional_kwargs: {ServerSideEncryption: AES256}, cache_ttl_seconds: 60}',
    { FEAST_S3_ENDPOINT_URL: 'http://minio:9000', AWS_DEFAULT_REGION: 'eu-west-1' },
    {
      kind: 's3',
      objectKey: 'r.db',
      endpoint: 'http://minio:9000',
      region: 'eu-west-1',
      cacheTtlSeconds: 60,
    },
  ],
  [
    'an object at Google',
    'gs://features/r.db',
    {},
    { kind: 'gcs', bucket: 'features', object: 'r.db', endpoint: undefined },
  ],
  [
    'a blob at Azure',
    '{registry_store_type: AzureRegistryStore, path: "https://acme.blob.core.windows.net/feast/team/r.db"}',
    { REGISTRY_BLOB_KEY: 'c2VjcmV0' },
    {
      kind: 'azure',
      accountUrl: 'https://acme.blob.core.windows.net',
      accountName: 'acme',
      container: 'feast',
      blob: 'team/r.db',
      accountKey: 'c2VjcmV0',
    },
  ],
  [
    'PostgreSQL, read from a replica',
    '{registry_type: sql, path: "postgresql://u@primary/feast", read_path: "postgresql+psycopg://us%40er:p%2Fw@replica:5433/feast?sslmode=require"}',
    {},
    {
      kind: 'sql',
      database: {
        dialect: 'postgresql',
        host: 'replica',
        port: 5433,
        user: 'us@er',
        password: 'p/w',
        name: 'feast',
        options: { sslmode: 'require' },
      },
    },
  ],
  [
    'MariaDB',
    '{registry_type: sql, path: "mysql+pymysql://root@127.0.0.1/feast", sqlalchemy_config_kwargs: {pool_pre_ping: true}}',
    {},
    {
      kind: 'sql',
      database: { dialect: 'mysql', host: '127.0.0.1', port: undefined, password: undefined },
    },
  ],
  [
    'SQLite',
    '{registry_type: sql, path: "sqlite:////srv/r.db"}',
    {},
    { kind: 'sql', database: { dialect: 'sqlite', path: '/srv/r.db' } },
  ],
  [
    'a registry server',
    '{registry_type: remote, path: "registry.example:6570"}',
    { SIDEBOARD_REGISTRY_TOKEN: 'abc' },
    {
      kind: 'remote',
      address: 'registry.example:6570',
      tls: undefined,
      token: 'abc',
      tokenFile: undefined,
    },
  ],
  [
    'a registry server over TLS',
    '{registry_type: remote, path: "[::1]:6570", cert: /ca.pem, client_cert: /us.pem, client_key: /us.key, authority: registry}',
    {},
    {
      kind: 'remote',
      address: '[::1]:6570',
      tls: { caFile: '/ca.pem', certFile: '/us.pem', keyFile: '/us.key', authority: 'registry' },
    },
  ],
])('%s is understood', (_, block, env, expected) => {
  expect(registryOf(block, env)).toMatchObject(expected);
});

test('a registry that is no file has its copy in the repository', () => {
  expect(registryOf('s3://features/r.db').copyPath).toMatch(/\/data\/registry\.last-good$/);
  expect(
    registryOf('s3://features/r.db', { SIDEBOARD_REGISTRY_COPY: 'none' }).copyPath,
  ).toBeUndefined();
});

test('no secret of a registry is printed', () => {
  const secrets = [
    ['{registry_type: sql, path: "postgresql://u:hush@h/d"}', {}],
    ['{registry_type: remote, path: "h:1"}', { SIDEBOARD_REGISTRY_TOKEN: 'hush' }],
    [
      '{registry_store_type: AzureRegistryStore, path: "https://a.b/c/d"}',
      { REGISTRY_BLOB_KEY: 'hush' },
    ],
  ] as const;
  for (const [block, env] of secrets) {
    const config = loadYaml(`project: rides\nregistry: ${block}\n`, { env });
    const printed = JSON.stringify(describeConfig(config));
    expect(printed).toContain('[redacted]');
    expect(printed).not.toContain('hush');
  }
});

// Recorded from sqlalchemy.engine.make_url of SQLAlchemy 2.1.
test.each([
  [
    'postgresql://us%40er:p%2Fa%3Ass@h:5432/db?sslmode=require&connect_timeout=3',
    'us@er',
    'p/a:ss',
    'h',
    5432,
    'db',
    { sslmode: 'require', connect_timeout: '3' },
  ],
  ['postgresql+psycopg://u:p@ss@h/db', 'u', 'p@ss', 'h', undefined, 'db', {}],
  ['mysql+pymysql://root@127.0.0.1:3306/feast', 'root', undefined, '127.0.0.1', 3306, 'feast', {}],
  [
    'sqlite:///data/registry.db',
    undefined,
    undefined,
    undefined,
    undefined,
    'data/registry.db',
    {},
  ],
  ['sqlite:////abs/r.db', undefined, undefined, undefined, undefined, '/abs/r.db', {}],
  ['postgresql://u:p@[::1]:5432/d', 'u', 'p', '::1', 5432, 'd', {}],
  [
    'postgresql:///db?host=/var/run/postgresql',
    undefined,
    undefined,
    undefined,
    undefined,
    'db',
    { host: '/var/run/postgresql' },
  ],
  ['postgresql+psycopg://u:a+b@h/db', 'u', 'a+b', 'h', undefined, 'db', {}],
  [
    'mariadb+mysqldb://u:p@h/d?charset=utf8mb4',
    'u',
    'p',
    'h',
    undefined,
    'd',
    { charset: 'utf8mb4' },
  ],
])('%s is read as SQLAlchemy reads it', (url, ...parts) => {
  const { user, password, host, port, database, options } = parseSqlAlchemyUrl(url)!;
  expect([user, password, host, port, database, options]).toEqual(parts);
});

test.each([
  'data/registry.db',
  'postgresql:/h/d',
  'postgresql://h:port/d',
  'postgresql://h:99999/d',
  'postgresql://u:%zz@h/d',
])('%s is no such URL', (text) => expect(parseSqlAlchemyUrl(text)).toBeUndefined());
