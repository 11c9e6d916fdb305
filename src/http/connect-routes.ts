import {
  fromBinary,
  toBinary,
  type DescMethod,
  type DescMethodUnary,
  type DescService,
  type Message,
} from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import {
  Code,
  ConnectError,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from '@connectrpc/connect';
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { GrpcFeatureServer } from '../../gen/feast/serving/GrpcServer_pb.ts';
import { ServingService } from '../../gen/feast/serving/ServingService_pb.ts';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import { OverloadedError, SideboardError } from '../errors.ts';
import { SERVER_TIMING } from '../call/request-timing.ts';
import { LOST_VALUES } from '../retrieval/partial-results.ts';
import { invalidRequest } from '../retrieval/retrieval-errors.ts';
import { answerThrough } from './connect-exchange.ts';
import type { Admission, RequestCall } from '../call/request-call.ts';
import {
  runAdmitted,
  type Exchange,
  type HttpAdmission,
  type HttpCallStatus,
} from './http-call.ts';

/** A method as bytes, shared with gRPC over HTTP/2; its answer begins with free bytes for a frame's prefix. */
export type MethodOnBytes = (message: Uint8Array, call: RequestCall) => Promise<Uint8Array>;

/** A service and its methods by name; those that stream are served over gRPC only. */
export interface ServiceOnBytes {
  readonly name: string;
  readonly methods: Readonly<
    Record<string, UnaryOnBytes | { readonly kind: 'streaming'; readonly isOpen?: true }>
  >;
}

/** A method with one request and one response. */
export interface UnaryOnBytes {
  readonly kind: 'unary';
  readonly call: MethodOnBytes;
  /** How it is let in, see `runAdmitted`. */
  readonly admission?: Admission;
  /** Answered without asking who calls. */
  readonly isOpen?: true;
}

/** What the Connect protocols need. */
export interface ConnectRoutesOptions extends HttpAdmission {
  readonly services: readonly ServiceOnBytes[];
  /** Free bytes at the beginning of a method's answer. */
  readonly headroomBytes: number;
  readonly maxRequestBytes: number;
  readonly maxResponseBytes: number;
  /** The gRPC status of an error, and its details for programs. */
  readonly statusOf: (error: unknown) => HttpCallStatus;
}

/** Connect, gRPC-Web and Connect with JSON, by full method path. */
export interface ConnectRoutes {
  has(path: string): boolean;
  /** Answers an exchange whose path `has` knows. Never rejects. */
  answer(exchange: Exchange): Promise<void>;
}

const DESCRIPTIONS: readonly DescService[] = [ServingService, GrpcFeatureServer, Health];

/** Connect's codes are gRPC's numbers. */
const CODE_BY_NUMBER: ReadonlyMap<number, Code> = new Map(
  Object.values(Code)
    .filter((code) => typeof code === 'number')
    .map((code) => [code, code]),
);

/** The exchange of a call, carried through the library to the method. */
const exchangeKey = createContextKey<Exchange | undefined>(undefined);
/** Why its caller is turned away. */
const refusalKey = createContextKey<ConnectError | undefined>(undefined);
/** Aborted with what the library finds wrong with a request, until the method is called. */
const readingKey = createContextKey<AbortSignal | undefined>(undefined);

/**
 * The services of the gRPC side over plain HTTP, through the Connect library: it does the protocols, the methods are the
 * ones that gRPC calls, so that both give one answer.
 */
export function createConnectRoutes(options: ConnectRoutesOptions): ConnectRoutes {
  const json = createHandlers(options, (method) => method);
  // With bytes on both sides nothing needs to be decoded: to a message without fields all fields are unknown ones, which
  // it keeps as they are and writes again in the same order.
  const binary = createHandlers(options, (method) => ({
    ...method,
    input: EmptySchema,
    output: EmptySchema,
  }));
  const { authenticate } = options;
  const open = new Set(openPaths(options.services));
  return {
    has: (path) => json.has(path),
    async answer(exchange) {
      const isJson = /json/i.test(exchange.metadata('content-type') ?? '');
      const values = createContextValues().set(exchangeKey, exchange);
      if (authenticate !== undefined && !open.has(exchange.path)) {
        try {
          exchange.caller = await authenticate(exchange.metadata('authorization'));
        } catch (error) {
          values.set(refusalKey, connectError(error, exchange, options));
        }
      }
      const handler = (isJson ? json : binary).get(exchange.path)!;
      const answer = (request: UniversalServerRequest): Promise<UniversalServerResponse> =>
        answerOrRefuse(handler, request, (error) => connectError(error, exchange, options));
      return answerThrough(answer, exchange, values);
    },
  };
}

/**
 * Runs a handler. Of a binary message that it cannot parse the library says that the server failed; here, as over gRPC, its
 * caller did, and is told so in the protocol of the call by a second run that refuses it.
 */
async function answerOrRefuse(
  handler: UniversalHandler,
  request: UniversalServerRequest,
  connectErrorOf: (error: unknown) => ConnectError,
): Promise<UniversalServerResponse> {
  const response = await handler(request);
  const reason: unknown = request.contextValues?.get(readingKey)?.reason;
  if (!(reason instanceof ConnectError) || !UNREADABLE.has(reason.code)) return response;
  const refusal = connectErrorOf(invalidRequest(reason.rawMessage));
  request.contextValues?.set(refusalKey, refusal);
  return handler(request);
}

/** What the library makes of bytes that are not what they should be; nothing else fails so before a method is called. */
const UNREADABLE: ReadonlySet<Code> = new Set([Code.Internal, Code.InvalidArgument]);

/** Turns a caller away before its message is read. */
function refuseEarly({ values, signal }: HandlerContext): void {
  const refusal = values.get(refusalKey);
  if (refusal !== undefined) throw refusal;
  values.set(readingKey, signal);
}

function openPaths(services: readonly ServiceOnBytes[]): readonly string[] {
  return services.flatMap(({ name, methods }) =>
    Object.entries(methods).flatMap(([method, { isOpen }]) =>
      isOpen === true ? [`/${name}/${method}`] : [],
    ),
  );
}

/** Handlers by path, with the message types that `typed` gives each method. */
function createHandlers(
  options: ConnectRoutesOptions,
  typed: (method: DescMethodUnary) => DescMethodUnary,
): ReadonlyMap<string, UniversalHandler> {
  const router = createConnectRouter({
    // gRPC has a listener of its own.
    grpc: false,
    readMaxBytes: options.maxRequestBytes,
    writeMaxBytes: options.maxResponseBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
    requestGate: refuseEarly,
  });
  for (const description of DESCRIPTIONS) {
    const service = options.services.find(({ name }) => name === description.typeName);
    for (const method of description.methods) {
      const onBytes = service?.methods[method.name];
      if (onBytes?.kind !== 'unary' || !isUnary(method)) continue;
      const typedMethod = typed(method);
      router.rpc(typedMethod, (message: Message, context: HandlerContext) =>
        callOnBytes(typedMethod, onBytes, { message, context, options }),
      );
    }
  }
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}

/** One unary call: the request back to bytes, the method, its bytes to a message. */
async function callOnBytes(
  method: DescMethodUnary,
  onBytes: UnaryOnBytes,
  call: { message: Message; context: HandlerContext; options: ConnectRoutesOptions },
): Promise<Message> {
  const { message, context, options } = call;
  context.values.delete(readingKey);
  const exchange = context.values.get(exchangeKey)!;
  const timeoutMs = context.timeoutMs();
  if (timeoutMs !== undefined) exchange.deadlineAtMs = performance.now() + timeoutMs;
  try {
    const bytes = toBinary(method.input, message);
    const answer = await runAdmitted(options.entrance, {
      call: exchange,
      admission: onBytes.admission,
      messageBytes: bytes.length,
      work: () => onBytes.call(bytes, exchange),
    });
    if (exchange.lostCount > 0) {
      context.responseHeader.set(LOST_VALUES, String(exchange.lostCount));
    }
    if (exchange.timing !== undefined) {
      context.responseHeader.set(SERVER_TIMING, exchange.timing.toString());
    }
    return decodeAnswer(method, answer.subarray(options.headroomBytes));
  } catch (error) {
    throw connectError(error, exchange, options);
  }
}

/** What was thrown, as the library tells it in every protocol. */
function connectError(
  error: unknown,
  exchange: Exchange,
  { statusOf }: Pick<ConnectRoutesOptions, 'statusOf'>,
): ConnectError {
  exchange.error = error;
  const { code, message, details = [] } = statusOf(error);
  const failure = new ConnectError(message, CODE_BY_NUMBER.get(code) ?? Code.Internal, {
    ...metadataOf(error),
    ...(exchange.timing === undefined ? {} : { [SERVER_TIMING]: exchange.timing.toString() }),
  });
  for (const { typeUrl, value } of details) {
    failure.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value });
  }
  return failure;
}

function metadataOf(error: unknown): Record<string, string> | undefined {
  if (!(error instanceof OverloadedError)) return undefined;
  return { 'grpc-retry-pushback-ms': String(error.retryAfterMs) };
}

/** Binary protocols pass stored bytes on as they are; JSON has to read them, and what it cannot read is the store's fault. */
function decodeAnswer(method: DescMethodUnary, bytes: Uint8Array): Message {
  try {
    return fromBinary(method.output, bytes);
  } catch (cause) {
    throw new SideboardError(
      'CORRUPT_STORED_VALUE',
      'A stored value cannot be written as JSON; ask for it in a binary format, or write its row again',
      { cause },
    );
  }
}
