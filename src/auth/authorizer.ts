import type { AccessRequest, Authorize, Caller, GuardedObject } from '../call/access.ts';
import type { PermissionDefinition, RegistrySnapshot } from '../registry/registry-model.ts';
import type { Audit } from './audit-record.ts';
import { permissionDenied, unauthenticated } from './auth-errors.ts';
import { compilePermission, type CompiledPermission } from './compiled-permission.ts';

/** How Feast's permissions are read. */
export interface AuthorizerOptions {
  /** `ignore` as Feast does, or `match` with the tags of the object. */
  readonly requiredTags: 'ignore' | 'match';
  /** What holds where the registry has no permission at all: everything for whoever has proved who they are, or nothing. */
  readonly withoutPermissions: 'allow' | 'deny';
  readonly audit: Audit;
}

/** What one caller was granted by one registry. */
interface Grants {
  readonly snapshot: RegistrySnapshot;
  readonly byAction: Map<string, WeakSet<readonly GuardedObject[]>>;
}

/** Why something is denied, or by what it is granted. */
type Verdict =
  | { readonly isGranted: true; readonly by: readonly string[] }
  | { readonly isGranted: false; readonly object: string; readonly reason: string };

/**
 * Feast's permissions (feast/permissions/enforcer.py): one permission that covers the object, the action and the caller is
 * enough for an object; every object has to be granted. What was granted is remembered for the caller and the registry, so
 * that the usual request costs two look-ups; a new registry is asked anew.
 */
export function createAuthorizer(options: AuthorizerOptions): Authorize {
  const grantsOf = new WeakMap<Caller, Grants>();
  const compiled = new WeakMap<readonly PermissionDefinition[], readonly CompiledPermission[]>();

  const permissionsOf = ({ permissions }: RegistrySnapshot): readonly CompiledPermission[] => {
    let known = compiled.get(permissions);
    if (known === undefined) {
      known = permissions.map((permission) => compilePermission(permission, options.requiredTags));
      compiled.set(permissions, known);
    }
    return known;
  };

  return (call, request) => {
    const caller = call?.caller;
    if (call === undefined || caller === undefined) throw permissionDenied('nobody knows who asks');
    if (caller.validUntilMs <= Date.now()) throw unauthenticated('the token has expired meanwhile');
    const { action, objects, snapshot } = request;
    let grants = grantsOf.get(caller);
    if (grants?.snapshot !== snapshot) {
      grants = { snapshot, byAction: new Map() };
      grantsOf.set(caller, grants);
    }
    let granted = grants.byAction.get(action);
    if (granted?.has(objects) === true) return;
    const verdict = judge(caller, request, permissionsOf(snapshot), options);
    // Nothing that exists is asked for.
    if (objects.length === 0 && verdict.isGranted) return;
    options.audit(
      {
        decision: verdict.isGranted ? 'granted' : 'denied',
        what: 'permission',
        caller: caller.name,
        action,
        project: snapshot.project,
        objects: verdict.isGranted ? objects.map(({ name }) => name) : [verdict.object],
        permissions: verdict.isGranted ? verdict.by : [],
        registryVersion: snapshot.versionId,
        reason: verdict.isGranted ? undefined : verdict.reason,
      },
      call,
    );
    if (!verdict.isGranted) {
      throw permissionDenied(
        `${caller.name} may not ${action} ${verdict.object} of project ${snapshot.project}: ${verdict.reason}`,
      );
    }
    if (granted === undefined) {
      granted = new WeakSet();
      grants.byAction.set(action, granted);
    }
    granted.add(objects);
  };
}

function judge(
  caller: Caller,
  { action, objects }: AccessRequest,
  permissions: readonly CompiledPermission[],
  { withoutPermissions }: AuthorizerOptions,
): Verdict {
  if (caller.isServer) return { isGranted: true, by: [] };
  if (permissions.length === 0) {
    if (withoutPermissions === 'allow') return { isGranted: true, by: [] };
    const object = objects.map(nameOf).join(', ');
    return { isGranted: false, object, reason: 'the registry has no permissions' };
  }
  const by = new Set<string>();
  for (const object of objects) {
    const covering = permissions.filter(
      (permission) => permission.actions.has(action) && permission.covers(object),
    );
    const granting = covering.find((permission) => permission.admits(caller));
    if (granting === undefined) {
      const names = covering.map(({ name }) => name).join(', ');
      return {
        isGranted: false,
        object: nameOf(object),
        reason:
          names === ''
            ? 'no permission of the registry covers that'
            : `who asks is none of those whom ${names} admits`,
      };
    }
    by.add(granting.name);
  }
  return { isGranted: true, by: [...by] };
}

function nameOf(object: GuardedObject): string {
  return `${'projections' in object ? 'feature service' : 'feature view'} ${object.name}`;
}
