import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startApiServer, type ApiServer } from '../support/api-server.ts';
import { createAuthority } from '../support/certificates.ts';
import { createFeatureCaller, type FeatureCaller } from '../support/feature-callers.ts';
import {
  AUDIENCE,
  startIdentityProvider,
  type IdentityProvider,
} from '../support/identity-provider.ts';
import { serveRepository } from '../support/repository-server.ts';
import { permission, unsignedToken } from '../support/auth-fixture.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard } from '../support/sideboard-process.ts';

const READ = ['driver_stats:trips'];
const OWN_TOKEN = 'token-of-the-server';
const SECRET = 'c2VjcmV0';

/** Readers have a role, which a token of the provider gives; writers a namespace, which a token of the cluster gives. */
const PERMISSIONS = [
  permission('readers', ['READ_ONLINE'], { roleBasedPolicy: { roles: ['reader'] } }),
  permission('ml', ['WRITE_ONLINE'], { namespaceBasedPolicy: { namespaces: ['ml'] } }),
];

describe('a server with auth type oidc in a cluster', () => {
  let folder: string;
  let provider: IdentityProvider;
  let api: ApiServer;
  let repository: ServedRepository;
  let port: number;
  const closers: (() => unknown)[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sideboard-oidc-cluster-'));
    provider = await startIdentityProvider();
    const authority = createAuthority(folder, 'cluster');
    api = await startApiServer(authority.issue('api', { names: ['IP:127.0.0.1'] }), OWN_TOKEN);
    writeFileSync(join(folder, 'token'), OWN_TOKEN);
    repository = await makeServedRepository(
      [
        `kubernetes_api_url: ${api.url}`,
        `kubernetes_ca_file: ${authority.certFile}`,
        `kubernetes_token_file: ${join(folder, 'token')}`,
        'kubernetes_namespace: feast',
      ],
      {
        auth: [
          'type: oidc',
          `auth_discovery_url: ${provider.discoveryUrl}`,
          'client_id: feast',
          `audience: ${AUDIENCE}`,
          `issuer: ${provider.issuer}`,
        ],
        registry: { permissions: PERMISSIONS },
      },
    );
    const server = await serveRepository(
      repository.path,
      {},
      { INTRA_COMMUNICATION_BASE64: SECRET },
    );
    closers.push(() => server.close());
    port = server.address.port;
  });
  afterEach(() => {
    api.mood = 'well';
    api.users.clear();
  });
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
    await api?.close();
    await provider?.close();
    repository?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const caller = (token: string, protocol: 'grpc' | 'http' = 'grpc', at = port): FeatureCaller =>
    createFeatureCaller(protocol, `http://127.0.0.1:${at}`, `Bearer ${token}`);
  /** A token of a service account; each test has its own, since answers are remembered. */
  const account = (name: string, claims: object = {}): string =>
    unsignedToken({ sub: `system:serviceaccount:ml:${name}`, 'kubernetes.io': {}, ...claims });

  test.each(['grpc', 'http'] as const)(
    'has tokens of the cluster reviewed, which give a namespace and nothing else: %s',
    async (protocol) => {
      const token = account(`model-${protocol}`, { roles: ['reader'], groups: ['reader'] });
      api.users.set(token, {
        username: `system:serviceaccount:ml:model-${protocol}`,
        groups: ['reader'],
      });
      const isDenied = protocol === 'grpc' ? 'PermissionDenied' : '403';
      expect((await caller(token, protocol).write('driver_stats')).code).toBe('OK');
      expect((await caller(token, protocol).read(READ)).code).toBe(isDenied);
    },
  );

  test('gives users of the cluster and accounts of other namespaces nothing', async () => {
    for (const username of ['ml', 'system:serviceaccount:other:ml', 'system:serviceaccount:ml']) {
      const token = account(username, { username });
      api.users.set(token, { username, groups: ['ml'] });
      const { code } = await caller(token).write('driver_stats');
      expect([username, code]).toEqual([username, 'PermissionDenied']);
    }
  });

  test('turns away whom the cluster does not know, also with a signature of the provider', async () => {
    const signed = await provider.token({ 'kubernetes.io': {}, roles: ['reader'] });
    for (const token of [account('nobody'), signed]) {
      expect((await caller(token).read(READ)).code).toBe('Unauthenticated');
      expect((await caller(token, 'http').read(READ)).code).toBe('401');
    }
    // What is no object is no mark of a cluster, as in Feast.
    const other = await provider.token({ 'kubernetes.io': 'no', roles: ['reader'] });
    expect((await caller(other).read(READ)).code).toBe('OK');
  });

  test('lets in those of the provider while the cluster is away', async () => {
    api.mood = 'failing';
    expect((await caller(account('late')).read(READ)).code).toBe('Unavailable');
    const reader = await provider.token({ roles: ['reader'] });
    expect((await caller(reader).read(READ)).code).toBe('OK');
  });

  test('lets in servers of Feast by their secret, wherever they call', async () => {
    const server = unsignedToken({ preferred_username: SECRET });
    for (const protocol of ['grpc', 'http'] as const) {
      expect((await caller(server, protocol).read(READ)).code).toBe('OK');
      expect((await caller(server, protocol).write('driver_stats')).code).toBe('OK');
    }
    for (const claims of [
      { preferred_username: 'c2VjcmV1' },
      { preferred_username: '' },
      { preferred_username: [SECRET] },
      { preferred_username: `${SECRET}=` },
      { upn: SECRET },
      // As servers of a deployment with auth type kubernetes write it.
      { sub: `:::${SECRET}` },
    ]) {
      const { code } = await caller(unsignedToken(claims)).read(READ);
      expect([claims, code]).toEqual([claims, 'Unauthenticated']);
    }
  });

  test('asks the same with several workers, over every connection', async () => {
    const sideboard = await startSideboard({
      repoPath: repository.path,
      serveArguments: ['--workers', '2'],
      env: { INTRA_COMMUNICATION_BASE64: SECRET },
    });
    closers.push(() => sideboard.stop());
    const model = account('model-of-workers');
    api.users.set(model, { username: 'system:serviceaccount:ml:model' });
    const tokens = {
      reader: await provider.token({ roles: ['reader'] }),
      model,
      server: unsignedToken({ preferred_username: SECRET }),
      expired: await provider.token({ roles: ['reader'], exp: 1 }),
    };
    const expected = {
      reader: ['OK', 'PermissionDenied'],
      model: ['PermissionDenied', 'OK'],
      server: ['OK', 'OK'],
      expired: ['Unauthenticated', 'Unauthenticated'],
    };
    // Connections go to the workers by turns.
    for (let turn = 0; turn < 4; turn++) {
      for (const [name, token] of Object.entries(tokens)) {
        const over = (): FeatureCaller => caller(token, 'grpc', sideboard.port);
        const codes = [(await over().read(READ)).code, (await over().write('driver_stats')).code];
        expect([turn, name, codes]).toEqual([turn, name, expected[name as keyof typeof expected]]);
      }
    }
  });
});
