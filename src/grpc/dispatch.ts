import type { Authenticate } from '../call/access.ts';
import { Entrance } from '../call/entrance.ts';
import { encodeHeaderBlock, type HeaderBlock } from '../http2/header-block.ts';
import type {
  RequestBody,
  RequestHead,
  ResponseStream,
  StreamListener,
} from '../http2/http2-engine.ts';
import { awaitCaller, identify } from './identify.ts';
import type { GrpcMethod, GrpcService } from './grpc-service.ts';
import { ACCEPTED_ENCODINGS } from './response-head.ts';
import { refusalHead, ServerCall, type CallLimits, type CallObserver } from './server-call.ts';
import { GrpcCode, GrpcStatusError } from './status.ts';
import { createTrailers } from './trailers.ts';
import { StreamingBody } from './streaming-body.ts';
import { UnaryBody, type CommonParts } from './unary-body.ts';

/** Messages are protobuf, named or not. Anything else is refused with 415, as the protocol asks for. */
const CONTENT_TYPE = 'application/grpc';

/** What the dispatcher serves and within which limits. */
export interface DispatchOptions {
  readonly services: readonly GrpcService[];
  readonly limits: CallLimits;
  readonly observer: CallObserver;
  /** Finds out who calls, for methods that are not open to all; without it nobody is asked. */
  readonly authenticate?: Authenticate | undefined;
  /** What every call reports of the server's load unless it is refused for it, see `LoadReports.trailer`; none without it. */
  readonly loadReport?: (() => string) | undefined;
  /** Takes the requests that are not gRPC; without it they are refused. */
  readonly otherwise?: StreamListener;
}

/** The dispatcher of one server. */
export interface Dispatcher {
  readonly listener: StreamListener;
  /**
   * Ends all streaming calls with UNAVAILABLE, those to come as well, so that those who watch go to another server before
   * this one stops.
   */
  endStreams(): void;
}

/**
 * gRPC on the streams of an HTTP/2 engine: finds the method of a path, reads messages, runs it under the caller's
 * deadline, answers with a status. Everything that does not depend on the call is prepared here, once.
 */
export function createDispatcher(options: DispatchOptions): Dispatcher {
  const { authenticate, loadReport } = options;
  const openStreams = new Set<ServerCall>();
  let isStopping = false;
  const common: CommonParts = {
    openStreams,
    limits: options.limits,
    trailersOf: createTrailers(loadReport),
    entrance: new Entrance({ ...options.limits, observer: options.observer }),
  };
  const methods = new Map<string, GrpcMethod>();
  const serviceNames = new Set<string>();
  for (const service of options.services) {
    serviceNames.add(service.name);
    for (const [name, method] of Object.entries(service.methods)) {
      methods.set(`/${service.name}/${name}`, method);
    }
  }

  const { entrance } = common;
  /** A read that would be refused all the same is refused before anything is made for it. Who calls does not matter. */
  const turnAway = (head: RequestHead): HeaderBlock | undefined => {
    if (!entrance.isCrowded) return undefined;
    const method = methods.get(head.path);
    if (method?.kind !== 'unary' || method.admission !== 'measured') return undefined;
    if (head.method !== 'POST' || !isGrpc(head)) return undefined;
    const refusal = entrance.turnAway();
    if (refusal === undefined) return undefined;
    options.observer.onTurnedAway?.(head.path);
    return refusalHead(refusal);
  };

  const listen = (head: RequestHead, response: ResponseStream): RequestBody => {
    if (!isGrpc(head)) return options.otherwise?.(head, response) ?? refuse(response, 415);
    if (head.method !== 'POST') return refuse(response, 405);
    const call = new ServerCall(head, response, options.limits, options.observer, loadReport);
    if (call.isOver) return ignoreBody(call);
    const method = methods.get(head.path);
    if (method === undefined) {
      call.fail(unknownMethod(head.path, serviceNames));
      return ignoreBody(call);
    }
    const encoding = head.header('grpc-encoding') ?? 'identity';
    if (encoding !== 'identity' && encoding !== 'gzip') {
      call.responseTrailers = ACCEPTED_ENCODINGS;
      call.fail(
        new GrpcStatusError(
          GrpcCode.UNIMPLEMENTED,
          `grpc-encoding ${encoding} is not supported; use identity or gzip`,
        ),
      );
      return ignoreBody(call);
    }
    if (authenticate !== undefined && method.isOpen !== true) {
      const found = identify(call, authenticate);
      if (call.isOver) return ignoreBody(call);
      if (found !== undefined) return awaitCaller(call, found, () => take(call, method, encoding));
    }
    return take(call, method, encoding);
  };

  const take = (call: ServerCall, method: GrpcMethod, encoding: string): RequestBody => {
    if (method.kind === 'unary') return new UnaryBody(call, method, encoding, common);
    if (isStopping) {
      call.fail(stopping());
      return ignoreBody(call);
    }
    return new StreamingBody(call, method, encoding, common);
  };

  return {
    listener: Object.assign(listen, { turnAway }),
    endStreams(): void {
      isStopping = true;
      for (const call of openStreams) call.fail(stopping());
    },
  };
}

function isGrpc(head: RequestHead): boolean {
  const type = head.header('content-type');
  if (type === undefined || !type.startsWith(CONTENT_TYPE)) return false;
  const rest = type.slice(CONTENT_TYPE.length);
  return rest === '' || rest === '+proto' || rest.startsWith(';') || rest.startsWith('+proto;');
}

/** Answers what is not gRPC with a plain HTTP status, as gRPC over HTTP/2 asks for. */
function refuse(response: ResponseStream, status: number): RequestBody {
  response.respond(encodeHeaderBlock({ ':status': status }), true);
  return { onData() {}, onEnd() {}, onClose() {} };
}

function ignoreBody(call: ServerCall): RequestBody {
  return { onData() {}, onEnd() {}, onClose: () => call.close() };
}

function stopping(): GrpcStatusError {
  return new GrpcStatusError(GrpcCode.UNAVAILABLE, 'the server is shutting down');
}

function unknownMethod(path: string, serviceNames: ReadonlySet<string>): GrpcStatusError {
  const service = path.slice(1, path.lastIndexOf('/'));
  return new GrpcStatusError(
    GrpcCode.UNIMPLEMENTED,
    serviceNames.has(service)
      ? `unknown method ${path}`
      : `unknown service ${service}; served here: ${[...serviceNames].join(', ')}`,
  );
}
