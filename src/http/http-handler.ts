import type { Authenticate } from '../call/access.ts';
import type { AdmissionGate } from '../admission/admission-gate.ts';
import { Entrance } from '../call/entrance.ts';
import { connectMethods, type ServiceOnBytes } from './connect-methods.ts';
import type { AnswerConnect, ConnectRoutesOptions } from './connect-routes.ts';
import { createCors } from './cors.ts';
import { detailAnswer } from './feast-error.ts';
import { Exchange, type HttpCallObserver, type HttpCallStatus } from './http-call.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts';
import { answerRoute } from './json-route.ts';
import { createRoutes, HEALTH, type Routes, type RoutesOptions } from './routes.ts';
import { sendAnswer } from './send-answer.ts';

/** What plain HTTP is answered from, whatever its version. */
export interface HttpHandlerOptions extends RoutesOptions {
  /** The services of the gRPC side, for Connect and gRPC-Web. */
  readonly services: readonly ServiceOnBytes[];
  /** Free bytes at the beginning of what a service's method answers. */
  readonly headroomBytes: number;
  readonly limits: RoutesOptions['limits'] & {
    readonly maxRequestBytes: number;
    readonly maxResponseBytes: number;
    readonly maxConcurrentRequests: number;
  };
  /** Origins whose pages may call; `*` = all. */
  readonly corsOrigins: readonly string[];
  /** For callers that set no deadline, milliseconds; 0 = none. */
  readonly defaultDeadlineMs: number;
  readonly observer: HttpCallObserver;
  /** Finds out who calls, for what is not open to all; without it nobody is asked. */
  readonly authenticate?: Authenticate | undefined;
  /** Lets in reads; without it they are as many as `maxConcurrentRequests`. */
  readonly gate?: AdmissionGate | undefined;
  /** The gRPC status of an error. */
  readonly statusOf: (error: unknown) => HttpCallStatus;
}

/** Observed under this name: callers must not be able to make up the values of a metric's label. */
const UNKNOWN_PATH = 'unknown';

/**
 * Answers requests over HTTP/1.1 and HTTP/2: Feast's JSON API, its health check, and the gRPC services over Connect and
 * gRPC-Web. Slow senders are the business of the server that the handler is given to (`requestTimeout`, `headersTimeout`).
 */
export function createHttpHandler(options: HttpHandlerOptions): HttpHandler {
  const entrance = new Entrance({ ...options, ...options.limits });
  const methods = connectMethods(options.services);
  const connect = openConnect({ ...options, ...options.limits, entrance, methods });
  const routes = createRoutes(options);
  const cors = createCors(options.corsOrigins);
  return (request, response) => {
    // A caller that goes away while it is being answered is seen by 'close'.
    response.on('error', () => {});
    if (cors.apply(request, response)) return;
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
      connect: methods.has(path) ? connect : undefined,
      routes,
      entrance,
      options,
    });
  };
}

/** Where a request goes. */
interface Target {
  readonly path: string;
  /** The query with its question mark, or ''. */
  readonly search: string;
  /** What answers it, where it is a method of a service. */
  readonly connect: AnswerConnect | undefined;
  readonly routes: Routes;
  readonly entrance: Entrance;
  readonly options: HttpHandlerOptions;
}

function answerPath(request: HttpRequest, response: HttpResponse, target: Target): void {
  const { path, connect, routes, entrance, options } = target;
  const route = connect === undefined ? routes.find(path) : undefined;
  const label = connect === undefined ? (route?.label ?? UNKNOWN_PATH) : path;
  const exchange = new Exchange(request, response, label, options);
  if (connect !== undefined) {
    void connect(exchange);
  } else if (route === undefined) {
    answerUnknown(request, response, target);
  } else if (!takes(route.method, request.method)) {
    sendAnswer(request, response, detailAnswer(405, 'Method Not Allowed', { allow: route.method }));
  } else {
    void answerRoute(exchange, route.answer, {
      ...options.limits,
      authenticate: route.isOpen === true ? undefined : options.authenticate,
      admission: route.admission,
      entrance,
    });
  }
}

/** Loads the Connect library, a tenth of a process that serves gRPC alone, with the first call that needs it. */
function openConnect(options: ConnectRoutesOptions): AnswerConnect {
  let answer: AnswerConnect | undefined;
  return async (exchange) => {
    try {
      answer ??= (await import('./connect-routes.ts')).createConnectRoutes(options);
    } catch (error) {
      // Its files are gone, such as those of a release that was replaced under a process that runs.
      exchange.error = error;
      exchange.response.writeHead(500, { 'content-length': 0, connection: 'close' });
      exchange.response.end();
      return;
    }
    await answer(exchange);
  };
}

function takes(allowed: string, method: string | undefined): boolean {
  return method === allowed || (method === 'HEAD' && allowed === 'GET');
}

/** 404; a path that would be known without its last slash is pointed there, as Feast's server does. */
function answerUnknown(
  request: HttpRequest,
  response: HttpResponse,
  { path, search, routes }: Target,
): void {
  const shorter = path.slice(0, -1);
  if (path.endsWith('/') && routes.find(shorter) !== undefined) {
    sendAnswer(request, response, {
      ...detailAnswer(307, `Use ${shorter}`),
      headers: { location: shorter + search },
    });
    return;
  }
  sendAnswer(request, response, detailAnswer(404, 'Not Found'));
}
