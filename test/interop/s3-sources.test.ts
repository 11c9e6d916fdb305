import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { runProgram } from '../support/python.ts';
import { runSql } from '../system/materialize-fixture.ts';
import { startS3, type ForeignServer } from './foreign-servers.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const NODE = join(ROOT, 'node_modules', '.bin', 'node');
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' };
const NO_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: '',
  AWS_SECRET_ACCESS_KEY: '',
  AWS_PROFILE: '',
  AWS_CONFIG_FILE: '/nowhere',
  AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
  AWS_EC2_METADATA_DISABLED: 'true',
};

let folder: string;
let temporary: string;
let server: ForeignServer;
let endpoint: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sideboard-interop-s3-'));
  temporary = join(folder, 'tmp');
  await mkdir(temporary);
  server = await startS3();
  endpoint = `http://127.0.0.1:${server.port}`;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'testing', secretAccessKey: 'testing' },
  });
  await client.send(new CreateBucketCommand({ Bucket: 'lake' }));
  const put = async (Key: string, query: string, format = 'parquet'): Promise<void> => {
    const path = join(folder, 'object');
    await runSql(`COPY (${query}) TO '${path}' (FORMAT ${format})`);
    await client.send(new PutObjectCommand({ Bucket: 'lake', Key, Body: await readFile(path) }));
  };
  await put('drivers/day=1/a.parquet', rowsOf(1, 3, "TIMESTAMP '2025-01-01'"));
  await put('drivers/day=2/b.parquet', rowsOf(2, 4, "TIMESTAMP '2025-01-02'"));
  await put('drivers/_temporary/c.parquet', rowsOf(1, 9, "TIMESTAMP '2025-01-09'"));
  await put('many/a.parquet', rowsOf(1, 5000, "TIMESTAMP '2025-01-01'"));
  await put('text/a b.csv', rowsOf(1, 2, "'2025-01-03T00:00:00Z'"), 'csv');
  await put('text/bad.csv', "SELECT 7 AS id, 'seven' AS trips, '2025-01-03' AS ts", 'csv');
});

afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Drivers `first` to `last`; their trips tell which day they are of. */
function rowsOf(first: number, last: number, moment: string): string {
  return `SELECT id, id * 100 + day(TIMESTAMP ${moment.replace('TIMESTAMP ', '')}) AS trips, ${moment} AS ts FROM range(${first}, ${last + 1}) AS r(id)`;
}

let count = 0;

/** A repository whose view `driver` reads from there, applied. */
async function repositoryOf(path: string, settings = ''): Promise<string> {
  const repository = join(folder, `repository-${count++}`);
  await mkdir(repository);
  await writeFile(
    join(repository, 'feature_store.yaml'),
    `project: acme
provider: local
registry: registry.db
online_store: {type: sqlite, path: online.db}
entity_key_serialization_version: 3
${settings}`,
  );
  await writeFile(
    join(repository, 'features.ts'),
    `import { defineEntity, defineFeatureView, defineFileSource, Int64 } from 'sideboard';
export const driver = defineFeatureView({
  name: 'driver',
  entities: [defineEntity({ name: 'id', valueType: Int64 })],
  source: defineFileSource({
    name: 'lake', path: '${path}', timestampField: 'ts', s3EndpointOverride: '${endpoint}',
  }),
  schema: { trips: Int64 },
});
`,
  );
  await sideboard(repository, 'apply');
  return repository;
}

/** Runs our command line as a user does, with a temporary folder of its own. */
function sideboard(repository: string, ...args: string[]): Promise<string> {
  return sideboardIn(CREDENTIALS, repository, ...args);
}

function sideboardIn(
  env: Readonly<Record<string, string>>,
  repository: string,
  ...args: string[]
): Promise<string> {
  const main = ['--disable-warning=ExperimentalWarning', join(ROOT, 'src', 'main.ts')];
  return runProgram(NODE, [...main, '-c', repository, ...args], {
    env: { ...process.env, TMPDIR: temporary, ...env },
    timeoutMs: 120_000,
  });
}

function materialize(repository: string): Promise<string> {
  return sideboard(repository, 'materialize', '2025-01-01', '2025-01-31', '--json');
}

/** What is stored, in the order of the drivers. */
function storedTrips(repository: string): number[] {
  const database = new DatabaseSync(join(repository, 'online.db'), { readOnly: true });
  try {
    const rows = database.prepare('SELECT value FROM acme_driver').all();
    const trips = rows.map(({ value }) => Number(readValue(value as Uint8Array).value));
    return trips.sort((a, b) => a - b);
  } finally {
    database.close();
  }
}

describe('sources in S3', () => {
  test.each([
    ['a folder', 'drivers', [101, 202, 302, 402]],
    ['a folder with a slash', 'drivers/', [101, 202, 302, 402]],
    ['a pattern', 'drivers/day=*/*.parquet', [101, 202, 302, 402]],
    ['one object', 'drivers/day=2/b.parquet', [202, 302, 402]],
    ['CSV', 'text/a*.csv', [103, 203]],
  ])('%s is materialized', async (_name, key, trips) => {
    const repository = await repositoryOf(`s3://lake/${key}`);
    await materialize(repository);
    expect(storedTrips(repository)).toEqual(trips);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('are joined to entity rows', async () => {
    const repository = await repositoryOf('s3://lake/drivers');
    const entities = join(repository, 'entities.parquet');
    const output = join(repository, 'training.parquet');
    await runSql(
      `COPY (SELECT 2::BIGINT AS id, unnest([TIMESTAMP '2025-01-01 12:00', TIMESTAMP '2025-01-03']) AS event_timestamp) TO '${entities}' (FORMAT parquet)`,
    );
    const options = [entities, '--output', output, '--features', 'driver:trips', '--json'];
    const printed = await sideboard(repository, 'historical-features', ...options);
    expect(printed).toContain('s3://lake/drivers/day=1/a.parquet');
    const text = join(repository, 'training.csv');
    await runSql(`COPY (SELECT trips FROM '${output}') TO '${text}' (FORMAT csv)`);
    expect((await readFile(text, 'utf8')).trim().split('\n')).toEqual(['trips', '201', '202']);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('are named in what is said of bad rows', async () => {
    const repository = await repositoryOf('s3://lake/text/bad.csv');
    const { views } = JSON.parse(await materialize(repository)) as { views: unknown[] };
    expect(JSON.stringify(views)).toContain('s3://lake/text/bad.csv');
  });

  test.each([
    ['an object that is not there', 's3://lake/gone.parquet', 'has no files'],
    ['a bucket that is not there', 's3://gone/a.parquet', 'there is no such bucket'],
    ['no bucket at all', 's3://', 'names no bucket'],
    ['both formats', 's3://lake/**/*.{parquet,csv}', 'mixes Parquet and CSV'],
  ])('%s is an error that says so', async (_name, path, message) => {
    await expect(materialize(await repositoryOf(path))).rejects.toThrow(message);
  });

  test('are copied within a limit', async () => {
    const limited = 'sideboard: {max_source_bytes: 1KiB}\n';
    const repository = await repositoryOf('s3://lake/many', limited);
    await expect(materialize(repository)).rejects.toThrow(/more than max_source_bytes \(1024\)/);
  });

  test('need credentials', async () => {
    const repository = await repositoryOf('s3://lake/drivers');
    await expect(
      sideboardIn(NO_CREDENTIALS, repository, 'materialize', '2025-01-01', '2025-01-31'),
    ).rejects.toThrow('there are no AWS credentials');
  });
});
