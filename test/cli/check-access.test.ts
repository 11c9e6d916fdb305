import { describe, expect, test } from 'vitest';
import { checkAccess } from '../../src/cli/check-access.ts';
import type { PermissionDefinition } from '../../src/registry/registry-model.ts';
import { loadYaml } from '../config/repository.ts';

/** Nothing listens on port 1. */
const OIDC = `auth:
  type: oidc
  auth_discovery_url: http://127.0.0.1:1/.well-known/openid-configuration
  audience: feast
`;

async function check(yaml: string, permissions: readonly PermissionDefinition[] | undefined) {
  const findings = await checkAccess(loadYaml(`project: rides\n${yaml}`).auth, permissions);
  return findings.map(({ level, message }) => [level, message] as const);
}

const READERS: PermissionDefinition = {
  name: 'readers',
  objectTypes: new Set(['FEATURE_VIEW']),
  namePatterns: [],
  requiredTags: { team: 'growth' },
  actions: new Set(['READ_ONLINE']),
  policy: { kind: 'everybody' },
};

describe('sideboard check', () => {
  test('says that without auth everything is open to whoever connects', async () => {
    expect(await check('', [])).toEqual([
      ['ok', 'auth is no_auth: whoever connects may read and write every feature view'],
    ]);
  });

  test('says what stays open, that the provider does not answer, and what permissions come to', async () => {
    const [open, provider, granted, tags] = await check(OIDC, [READERS]);
    expect(open).toEqual(['ok', expect.stringContaining('open to all: health, reflection')]);
    expect(provider).toEqual(['error', expect.stringContaining('http://127.0.0.1:1')]);
    expect(granted).toEqual(['ok', expect.stringContaining('there are readers')]);
    expect(tags).toEqual(['warning', expect.stringContaining('permission_tags')]);
  });

  test.each([
    ['allow', 'whoever has a token may read and write everything'],
    ['deny', 'nobody may do anything'],
  ])('warns of a registry without permissions (%s)', async (setting, message) => {
    const yaml = `${OIDC}sideboard:\n  without_permissions: ${setting}\n`;
    expect((await check(yaml, [])).at(-1)).toEqual(['warning', expect.stringContaining(message)]);
  });
});
