import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { readRegistry } from '../../src/registry/open-registry.ts';

/** How the place of a registry answers. */
interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const S3 = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'not-to-be-told' };
const FEAST_APPLY = 'write it with "feast apply"';
/** Of no environment: what is said may not depend on where the tests run. */
const environment = { ...process.env };

let server: Server;
let endpoint: string;
let folder: string;
let answer: Answer = { status: 500 };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-mistakes-'));
  server = createServer((request, response) => {
    request.resume();
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(join(folder, 'cut.json'), '{"type":');
});
afterEach(() => {
  process.env = { ...environment };
});
afterAll(() => {
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What somebody is told whose registry is there. */
async function toldOf(path: string, env: Readonly<Record<string, string>>): Promise<string> {
  process.env = {
    PATH: environment['PATH'],
    HOME: folder,
    AWS_EC2_METADATA_DISABLED: 'true',
    METADATA_SERVER_DETECTION: 'none',
    ...env,
  };
  const repoPath = mkdtempSync(join(folder, 'repo-'));
  writeFileSync(
    join(repoPath, 'feature_store.yaml'),
    `project: rides\nregistry: ${path}\nonline_store: sqlite\n`,
  );
  const { registry } = loadConfig({ repoPath, env });
  const error: unknown = await readRegistry(registry, 'rides').catch((thrown: unknown) => thrown);
  return (error as Error).message;
}

const s3Error = (code: string, more = ''): string =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message>${more}</Error>`;

test.each<[mistake: string, told: string, given: Answer | undefined, remedy: string]>([
  [
    'no such bucket',
    'there is no such bucket',
    { status: 404, body: s3Error('NoSuchBucket') },
    'correct its name, or the endpoint',
  ],
  [
    'no such object',
    'there is no such object',
    { status: 404, body: s3Error('NoSuchKey') },
    FEAST_APPLY,
  ],
  [
    'no right',
    'the credentials may not read it',
    { status: 403, body: s3Error('AccessDenied') },
    'let them s3:GetObject of the object and s3:ListBucket of the bucket',
  ],
  [
    'a wrong key',
    'the access key is unknown',
    { status: 403, body: s3Error('InvalidAccessKeyId') },
    'correct AWS_ACCESS_KEY_ID, or choose another AWS_PROFILE',
  ],
  [
    'a wrong secret',
    'the secret key is wrong',
    { status: 403, body: s3Error('SignatureDoesNotMatch') },
    'correct AWS_SECRET_ACCESS_KEY, or choose another AWS_PROFILE',
  ],
  [
    'an old session',
    'the credentials have expired',
    { status: 400, body: s3Error('ExpiredToken') },
    'renew them, such as by "aws sso login"',
  ],
  [
    'another region',
    'the bucket is in another region',
    { status: 400, body: s3Error('AuthorizationHeaderMalformed', '<Region>eu-west-1</Region>') },
    'set AWS_REGION to it',
  ],
])('a registry in S3 with %s is told so, with what helps', async (_name, told, given, remedy) => {
  answer = given!;
  const message = await toldOf('s3://features/registry.db', {
    ...S3,
    FEAST_S3_ENDPOINT_URL: endpoint,
  });
  expect(message).toBe(`registry s3://features/registry.db: ${told}; ${remedy}`);
});

test('a registry in S3 without credentials, or behind no endpoint, is told so, with what helps', async () => {
  expect(await toldOf('s3://features/registry.db', { FEAST_S3_ENDPOINT_URL: endpoint })).toMatch(
    /there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or /,
  );
  const nobody = { ...S3, FEAST_S3_ENDPOINT_URL: 'http://127.0.0.1:1' };
  expect(await toldOf('s3://features/registry.db', nobody)).toMatch(
    /nothing listens at the endpoint \(127\.0\.0\.1:1\); see the endpoint: FEAST_S3_ENDPOINT_URL/,
  );
});

const gcsError = (code: number, message: string): Answer => ({
  status: code,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ error: { code, message, errors: [{ message, reason: 'x' }] } }),
});

test.each<[mistake: string, given: Answer, told: string]>([
  [
    'no such bucket',
    gcsError(404, 'The specified bucket does not exist.'),
    'there is no such bucket; correct its name',
  ],
  [
    'no such object',
    gcsError(404, 'No such object: features/registry.db'),
    `there is no such object; ${FEAST_APPLY}`,
  ],
  [
    'no right',
    gcsError(403, 'reader@x does not have storage.objects.get access'),
    'the credentials may not read it; give their account the role Storage Object Viewer of the bucket',
  ],
  [
    'no credentials',
    gcsError(401, 'Anonymous caller does not have storage.objects.get access'),
    'there are no Google credentials; name the file of a service account in GOOGLE_APPLICATION_CREDENTIALS, ',
  ],
  [
    'a key that was withdrawn',
    gcsError(400, 'invalid_grant: Invalid JWT Signature.'),
    'the credentials are not accepted; make a new key or sign in again, ',
  ],
  [
    'credentials of nobody',
    gcsError(401, 'Invalid Credentials'),
    'the credentials are not accepted; make a new key or sign in again, ',
  ],
])(
  'a registry in Google Cloud Storage with %s is told so, with what helps',
  async (_name, given, told) => {
    answer = given;
    const message = await toldOf('gs://features/registry.db', { STORAGE_EMULATOR_HOST: endpoint });
    expect(message).toContain(`registry gs://features/registry.db: ${told}`);
  },
);

test.each(['nowhere.json', 'cut.json'])(
  'a registry in Google Cloud Storage with the credentials of %s is told so',
  async (file) => {
    const env = { GOOGLE_APPLICATION_CREDENTIALS: join(folder, file) };
    expect(await toldOf('gs://features/registry.db', env)).toBe(
      'registry gs://features/registry.db: the file of the credentials cannot be read; correct GOOGLE_APPLICATION_CREDENTIALS',
    );
  },
);

test('a registry in Google Cloud Storage behind no endpoint is told so, with what helps', async () => {
  expect(
    await toldOf('gs://features/registry.db', { STORAGE_EMULATOR_HOST: 'http://127.0.0.1:1' }),
  ).toMatch(/nothing listens at the endpoint \(127\.0\.0\.1:1\); see the endpoint: STORAGE_EMUL/);
});

const azureError = (status: number, code: string): Answer => ({
  status,
  headers: { 'x-ms-error-code': code },
});

test.each<[mistake: string, given: Answer, told: string]>([
  [
    'no such container',
    azureError(404, 'ContainerNotFound'),
    'there is no such container; correct its name',
  ],
  ['no such blob', azureError(404, 'BlobNotFound'), `there is no such blob; ${FEAST_APPLY}`],
  [
    'a wrong key',
    azureError(403, 'AuthenticationFailed'),
    'the credentials are not accepted; correct REGISTRY_BLOB_KEY',
  ],
  [
    'no right',
    azureError(403, 'AuthorizationFailure'),
    'the credentials may not read it; give them the role Storage Blob Data Reader',
  ],
])('a registry in Azure with %s is told so, with what helps', async (_name, given, told) => {
  answer = given;
  const path = `{registry_store_type: AzureRegistryStore, path: "${endpoint}/account/features/registry.db"}`;
  expect(await toldOf(path, { REGISTRY_BLOB_KEY: 'bm90LXRvLWJlLXRvbGQ=' })).toContain(`: ${told}`);
});
