import { SideboardError } from '../errors.ts';
import type { FeatureReader } from '../retrieval/feature-reader.ts';
import { createConnectRoutes, type ConnectRoutes, type ServiceOnBytes } from './connect-routes.ts';
import { detailAnswer } from './feast-error.ts';
import { answerGetOnlineFeatures } from './get-online-features.ts';
import { beginExchange, type HttpCallObserver } from './http-call.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import { sendAnswer, sendError } from './send-answer.ts';

/** What plain HTTP is answered from, whatever its version. */
export interface HttpHandlerOptions {
  readonly reader: FeatureReader;
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

/** A route of Feast's HTTP server. */
interface Route {
  readonly allow: string;
  /** What to say instead of an answer; absent = the route is served. */
  readonly unsupported?: string;
}

const WRITING =
  'is not served here yet: write with "sideboard materialize", or let Feast write to the same online store';
const SEARCHING = 'is not served here: sideboard reads features by entity and has no vector search';

const GET_ONLINE_FEATURES = '/get-online-features';
const HEALTH = '/health';

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  [GET_ONLINE_FEATURES, { allow: 'POST' }],
  [HEALTH, { allow: 'GET' }],
  ['/push', { allow: 'POST', unsupported: WRITING }],
  ['/write-to-online-store', { allow: 'POST', unsupported: WRITING }],
  ['/materialize', { allow: 'POST', unsupported: WRITING }],
  ['/materialize-incremental', { allow: 'POST', unsupported: WRITING }],
  ['/search', { allow: 'POST', unsupported: SEARCHING }],
  ['/retrieve-online-documents', { allow: 'POST', unsupported: SEARCHING }],
  ['/v1/vector_stores', { allow: 'GET', unsupported: SEARCHING }],
]);

/** Observed under this name: callers must not be able to make up the values of a metric's label. */
const UNKNOWN_PATH = 'unknown';

/** Paths that the handler reports calls under, besides those of the services. */
export const HTTP_ROUTE_PATHS: readonly string[] = [...ROUTES.keys()].filter(
  (path) => path !== HEALTH,
);

/**
 * Answers requests over HTTP/1.1 and HTTP/2: Feast's JSON API, its health check, and the gRPC services over Connect and
 * gRPC-Web. Slow senders are the business of the server that the handler is given to (`requestTimeout`, `headersTimeout`).
 */
export function createHttpHandler(options: HttpHandlerOptions): HttpHandler {
  const connect = createConnectRoutes({ ...options, ...options.limits });
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
    answerPath(request, response, { path, search: url.slice(path.length), connect, options });
  };
}

/** Where a request goes. */
interface Target {
  readonly path: string;
  /** The query with its question mark, or ''. */
  readonly search: string;
  readonly connect: ConnectRoutes;
  readonly options: HttpHandlerOptions;
}

function answerPath(request: HttpRequest, response: HttpResponse, target: Target): void {
  const { path, connect, options } = target;
  const route = ROUTES.get(path);
  const known = route !== undefined || connect.has(path);
  const exchange = beginExchange(request, response, {
    ...options,
    path: known ? path : UNKNOWN_PATH,
  });
  if (connect.has(path)) {
    void connect.answer(exchange);
  } else if (route === undefined) {
    answerUnknown(request, response, target);
  } else if (request.method !== route.allow) {
    sendAnswer(request, response, detailAnswer(405, 'Method Not Allowed', { allow: route.allow }));
  } else if (route.unsupported !== undefined) {
    exchange.error = new SideboardError('UNSUPPORTED_OPERATION', `${path} ${route.unsupported}`);
    sendError(request, response, exchange.error);
  } else {
    void answerGetOnlineFeatures(exchange, { ...options, ...options.limits });
  }
}

/** 404; a path that would be known without its last slash is pointed there, as Feast's server does. */
function answerUnknown(
  request: HttpRequest,
  response: HttpResponse,
  { path, search }: Target,
): void {
  const shorter = path.slice(0, -1);
  if (path.endsWith('/') && ROUTES.has(shorter)) {
    sendAnswer(request, response, {
      ...detailAnswer(307, `Use ${shorter}`),
      headers: { location: shorter + search },
    });
    return;
  }
  sendAnswer(request, response, detailAnswer(404, 'Not Found'));
}
