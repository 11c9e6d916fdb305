import type { Caller } from '../call/access.ts';
import { unauthenticated } from './auth-errors.ts';
import type { VerifyToken } from './bearer-tokens.ts';
import type { KubernetesApi, RoleBinding, ReviewedUser } from './kubernetes-api.ts';
import { unprovedClaims } from './oidc-tokens.ts';

/** `system:serviceaccount:<namespace>:<name>`. */
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;
const NAMESPACE_GROUP = /^system:serviceaccounts:([^:]+)$/;

/**
 * Tokens of a cluster, reviewed by its API server. Roles are those that RoleBindings give: of the server's own namespace to a
 * service account, of any to a user. A token that the cluster does not vouch for is refused; Feast goes on with what such a
 * token says of itself.
 */
export function createKubernetesVerifier(api: KubernetesApi): VerifyToken {
  return async (token) => {
    const user = await reviewed(api, token);
    const account = SERVICE_ACCOUNT.exec(user.username);
    const [, namespace, name] = account ?? [];
    if (namespace !== undefined && name !== undefined) {
      const bindings = await api.roleBindings(api.namespace);
      const isBound = (subject: RoleBinding['subjects'][number]): boolean =>
        subject.kind === 'ServiceAccount' &&
        subject.name === name &&
        subject.namespace === namespace;
      return {
        ...callerOf(user, token),
        name: `${namespace}:${name}`,
        roles: rolesOf(bindings.filter(({ subjects }) => subjects.some(isBound))),
      };
    }
    const isBound = ({ kind, name: subject }: RoleBinding['subjects'][number]): boolean =>
      (kind === 'User' && subject === user.username) ||
      (kind === 'Group' && user.groups.includes(subject));
    const bindings = await api.allBindings();
    const bound = bindings.filter(({ subjects }) => subjects.some(isBound));
    return { ...callerOf(user, token), roles: rolesOf(bound) };
  };
}

/** Service account tokens among those of an OpenID provider: namespaces alone, as in Feast, which needs no right to read roles. */
export function createNamespaceVerifier(api: KubernetesApi): VerifyToken {
  return async (token) => {
    const user = await reviewed(api, token);
    const namespace = SERVICE_ACCOUNT.exec(user.username)?.[1];
    return {
      ...callerOf(user, token),
      groups: [],
      namespaces: namespace === undefined ? [] : [namespace],
    };
  };
}

async function reviewed(api: KubernetesApi, token: string): Promise<ReviewedUser> {
  const user = await api.review(token);
  if (user === undefined) throw unauthenticated('the cluster does not accept the token');
  return user;
}

function callerOf({ username, groups }: ReviewedUser, token: string): Caller {
  const own = SERVICE_ACCOUNT.exec(username)?.[1];
  const ofGroups = groups.flatMap((group) => NAMESPACE_GROUP.exec(group)?.[1] ?? []);
  // The cluster has proved the token by now, so what it says of its end holds.
  const expires = unprovedClaims(token)?.exp;
  return {
    name: username,
    roles: [],
    groups,
    namespaces: [...new Set([...(own === undefined ? [] : [own]), ...ofGroups])],
    isServer: false,
    validUntilMs: typeof expires === 'number' ? expires * 1000 : Infinity,
  };
}

function rolesOf(bindings: readonly RoleBinding[]): readonly string[] {
  return [...new Set(bindings.map(({ role }) => role))];
}
