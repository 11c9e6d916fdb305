import { SideboardError } from '../errors.ts';
import type { FeatureWriter } from '../ingestion/feature-writer.ts';
import type { MaterializationJobs } from '../ingestion/materialization-jobs.ts';
import type { FeatureReader } from '../retrieval/feature-reader.ts';
import { createConnectRoutes, type ConnectRoutes, type ServiceOnBytes } from './connect-routes.ts';
import { detailAnswer, type JsonAnswer } from './feast-error.ts';
import { getOnlineFeaturesRoute } from './get-online-features.ts';
import { beginExchange, type HttpCallObserver } from './http-call.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import { answerRoute, type JsonRoute } from './json-route.ts';
import { materializeIncrementalRoute, materializeRoute } from './materialize-routes.ts';
import { sendAnswer } from './send-answer.ts';
import { pushRoute, writeToOnlineStoreRoute } from './write-routes.ts';

/** What plain HTTP is answered from, whatever its version. */
export interface HttpHandlerOptions {
  readonly reader: FeatureReader;
  readonly writer: FeatureWriter;
  readonly materializations: MaterializationJobs;
  /** The services of the gRPC side, for Connect and gRPC-Web. */
  readonly services: readonly ServiceOnBytes[];
  /** Free bytes at the beginning of what a service's method answers. */
  readonly headroomBytes: number;
  readonly limits: {
    readonly maxRequestBytes: number;
    readonly maxResponseBytes: number;
    readonly maxConcurrentRequests: number;
  };
  readonly nonFiniteJson: NonFiniteJson;
  /** For callers that set no deadline, milliseconds; 0 = none. */
  readonly defaultDeadlineMs: number;
  /** Whether `GET /health` says 200. */
  readonly isReady: () => boolean;
  readonly observer: HttpCallObserver;
  /** The gRPC status of an error. */
  readonly statusOf: (error: unknown) => { readonly code: number; readonly message: string };
}

/** A route of Feast's HTTP server that is known and not served: what to say instead of an answer. */
interface UnservedRoute {
  readonly method: string;
  readonly reason: string;
}

const SEARCHING = 'is not served here: sideboard reads features by entity and has no vector search';

const HEALTH = '/health';
const GET_ONLINE_FEATURES = '/get-online-features';
const PUSH = '/push';
const WRITE_TO_ONLINE_STORE = '/write-to-online-store';
const MATERIALIZE = '/materialize';
const MATERIALIZE_INCREMENTAL = '/materialize-incremental';

const UNSERVED_ROUTES: ReadonlyMap<string, UnservedRoute> = new Map<string, UnservedRoute>([
  ['/search', { method: 'POST', reason: SEARCHING }],
  ['/retrieve-online-documents', { method: 'POST', reason: SEARCHING }],
  ['/v1/vector_stores', { method: 'GET', reason: SEARCHING }],
]);

/** Observed under this name: callers must not be able to make up the values of a metric's label. */
const UNKNOWN_PATH = 'unknown';

/** Paths that the handler reports calls under, besides those of the services. */
export const HTTP_ROUTE_PATHS: readonly string[] = [
  GET_ONLINE_FEATURES,
  PUSH,
  WRITE_TO_ONLINE_STORE,
  MATERIALIZE,
  MATERIALIZE_INCREMENTAL,
  ...UNSERVED_ROUTES.keys(),
];

/** A route and the one method that it takes. */
interface Route {
  readonly method: string;
  readonly answer: JsonRoute;
}

function createRoutes({
  reader,
  writer,
  materializations,
  nonFiniteJson,
  isReady,
}: HttpHandlerOptions): Map<string, Route> {
  const health = (): Promise<JsonAnswer> =>
    Promise.resolve({ status: isReady() ? 200 : 503, body: '' });
  const routes = new Map<string, Route>([
    [HEALTH, { method: 'GET', answer: health }],
    [
      GET_ONLINE_FEATURES,
      { method: 'POST', answer: getOnlineFeaturesRoute(reader, nonFiniteJson) },
    ],
    [PUSH, { method: 'POST', answer: pushRoute(writer) }],
    [WRITE_TO_ONLINE_STORE, { method: 'POST', answer: writeToOnlineStoreRoute(writer) }],
    [MATERIALIZE, { method: 'POST', answer: materializeRoute(materializations) }],
    [
      MATERIALIZE_INCREMENTAL,
      { method: 'POST', answer: materializeIncrementalRoute(materializations) },
    ],
  ]);
  for (const [path, { method, reason }] of UNSERVED_ROUTES) {
    const answer = (): Promise<never> =>
      Promise.reject(new SideboardError('UNSUPPORTED_OPERATION', `${path} ${reason}`));
    routes.set(path, { method, answer });
  }
  return routes;
}

/**
 * Answers requests over HTTP/1.1 and HTTP/2: Feast's JSON API, its health check, and the gRPC services over Connect and
 * gRPC-Web. Slow senders are the business of the server that the handler is given to (`requestTimeout`, `headersTimeout`).
 */
export function createHttpHandler(options: HttpHandlerOptions): HttpHandler {
  const connect = createConnectRoutes({ ...options, ...options.limits });
  const routes = createRoutes(options);
  return (request, response) => {
    // A caller that goes away while it is being answered is seen by 'close'.
    response.on('error', () => {});
    const url = request.url ?? '/';
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    if (path === HEALTH && (request.method === 'GET' || request.method === 'HEAD')) {
      response.writeHead(options.isReady() ? 200 : 503, { 'content-length': 0 });
      response.end();
      return;
    }
    answerPath(request, response, {
      path,
      search: url.slice(path.length),
      connect,
      routes,
      options,
    });
  };
}

/** Where a request goes. */
interface Target {
  readonly path: string;
  /** The query with its question mark, or ''. */
  readonly search: string;
  readonly connect: ConnectRoutes;
  readonly routes: ReadonlyMap<string, Route>;
  readonly options: HttpHandlerOptions;
}

function answerPath(request: HttpRequest, response: HttpResponse, target: Target): void {
  const { path, connect, routes, options } = target;
  const route = routes.get(path);
  const known = route !== undefined || connect.has(path);
  const exchange = beginExchange(request, response, {
    ...options,
    path: known ? path : UNKNOWN_PATH,
  });
  if (connect.has(path)) {
    void connect.answer(exchange);
  } else if (route === undefined) {
    answerUnknown(request, response, target);
  } else if (request.method !== route.method) {
    sendAnswer(request, response, detailAnswer(405, 'Method Not Allowed', { allow: route.method }));
  } else {
    void answerRoute(exchange, route.answer, { ...options.limits, observer: options.observer });
  }
}

/** 404; a path that would be known without its last slash is pointed there, as Feast's server does. */
function answerUnknown(
  request: HttpRequest,
  response: HttpResponse,
  { path, search, routes }: Target,
): void {
  const shorter = path.slice(0, -1);
  if (path.endsWith('/') && routes.has(shorter)) {
    sendAnswer(request, response, {
      ...detailAnswer(307, `Use ${shorter}`),
      headers: { location: shorter + search },
    });
    return;
  }
  sendAnswer(request, response, detailAnswer(404, 'Not Found'));
}
