import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { Storage } from '@google-cloud/storage';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import { openRegistry, readRegistry } from '../../src/registry/open-registry.ts';
import type { RegistrySource } from '../../src/registry/registry-model.ts';
import { registryBytes } from '../registry/registry-fixture.ts';
import { waitUntil } from '../support/wait-until.ts';
import {
  AZURE_ACCOUNT,
  startAzure,
  startGcs,
  startS3,
  type ForeignServer,
} from './foreign-servers.ts';

const OBJECT = 'team a/registry.db';

/** A bucket, as its own library writes to it and as our configuration names it. */
interface Bucket {
  /** Of the registry block, with that object. */
  readonly blockOf: (object: string) => string;
  readonly env: Readonly<Record<string, string>>;
  /** What is said where there is no such object. */
  readonly missing: string;
  put(bytes: Uint8Array): Promise<void>;
  remove(): Promise<void>;
}

async function s3Bucket({ port }: ForeignServer): Promise<Bucket> {
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: 'testing', secretAccessKey: 'testing' };
  const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'features' }));
  const object = { Bucket: 'features', Key: OBJECT };
  return {
    blockOf: (name) => `{path: "s3://features/${name}", cache_ttl_seconds: 1}`,
    env: {
      FEAST_S3_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: 'testing',
      AWS_SECRET_ACCESS_KEY: 'testing',
    },
    missing: 'there is no such object',
    put: async (Body) => void (await client.send(new PutObjectCommand({ ...object, Body }))),
    remove: async () => void (await client.send(new DeleteObjectCommand(object))),
  };
}

async function gcsBucket({ port }: ForeignServer): Promise<Bucket> {
  const endpoint = `http://127.0.0.1:${port}`;
  const storage = new Storage({ apiEndpoint: endpoint, projectId: 'test' });
  await storage.createBucket('features');
  const file = storage.bucket('features').file(OBJECT);
  return {
    blockOf: (name) => `{path: "gs://features/${name}", cache_ttl_seconds: 1}`,
    env: { STORAGE_EMULATOR_HOST: endpoint },
    missing: 'there is no such object',
    put: (bytes) => file.save(Buffer.from(bytes), { resumable: false }),
    remove: async () => void (await file.delete()),
  };
}

async function azureContainer({ port }: ForeignServer): Promise<Bucket> {
  const { name, key } = AZURE_ACCOUNT;
  const url = `http://127.0.0.1:${port}/${name}/features`;
  const container = new ContainerClient(url, new StorageSharedKeyCredential(name, key));
  await container.create();
  const blob = container.getBlockBlobClient(OBJECT);
  return {
    blockOf: (object) =>
      `{registry_store_type: AzureRegistryStore, path: "${url}/${object}", cache_ttl_seconds: 1}`,
    env: { REGISTRY_BLOB_KEY: key },
    missing: 'there is no such blob',
    put: async (bytes) => void (await blob.upload(Buffer.from(bytes), bytes.length)),
    remove: async () => void (await blob.delete()),
  };
}

let folder: string;
let opened: RegistrySource[] = [];
let failures: string[] = [];
/** The libraries look for credentials in the environment of the process. */
const environment = { ...process.env };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-buckets-'));
});
afterEach(async () => {
  for (const registry of opened) await registry.close();
  opened = [];
  failures = [];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each<[string, () => Promise<ForeignServer>, (server: ForeignServer) => Promise<Bucket>]>([
  ['S3', startS3, s3Bucket],
  ['Google Cloud Storage', startGcs, gcsBucket],
  ['Azure Blob Storage', startAzure, azureContainer],
])('a registry in %s', (_name, start, make) => {
  let server: ForeignServer;
  let bucket: Bucket;

  beforeAll(async () => {
    server = await start();
    bucket = await make(server);
    Object.assign(process.env, bucket.env);
    await bucket.put(registryBytes({ version: 'first', views: { rides: ['v', 'w'] } }));
  });
  afterAll(async () => {
    process.env = { ...environment };
    await server?.stop();
  });

  const configOf = (object = OBJECT) => {
    const repoPath = mkdtempSync(join(folder, 'repo-'));
    writeFileSync(
      join(repoPath, 'feature_store.yaml'),
      `project: rides\nregistry: ${bucket.blockOf(object)}\nonline_store: sqlite\nsideboard: {registry_timeout_ms: 5000}\n`,
    );
    return loadConfig({ repoPath, env: bucket.env }).registry;
  };
  const open = async (config: ReturnType<typeof configOf>, warnings: string[] = []) => {
    const registry = await openRegistry(config, {
      project: 'rides',
      hashFeatureField,
      onFailure: ({ message }) => failures.push(message),
      onWarning: (message) => warnings.push(message),
    });
    opened.push(registry);
    return registry;
  };
  const viewsOf = (registry: RegistrySource) => [...registry.current().views.keys()];

  test('is served, and taken up when it changes', async () => {
    const registry = await open(configOf());
    expect(viewsOf(registry)).toEqual(['v', 'w']);
    await bucket.put(registryBytes({ version: 'second', views: { rides: ['v', 'x'] } }));
    await waitUntil(() => viewsOf(registry).includes('x'), { what: 'the new registry' });
    const whole = await readRegistry(configOf(), 'rides');
    expect(whole.versionId).toBe('second');
    expect(failures).toEqual([]);
  });

  test('stays in service when it is cut, taken away or out of reach, and starts from its copy', async () => {
    const config = configOf();
    const registry = await open(config);
    const views = viewsOf(registry);
    await waitUntil(() => readFileSync(config.copyPath!).length > 0, { what: 'the copy' });
    await bucket.put(registryBytes({ version: 'cut', views: { rides: ['y'] } }).subarray(0, 40));
    await waitUntil(() => failures.length === 1, { what: 'the failure to be told' });
    await bucket.remove();
    await waitUntil(() => failures.length === 2, { what: 'the other failure to be told' });
    expect(failures[0]).toContain('it is cut off');
    expect(failures[1]).toContain(bucket.missing);
    expect(viewsOf(registry)).toEqual(views);
    const warnings: string[] = [];
    expect(viewsOf(await open(config, warnings))).toEqual(views);
    expect(warnings).toEqual([expect.stringContaining('cannot be served; starting with')]);
    await server.stop();
    await waitUntil(
      () => failures.some((text) => /nothing listens|cannot be reached|cannot be read/.test(text)),
      {
        what: 'the last failure to be told',
        timeoutMs: 30_000,
      },
    );
    expect(viewsOf(registry)).toEqual(views);
  });
});
