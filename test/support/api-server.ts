import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { IssuedCertificate } from './certificates.ts';

/** A user as `TokenReview` describes one. */
export interface ClusterUser {
  readonly username: string;
  readonly groups?: readonly string[];
}

/** A RoleBinding; one without a namespace is a ClusterRoleBinding. */
export interface ClusterBinding {
  readonly namespace?: string;
  readonly role: string;
  readonly subjects: readonly { kind: string; name: string; namespace?: string }[];
}

/**
 * What Feast asks of a Kubernetes API server, over real HTTPS: TokenReviews and the lists of role bindings, in the shapes of
 * its API (https://kubernetes.io/docs/reference/kubernetes-api/). It has no other part of a cluster.
 */
export interface ApiServer {
  readonly url: string;
  /** Who has which token. */
  readonly users: Map<string, ClusterUser>;
  readonly bindings: ClusterBinding[];
  /** Paths that are answered with 403, as for a service account that may not use them. */
  readonly forbidden: Set<string>;
  mood: 'well' | 'failing' | 'silent';
  /** Tokens that were to be reviewed, in order. */
  readonly reviewed: string[];
  close(): Promise<void>;
}

const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

/** @param ownToken what the server under test has to ask with */
export async function startApiServer(
  { certFile, keyFile }: IssuedCertificate,
  ownToken: string,
): Promise<ApiServer> {
  const server = createServer(
    { cert: readFileSync(certFile), key: readFileSync(keyFile) },
    (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { status, body } = answer(
          request.headers.authorization,
          `${request.method} ${request.url}`,
          Buffer.concat(parts).toString(),
        );
        if (api.mood === 'silent') return;
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      });
    },
  );
  const answer = (
    authorization: string | undefined,
    asked: string,
    text: string,
  ): { readonly status: number; readonly body: unknown } => {
    const [, path = ''] = asked.split(' ');
    const failure = (status: number) => ({ status, body: { kind: 'Status', code: status } });
    if (api.mood === 'failing') return failure(500);
    if (authorization !== `Bearer ${ownToken}`) return failure(401);
    if (api.forbidden.has(path)) return failure(403);
    if (asked === `POST ${REVIEWS}`) {
      const { spec } = JSON.parse(text) as { spec: { token: string } };
      api.reviewed.push(spec.token);
      const user = api.users.get(spec.token);
      const status =
        user === undefined
          ? { authenticated: false, error: 'invalid bearer token', user: {} }
          : { authenticated: true, user };
      return { status: 201, body: { kind: 'TokenReview', status } };
    }
    if (!asked.startsWith(`GET ${RBAC}/`)) return failure(404);
    const ofNamespace = /\/namespaces\/([^/]+)\/rolebindings$/.exec(path)?.[1];
    const items = api.bindings
      .filter(({ namespace }) =>
        path.endsWith('/clusterrolebindings')
          ? namespace === undefined
          : ofNamespace === undefined
            ? namespace !== undefined
            : namespace === ofNamespace,
      )
      .map(({ namespace, role, subjects }) => ({
        metadata: { name: `${role}-binding`, namespace },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role },
        subjects,
      }));
    return { status: 200, body: { kind: 'RoleBindingList', items } };
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const api: ApiServer = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    users: new Map(),
    bindings: [],
    forbidden: new Set(),
    mood: 'well',
    reviewed: [],
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return api;
}
