import { test } from 'vitest';
import type { Caller } from '../../src/call/access.ts';
import { createAuthorizer } from '../../src/auth/authorizer.ts';
import { createBearerTokens } from '../../src/auth/bearer-tokens.ts';
import type { RegistrySnapshot, ViewDefinition } from '../../src/registry/registry-model.ts';
import { askingCall } from '../../test/support/asking-call.ts';
import { snapshotOf } from '../../test/retrieval/registry-fixture.ts';

const CALLER: Caller = {
  name: 'model',
  roles: ['reader'],
  groups: [],
  namespaces: [],
  isServer: false,
  validUntilMs: Date.now() + 3_600_000,
};
/** As long as providers make them. */
const HEADER = `Bearer ${'a'.repeat(1200)}`;
const VIEW_COUNT = 10;
const PERMISSION_COUNT = 50;

const base = snapshotOf({
  entities: { driver: ['driver_id', 4] },
  views: Array.from({ length: VIEW_COUNT }, (_, i) => ({
    name: `driver_view_${i}`,
    entities: ['driver'],
    features: { f: 4 },
  })),
});
const snapshot: RegistrySnapshot = {
  ...base,
  permissions: Array.from({ length: PERMISSION_COUNT }, (_, i) => ({
    name: `p${i}`,
    objectTypes: new Set(['FEATURE_VIEW'] as const),
    namePatterns: [i === PERMISSION_COUNT - 1 ? 'driver_.*' : `team_${i}_.*`],
    requiredTags: {},
    actions: new Set(['READ_ONLINE'] as const),
    policy: { kind: 'roles', roles: ['reader'] } as const,
  })),
};
const views: readonly ViewDefinition[] = [...snapshot.views.values()];

test('who may do what', async ({ bench }) => {
  const authorize = createAuthorizer({
    requiredTags: 'ignore',
    withoutPermissions: 'allow',
    audit: () => {},
  });
  const { authenticate } = createBearerTokens({
    verify: () => Promise.resolve(CALLER),
    maxTokenBytes: 16_384,
    cacheMs: 3_600_000,
    maxCachedTokens: 10_000,
    audit: () => {},
  });
  const call = askingCall(CALLER, { authorization: HEADER });
  await authenticate(call);
  // A header is a string of its own in each request, whose hash nobody knows yet.
  const bytes = Buffer.from(HEADER);
  const request = { action: 'READ_ONLINE', objects: views, snapshot } as const;
  authorize(call, request);

  await bench.compare(
    bench('a decision that was taken before', () => authorize(call, request)),
    bench('a token that is known, and the decision', () => {
      const caller = authenticate({ ...call, metadata: () => bytes.toString('latin1') }) as Caller;
      authorize({ ...call, caller }, request);
    }),
    bench('a decision that is new: ten views, fifty permissions', () =>
      authorize(call, { ...request, objects: [...views] })),
  );
});
