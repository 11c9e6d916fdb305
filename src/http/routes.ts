import { SideboardError } from '../errors.ts';
import type { FeatureWriter } from '../ingestion/feature-writer.ts';
import type { MaterializationJobs } from '../ingestion/materialization-jobs.ts';
import type { FeatureReader } from '../retrieval/feature-reader.ts';
import { docsPage } from './docs-page.ts';
import type { JsonAnswer } from './feast-error.ts';
import type { Admission } from '../call/request-call.ts';
import type { JsonRequestLimits } from './feast-request.ts';
import { getOnlineFeaturesRoute } from './get-online-features.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import type { JsonRoute } from './json-route.ts';
import { materializeIncrementalRoute, materializeRoute } from './materialize-routes.ts';
import { openApiDocument } from './openapi.ts';
import { pushRoute, writeToOnlineStoreRoute } from './write-routes.ts';

/** What the routes answer from. */
export interface RoutesOptions {
  readonly reader: FeatureReader;
  readonly writer: FeatureWriter;
  readonly materializations: MaterializationJobs;
  readonly nonFiniteJson: NonFiniteJson;
  readonly limits: JsonRequestLimits;
  /** Whether `GET /health` says 200. */
  readonly isReady: () => boolean;
  /** Of the server, for its documentation. */
  readonly version: string;
}

/** A route of Feast's HTTP server and the one method that it takes. */
export interface Route {
  /** What it is observed under: callers must not be able to make up the values of a metric's label. */
  readonly label: string;
  readonly method: 'GET' | 'POST';
  /** How its requests are let in, see `runAdmitted`. */
  readonly admission?: Admission | undefined;
  /** Answered without asking who calls. */
  readonly isOpen?: boolean;
  readonly answer: JsonRoute;
}

/** The JSON routes by path. */
export interface Routes {
  find(path: string): Route | undefined;
}

export const HEALTH = '/health';

const VECTOR_STORE = '/v1/vector_stores/{vector_store_id}';
const VECTOR_STORE_SEARCH = `${VECTOR_STORE}/search`;
const VECTOR_STORE_PATH = /^\/v1\/vector_stores\/[^/]+(\/search)?$/;

/** Everything of Feast's vector search: known, so that callers hear why there is no answer. */
const SEARCH_ROUTES: readonly (readonly [label: string, method: Route['method']])[] = [
  ['/search', 'POST'],
  ['/retrieve-online-documents', 'POST'],
  ['/v1/vector_stores', 'GET'],
  [VECTOR_STORE, 'GET'],
  [VECTOR_STORE_SEARCH, 'POST'],
];

const SERVED_PATHS = [
  '/get-online-features',
  '/push',
  '/write-to-online-store',
  '/materialize',
  '/materialize-incremental',
  '/docs',
  '/redoc',
  '/openapi.json',
] as const;

/** Labels that calls are observed under, besides those of the services. */
export const HTTP_ROUTE_PATHS: readonly string[] = [
  ...SERVED_PATHS,
  ...SEARCH_ROUTES.map(([label]) => label),
];

export function createRoutes(options: RoutesOptions): Routes {
  const { reader, writer, materializations, nonFiniteJson, limits, isReady, version } = options;
  const health = (): Promise<JsonAnswer> =>
    Promise.resolve({ status: isReady() ? 200 : 503, body: '' });
  const page = constant(docsPage(version), 'text/html; charset=utf-8');
  const answers: Readonly<Record<(typeof SERVED_PATHS)[number], JsonRoute>> = {
    '/get-online-features': getOnlineFeaturesRoute(reader, nonFiniteJson, limits),
    '/push': pushRoute(writer),
    '/write-to-online-store': writeToOnlineStoreRoute(writer),
    '/materialize': materializeRoute(materializations),
    '/materialize-incremental': materializeIncrementalRoute(materializations),
    '/docs': page,
    '/redoc': page,
    '/openapi.json': constant(JSON.stringify(openApiDocument(version)), 'application/json'),
  };
  const routes = new Map<string, Route>([
    [HEALTH, { label: HEALTH, method: 'GET', admission: 'always', isOpen: true, answer: health }],
  ]);
  for (const label of SERVED_PATHS) {
    const isPage = label === '/docs' || label === '/redoc' || label === '/openapi.json';
    const admission = label === '/get-online-features' ? 'measured' : isPage ? 'always' : undefined;
    routes.set(label, {
      label,
      method: isPage ? 'GET' : 'POST',
      admission,
      // The documentation has nothing of a registry in it; Feast's server shows it to everybody too.
      isOpen: isPage,
      answer: answers[label],
    });
  }
  for (const [label, method] of SEARCH_ROUTES) {
    routes.set(label, { label, method, answer: noVectorSearch(label) });
  }
  return {
    find(path) {
      const route = routes.get(path);
      if (route !== undefined) return route;
      const match = VECTOR_STORE_PATH.exec(path);
      if (match === null) return undefined;
      return routes.get(match[1] === undefined ? VECTOR_STORE : VECTOR_STORE_SEARCH);
    },
  };
}

function constant(body: string, contentType: string): JsonRoute {
  const answer = { status: 200, body, headers: { 'content-type': contentType } };
  return () => Promise.resolve(answer);
}

function noVectorSearch(label: string): JsonRoute {
  const message = `${label} is not served here: it needs a vector index (embeddings and nearest neighbours), and sideboard reads features by entity; keep Feast's own server for it`;
  return () => Promise.reject(new SideboardError('UNSUPPORTED_OPERATION', message));
}
