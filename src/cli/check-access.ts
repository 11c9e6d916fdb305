import type { AuthConfig } from '../config/auth-config.ts';
import { isSideboardError } from '../errors.ts';
import type { PermissionDefinition } from '../registry/registry-model.ts';
import type { CheckFinding } from './check-finding.ts';

type AccessFinding = Omit<CheckFinding, 'part'>;

const OPEN = 'open to all: health, reflection, /docs, /redoc, /openapi.json and the admin port';

/**
 * Who may do what: whether callers need tokens, whether somebody can tell the good ones, and what the permissions come to.
 *
 * @param permissions `undefined` = the registry cannot be read
 */
export async function checkAccess(
  auth: AuthConfig | undefined,
  permissions: readonly PermissionDefinition[] | undefined,
): Promise<readonly CheckFinding[]> {
  const findings: readonly AccessFinding[] =
    auth === undefined
      ? [
          {
            level: 'ok',
            message: 'auth is no_auth: whoever connects may read and write every feature view',
          },
        ]
      : [
          { level: 'ok', message: `auth is ${auth.kind}: calls need a bearer token; ${OPEN}` },
          await probe(auth),
          ...(permissions === undefined ? [] : await describePermissions(auth, permissions)),
        ];
  return findings.map((finding) => ({ part: 'access', ...finding }));
}

async function probe(auth: AuthConfig): Promise<AccessFinding> {
  const { openAccess } = await import('../auth/open-access.ts');
  try {
    const access = await openAccess(auth, () => {});
    await access.probe();
    return { level: 'ok', message: `${placeOf(auth)} answers` };
  } catch (error) {
    if (!isSideboardError(error)) throw error;
    return {
      level: 'error',
      message: `${error.message}: nobody would be let in`,
      remedy: 'see docs/auth.md',
    };
  }
}

function placeOf(auth: AuthConfig): string {
  return auth.kind === 'oidc'
    ? `OpenID provider ${new URL(auth.discoveryUrl).origin}`
    : `API server ${auth.kubernetes.apiUrl}`;
}

async function describePermissions(
  { requiredTags, withoutPermissions }: AuthConfig,
  permissions: readonly PermissionDefinition[],
): Promise<readonly AccessFinding[]> {
  if (permissions.length === 0) {
    return withoutPermissions === 'deny'
      ? [{ level: 'warning', message: 'the registry has no permissions: nobody may do anything' }]
      : [
          {
            level: 'warning',
            message:
              'the registry has no permissions: whoever has a token may read and write everything',
            remedy: 'apply Permission objects, or set without_permissions to deny',
          },
        ];
  }
  const { problemsOfPermission } = await import('../auth/compiled-permission.ts');
  const names = permissions.map(({ name }) => name).join(', ');
  return [
    { level: 'ok', message: `what no permission grants is denied; there are ${names}` },
    ...permissions
      .flatMap((permission) => problemsOfPermission(permission, requiredTags))
      .map((message) => ({ level: 'warning' as const, message })),
  ];
}
