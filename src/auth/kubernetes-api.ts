import { readFile } from 'node:fs/promises';
import type { KubernetesPlace } from '../config/auth-config.ts';
import { authenticationUnavailable } from './auth-errors.ts';
import { requestJson, type JsonReply } from './request-json.ts';

/** Whom a token belongs to, as the cluster says. */
export interface ReviewedUser {
  readonly username: string;
  readonly groups: readonly string[];
}

/** What a RoleBinding or ClusterRoleBinding gives to whom. */
export interface RoleBinding {
  readonly role: string;
  readonly subjects: readonly {
    readonly kind: string;
    readonly name: string;
    /** '' where it has none. */
    readonly namespace: string;
  }[];
}

/** What is asked of a cluster. Each call rejects with AUTHENTICATION_UNAVAILABLE where there is no answer. */
export interface KubernetesApi {
  /** The server's own. */
  readonly namespace: string;
  /** `undefined` = the token is not one of the cluster, or not any more. */
  review(token: string): Promise<ReviewedUser | undefined>;
  roleBindings(namespace: string): Promise<readonly RoleBinding[]>;
  /** Of all namespaces, and of the cluster; none where the server may not read them, as in Feast. */
  allBindings(): Promise<readonly RoleBinding[]>;
}

const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

/** A cluster's API server, asked with the service account that the server runs under. */
export async function openKubernetesApi(
  place: KubernetesPlace,
  timeoutMs: number,
): Promise<KubernetesApi> {
  const ca = await readFile(place.caFile, 'utf8');
  const namespace = place.namespace ?? (await readFile(place.namespaceFile, 'utf8')).trim();
  const ask = async (method: 'GET' | 'POST', path: string, body?: unknown): Promise<JsonReply> => {
    try {
      // The kubelet renews the token in its file.
      const token = (await readFile(place.tokenFile, 'utf8')).trim();
      return await requestJson(new URL(path, place.apiUrl), {
        method,
        headers: { authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ca,
        verifiesCertificate: true,
        timeoutMs,
      });
    } catch (error) {
      throw authenticationUnavailable(`the API server ${(error as Error).message}`);
    }
  };
  const list = async (path: string): Promise<readonly RoleBinding[] | undefined> => {
    const { status, body } = await ask('GET', RBAC + path);
    if (status === 403) return undefined;
    if (status !== 200) throw unexpected(path, status);
    return textual(body).items.map(readBinding);
  };
  return {
    namespace,
    async review(token) {
      const { status, body } = await ask('POST', REVIEWS, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token },
      });
      if (status !== 200 && status !== 201) throw unexpected(REVIEWS, status);
      return readReview(body);
    },
    async roleBindings(of) {
      const path = `/namespaces/${encodeURIComponent(of)}/rolebindings`;
      const bindings = await list(path);
      if (bindings === undefined) throw unexpected(path, 403);
      return bindings;
    },
    async allBindings() {
      const [ofNamespaces, ofCluster] = await Promise.all([
        list('/rolebindings'),
        list('/clusterrolebindings'),
      ]);
      return [...(ofNamespaces ?? []), ...(ofCluster ?? [])];
    },
  };
}

function unexpected(path: string, status: number): Error {
  return authenticationUnavailable(
    status === 403
      ? `the service account of this server may not use ${path}; see docs/auth.md for the role that it needs`
      : `the API server answers ${status} to ${path}`,
  );
}

/** A list as the API server answers it; anything else is an empty one. */
function textual(body: unknown): { readonly items: readonly unknown[] } {
  const { items } = (body ?? {}) as { readonly items?: unknown };
  return { items: Array.isArray(items) ? items : [] };
}

function readReview(body: unknown): ReviewedUser | undefined {
  const { status } = (body ?? {}) as { readonly status?: Readonly<Record<string, unknown>> };
  if (status?.['authenticated'] !== true) return undefined;
  const user = (status['user'] ?? {}) as Readonly<Record<string, unknown>>;
  const { username, groups } = user;
  if (typeof username !== 'string' || username === '') return undefined;
  return {
    username,
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
  };
}

function readBinding(item: unknown): RoleBinding {
  const { roleRef, subjects } = item as {
    readonly roleRef?: { readonly name?: string };
    readonly subjects?: readonly Readonly<Record<string, string>>[] | null;
  };
  return {
    role: roleRef?.name ?? '',
    subjects: (subjects ?? []).map(({ kind = '', name = '', namespace = '' }) => ({
      kind,
      name,
      namespace,
    })),
  };
}
