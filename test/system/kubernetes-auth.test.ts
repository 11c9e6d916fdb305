import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RunningServer } from '../../src/server.ts';
import { startApiServer, type ApiServer } from '../support/api-server.ts';
import { createAuthority, type CertificateAuthority } from '../support/certificates.ts';
import { createFeatureCaller, type FeatureCaller } from '../support/feature-callers.ts';
import { permission, unsignedToken } from '../support/auth-fixture.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { serveRepository } from '../support/repository-server.ts';

const READ = ['driver_stats:trips'];
const OWN_TOKEN = 'token-of-the-server';
const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const BINDINGS = '/apis/rbac.authorization.k8s.io/v1/namespaces/feast/rolebindings';

describe('a server with auth type kubernetes', () => {
  let folder: string;
  let authority: CertificateAuthority;
  let api: ApiServer;
  let repository: ServedRepository;
  let server: RunningServer;
  const others: RunningServer[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sideboard-kubernetes-'));
    authority = createAuthority(folder, 'cluster');
    api = await startApiServer(authority.issue('api', { names: ['IP:127.0.0.1'] }), OWN_TOKEN);
    writeFileSync(join(folder, 'token'), `${OWN_TOKEN}\n`);
    const settings = [
      `kubernetes_api_url: ${api.url}`,
      `kubernetes_ca_file: ${authority.certFile}`,
      `kubernetes_token_file: ${join(folder, 'token')}`,
      'kubernetes_namespace: feast',
    ];
    repository = await makeServedRepository(settings, {
      auth: ['type: kubernetes'],
      registry: {
        permissions: [
          permission('readers', ['READ_ONLINE'], { roleBasedPolicy: { roles: ['feast-reader'] } }),
          permission('ml', ['WRITE_ONLINE'], {
            namespaceBasedPolicy: { namespaces: ['ml'] },
          }),
          permission('admins', ['READ_ONLINE', 'WRITE_ONLINE'], {
            groupBasedPolicy: { groups: ['admins'] },
          }),
        ],
      },
    });
    server = await start();
  });
  afterEach(async () => {
    api.mood = 'well';
    api.forbidden.clear();
    api.users.clear();
    api.bindings.length = 0;
    for (const other of others.splice(0)) await other.close();
  });
  afterAll(async () => {
    await server?.close();
    await api?.close();
    repository?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  function start(
    overrides: Readonly<Record<string, unknown>> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<RunningServer> {
    return serveRepository(repository.path, overrides, env);
  }

  const callerAt = (
    { address }: RunningServer,
    token: string,
    protocol: 'grpc' | 'http' = 'grpc',
  ): FeatureCaller =>
    createFeatureCaller(protocol, `http://127.0.0.1:${address.port}`, `Bearer ${token}`);
  const bind = (namespace: string | undefined, role: string, subject: object): void => {
    api.bindings.push({
      ...(namespace === undefined ? {} : { namespace }),
      role,
      subjects: [subject as { kind: string; name: string }],
    });
  };
  const account = (namespace: string, name: string) => ({
    username: `system:serviceaccount:${namespace}:${name}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
  });

  test('lets in whom the cluster knows, with the roles that it binds in its own namespace', async () => {
    api.users.set('model-1', account('ml', 'model'));
    bind('feast', 'feast-reader', { kind: 'ServiceAccount', name: 'model', namespace: 'ml' });
    expect(await callerAt(server, 'model-1').read(READ)).toEqual({ code: 'OK', message: '' });
    expect((await callerAt(server, 'model-1', 'http').read(READ)).code).toBe('OK');
    expect((await callerAt(server, 'model-1').write('driver_stats')).code).toBe('OK');
    // Asked once: the answer is remembered.
    expect(api.reviewed.filter((token) => token === 'model-1')).toHaveLength(1);
  });

  test.each<[string, string | undefined, object]>([
    ['of another namespace', 'ml', { kind: 'ServiceAccount', name: 'model', namespace: 'other' }],
    ['for another account', 'feast', { kind: 'ServiceAccount', name: 'x', namespace: 'other' }],
    [
      'for one of that name elsewhere',
      'feast',
      { kind: 'ServiceAccount', name: 'model', namespace: 'ml' },
    ],
    ['for a user of that name', 'feast', { kind: 'User', name: 'model' }],
    [
      'of the whole cluster',
      undefined,
      { kind: 'ServiceAccount', name: 'model', namespace: 'other' },
    ],
  ])('a binding %s gives a service account nothing', async (what, namespace, subject) => {
    api.users.set(`token ${what}`.replaceAll(' ', '-'), account('other', 'model'));
    bind(namespace, 'feast-reader', subject);
    const caller = callerAt(server, `token ${what}`.replaceAll(' ', '-'));
    expect((await caller.read(READ)).code).toBe('PermissionDenied');
    expect((await caller.write('driver_stats')).code).toBe('PermissionDenied');
  });

  test('lets in users by their groups and by bindings of any namespace', async () => {
    api.users.set('ada', { username: 'ada', groups: ['admins'] });
    api.users.set('bob', { username: 'bob', groups: ['analysts'] });
    api.users.set('eve', { username: 'eve' });
    bind('anywhere', 'feast-reader', { kind: 'Group', name: 'analysts' });
    expect((await callerAt(server, 'ada').write('driver_stats')).code).toBe('OK');
    expect((await callerAt(server, 'bob').read(READ)).code).toBe('OK');
    expect((await callerAt(server, 'bob').write('driver_stats')).code).toBe('PermissionDenied');
    expect((await callerAt(server, 'eve').read(READ)).code).toBe('PermissionDenied');
  });

  test('refuses whom the cluster does not know, whatever the token says of itself', async () => {
    const forged = unsignedToken({
      sub: 'system:serviceaccount:ml:model',
      'kubernetes.io': { namespace: 'ml', serviceaccount: { name: 'model' } },
      exp: Date.now(),
    });
    for (const token of ['nobody', forged]) {
      expect((await callerAt(server, token).read(READ)).code).toBe('Unauthenticated');
      expect((await callerAt(server, token, 'http').read(READ)).code).toBe('401');
    }
  });

  test('asks again when the answer is too old', async () => {
    const other = await start({ token_cache_ms: 0 });
    others.push(other);
    api.users.set('leaver', { username: 'leaver', groups: ['admins'] });
    expect((await callerAt(other, 'leaver').read(READ)).code).toBe('OK');
    api.users.delete('leaver');
    expect((await callerAt(other, 'leaver').read(READ)).code).toBe('Unauthenticated');
  });

  test('lets nobody in while the cluster does not answer, or may not be asked', async () => {
    api.users.set('late', { username: 'late', groups: ['admins'] });
    api.users.set('late-account', account('ml', 'late'));
    api.mood = 'failing';
    expect((await callerAt(server, 'late').read(READ)).code).toBe('Unavailable');
    expect((await callerAt(server, 'late', 'http').read(READ)).code).toBe('503');
    api.mood = 'well';
    for (const [token, path] of [
      ['late', REVIEWS],
      ['late-account', BINDINGS],
    ] as const) {
      api.forbidden.clear();
      api.forbidden.add(path);
      const { code, message } = await callerAt(server, token).read(READ);
      expect(code).toBe('Unavailable');
      expect(message).toContain('docs/auth.md');
    }
    api.forbidden.clear();
    expect((await callerAt(server, 'late').read(READ)).code).toBe('OK');
  });

  test('asks nobody but the cluster: its certificate has to be of the authority', async () => {
    const stranger = createAuthority(folder, 'stranger');
    const other = await start({ kubernetes_ca_file: stranger.certFile });
    others.push(other);
    api.users.set('ada-2', { username: 'ada', groups: ['admins'] });
    expect((await callerAt(other, 'ada-2').read(READ)).code).toBe('Unavailable');
    expect(api.reviewed).not.toContain('ada-2');
  });

  test('lets in servers of Feast by their secret, where there is one', async () => {
    const token = unsignedToken({ sub: ':::c2VjcmV0' });
    expect((await callerAt(server, token).read(READ)).code).toBe('Unauthenticated');
    const other = await start({}, { INTRA_COMMUNICATION_BASE64: 'c2VjcmV0' });
    others.push(other);
    expect((await callerAt(other, token).read(READ)).code).toBe('OK');
    for (const sub of [':::c2VjcmV1', '::c2VjcmV0', 'c2VjcmV0', '::::c2VjcmV0', ':::']) {
      const { code } = await callerAt(other, unsignedToken({ sub })).read(READ);
      expect([sub, code]).toEqual([sub, 'Unauthenticated']);
    }
  });
});
