import { fromBinary, toBinary, type DescMethodUnary, type Message } from '@bufbuild/protobuf';
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
  Compression,
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { deadlineExceeded, OverloadedError, SideboardError } from '../errors.ts';
import { SERVER_TIMING } from '../call/request-timing.ts';
import { LOST_VALUES } from '../retrieval/partial-results.ts';
import { invalidRequest } from '../retrieval/retrieval-errors.ts';
import { bodyUntilDeadline } from './body-until-deadline.ts';
import { limitedCompression, limitFields } from './field-limit.ts';
import { answerThrough } from './connect-exchange.ts';
import type { ConnectMethods, UnaryOnBytes } from './connect-methods.ts';
import {
  runAdmitted,
  type Exchange,
  type HttpAdmission,
  type HttpCallStatus,
} from './http-call.ts';

/** What the Connect protocols need. */
export interface ConnectRoutesOptions extends HttpAdmission {
  readonly methods: ConnectMethods;
  /** Free bytes at the beginning of a method's answer. */
  readonly headroomBytes: number;
  readonly maxRequestBytes: number;
  readonly maxResponseBytes: number;
  /** The gRPC status of an error, and its details for programs. */
  readonly statusOf: (error: unknown) => HttpCallStatus;
}

/** Answers an exchange whose path is among the methods. Never rejects. */
export type AnswerConnect = (exchange: Exchange) => Promise<void>;

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

/** The library makes objects of each value of JSON: of 16 MiB that hold nothing it makes some for half a minute, and nobody else is answered. */
const MAX_JSON_BYTES = 1 << 20;
/** The same of an answer: this much takes it most of a second. */
const MAX_JSON_ANSWER_BYTES = 2 << 20;

/**
 * The services of the gRPC side over Connect, gRPC-Web and Connect with JSON, through the Connect library: it does the
 * protocols, the methods are the ones that gRPC calls, so that both give one answer.
 */
export function createConnectRoutes(options: ConnectRoutesOptions): AnswerConnect {
  const maxJsonBytes = Math.min(options.maxRequestBytes, MAX_JSON_BYTES);
  const compressions = [compressionGzip, compressionBrotli];
  const json = createHandlers(
    { ...options, maxRequestBytes: maxJsonBytes, compressions, isJson: true },
    (method) => method,
  );
  // With bytes on both sides nothing needs to be decoded: to a message without fields all fields are unknown ones, which
  // it keeps as they are and writes again in the same order.
  const binary = createHandlers(
    { ...options, compressions: compressions.map(limitedCompression), isJson: false },
    (method) => ({ ...method, input: EmptySchema, output: EmptySchema }),
  );
  const { authenticate, methods } = options;
  return async (exchange) => {
    const isJson = /json/i.test(exchange.metadata('content-type') ?? '');
    const values = createContextValues().set(exchangeKey, exchange);
    if (authenticate !== undefined && methods.get(exchange.path)?.onBytes.isOpen !== true) {
      try {
        exchange.caller = await authenticate(exchange);
      } catch (error) {
        values.set(refusalKey, connectError(error, exchange, options));
      }
    }
    const handler = (isJson ? json : binary).get(exchange.path)!;
    const errorOf = (error: unknown): ConnectError => connectError(error, exchange, options);
    const answer = (request: UniversalServerRequest): Promise<UniversalServerResponse> =>
      answerOrRefuse(handler, boundedBody(request, { exchange, isJson, errorOf }), errorOf);
    return answerThrough(answer, exchange, values);
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

/** The library waits for a body for as long as it takes to come, whatever the deadline, and reads what has any number of fields. */
function boundedBody(
  request: UniversalServerRequest,
  {
    exchange,
    isJson,
    errorOf,
  }: { exchange: Exchange; isJson: boolean; errorOf: (error: unknown) => ConnectError },
): UniversalServerRequest {
  const { body } = request;
  // Always so: `universalRequest` makes it.
  if (typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)) return request;
  const inTime = bodyUntilDeadline(
    body,
    () => exchange.deadlineAtMs,
    () => errorOf(deadlineExceeded('while the request was arriving')),
  );
  const form = isJson ? undefined : formOf(exchange);
  return { ...request, body: form === undefined ? inTime : limitFields(inTime, form) };
}

/** How a binary body has its message; `undefined` = packed: its fields are counted when it is unpacked. */
function formOf(exchange: Exchange): 'message' | 'envelope' | undefined {
  if (/grpc-web/i.test(exchange.metadata('content-type') ?? '')) return 'envelope';
  const encoding = exchange.metadata('content-encoding') ?? 'identity';
  return encoding === 'identity' ? 'message' : undefined;
}

/** Turns a caller away before its message is read, and takes its timeout. */
function refuseEarly({ values, signal, timeoutMs }: HandlerContext): void {
  const refusal = values.get(refusalKey);
  if (refusal !== undefined) throw refusal;
  values.set(readingKey, signal);
  const leftMs = timeoutMs();
  if (leftMs !== undefined) values.get(exchangeKey)!.deadlineAtMs = performance.now() + leftMs;
}

interface HandlerOptions extends ConnectRoutesOptions {
  readonly compressions: readonly Compression[];
  readonly isJson: boolean;
}

/** Handlers by path, with the message types that `typed` gives each method. */
function createHandlers(
  options: HandlerOptions,
  typed: (method: DescMethodUnary) => DescMethodUnary,
): ReadonlyMap<string, UniversalHandler> {
  const router = createConnectRouter({
    // gRPC has a listener of its own.
    grpc: false,
    readMaxBytes: options.maxRequestBytes,
    writeMaxBytes: options.maxResponseBytes,
    acceptCompression: [...options.compressions],
    requestGate: refuseEarly,
  });
  for (const { description, onBytes } of options.methods.values()) {
    const method = typed(description);
    router.rpc(method, (message: Message, context: HandlerContext) =>
      callOnBytes(method, onBytes, { message, context, options }),
    );
  }
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

/** One unary call: the request back to bytes, the method, its bytes to a message. */
async function callOnBytes(
  method: DescMethodUnary,
  onBytes: UnaryOnBytes,
  call: { message: Message; context: HandlerContext; options: HandlerOptions },
): Promise<Message> {
  const { message, context, options } = call;
  context.values.delete(readingKey);
  const exchange = context.values.get(exchangeKey)!;
  try {
    if (exchange.deadlineAtMs <= performance.now()) throw deadlineExceeded('before it was begun');
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
    const body = answer.subarray(options.headroomBytes);
    if (options.isJson && body.length > MAX_JSON_ANSWER_BYTES) throw tooMuchForJson(body.length);
    return decodeAnswer(method, body);
  } catch (error) {
    throw connectError(error, exchange, options);
  }
}

function tooMuchForJson(bytes: number): SideboardError {
  return new SideboardError(
    'MESSAGE_TOO_LARGE',
    `the response has ${bytes} bytes, and JSON of Connect or gRPC-Web takes ${MAX_JSON_ANSWER_BYTES}: ask in a binary format, or by POST /get-online-features`,
  );
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
