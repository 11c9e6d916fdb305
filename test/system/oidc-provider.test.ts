import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunningServer } from '../../src/server.ts';
import { createFeatureCaller } from '../support/feature-callers.ts';
import { startOpenIdProvider, type OpenIdProvider } from '../support/openid-provider.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { serveRepository } from '../support/repository-server.ts';

describe('with the tokens of a provider that nobody here wrote', () => {
  let provider: OpenIdProvider;
  let repository: ServedRepository;
  let server: RunningServer;

  beforeAll(async () => {
    provider = await startOpenIdProvider({ reader: ['reader'], nobody: [] });
    const spec = {
      name: 'readers',
      project: 'rides',
      types: ['FEATURE_VIEW'],
      actions: ['READ_ONLINE'],
      policy: { roleBasedPolicy: { roles: ['reader'] } },
    };
    repository = await makeServedRepository([], {
      auth: [
        'type: oidc',
        `auth_discovery_url: ${provider.discoveryUrl}`,
        `audience: ${provider.audience}`,
        `issuer: ${provider.issuer}`,
      ],
      registry: { permissions: [{ spec }] },
    });
    server = await serveRepository(repository.path);
  });
  afterAll(async () => {
    await server?.close();
    await provider?.close();
    repository?.remove();
  });

  test.each([
    ['reader', 'OK', 'OK'],
    ['nobody', 'PermissionDenied', '403'],
  ])('%s reads: %s, %s', async (clientId, overGrpc, overHttp) => {
    const authorization = `Bearer ${await provider.tokenOf(clientId)}`;
    const url = `http://127.0.0.1:${server.address.port}`;
    for (const [protocol, expected] of [
      ['grpc', overGrpc],
      ['http', overHttp],
    ] as const) {
      const caller = createFeatureCaller(protocol, url, authorization);
      expect((await caller.read(['driver_stats:trips'])).code).toBe(expected);
    }
  });
});
