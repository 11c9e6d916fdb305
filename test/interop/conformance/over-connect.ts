import {
  fromJson,
  toJson,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type JsonObject,
  type Message,
} from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  createConnectRouter,
  createContextValues,
  type ConnectRouter,
  type HandlerContext,
} from '@connectrpc/connect';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { answerThrough } from '../../../src/http/connect-exchange.ts';
import { Exchange, type HttpCallObserver } from '../../../src/http/http-call.ts';
import type { HttpHandler } from '../../../src/http/http-message.ts';
import type { ConformanceProtos } from './conformance-protos.ts';
import {
  answerOnce,
  answerStream,
  collect,
  type ConformanceCall,
  type Field,
} from './conformance-service.ts';

const CODE_BY_NUMBER: ReadonlyMap<number, Code> = new Map(
  Object.values(Code)
    .filter((code) => typeof code === 'number')
    .map((code) => [code, code]),
);

const OBSERVER: HttpCallObserver = { inFlightCount: 0, onCallEnd: () => {} };

/** The service through the Connect library, on the exchanges that our HTTP/1.1 and HTTP/2 make. */
export function createConnectConformance(
  protos: ConformanceProtos,
  maxRequestBytes: number,
): HttpHandler {
  const router = createConnectRouter({
    grpc: false,
    readMaxBytes: maxRequestBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
    jsonOptions: { registry: protos.registry },
  });
  for (const method of protos.service.methods) {
    if (method.name !== 'Unimplemented') serve(router, method, protos);
  }
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    response.on('error', () => {});
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const handler = handlers.get(path);
    if (handler === undefined) {
      response.writeHead(404);
      response.end();
      return;
    }
    const exchange = new Exchange(request, response, path, {
      defaultDeadlineMs: 0,
      observer: OBSERVER,
      statusOf: () => ({ code: 2, message: '' }),
    });
    void answerThrough(handler, exchange, createContextValues());
  };
}

function serve(router: ConnectRouter, method: DescMethod, protos: ConformanceProtos): void {
  const { registry } = protos;
  const read = (message: Message): JsonObject =>
    toJson(method.input, message, { registry }) as JsonObject;
  const write = (answer: JsonObject): Message => fromJson(method.output, answer, { registry });
  const callOf = (context: HandlerContext): ConformanceCall => ({
    requestType: method.input.typeName,
    headers: fieldsOf(context.requestHeader),
    timeoutMs: context.timeoutMs(),
    queryParams: context.requestMethod === 'GET' ? queryOf(context.url) : undefined,
    answer(headers, trailers): void {
      append(context.responseHeader, headers);
      append(context.responseTrailer, trailers);
    },
    // The library sends the head with the first message.
    open: () => {},
    failure({ code, message = '', details = [] }) {
      const error = new ConnectError(message, CODE_BY_NUMBER.get(protos.codeOf(code)));
      for (const { typeUrl, value } of details.map(protos.any)) {
        error.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value });
      }
      return error;
    },
  });

  async function* readAll(messages: AsyncIterable<Message>): AsyncGenerator<JsonObject> {
    for await (const message of messages) yield read(message);
  }
  async function* answerAll(
    requests: AsyncIterable<JsonObject>,
    context: HandlerContext,
  ): AsyncGenerator<Message> {
    for await (const answer of answerStream(requests, callOf(context))) yield write(answer);
  }

  if (isUnary(method)) {
    router.rpc(method, async (request: Message, context: HandlerContext) =>
      write(await answerOnce([read(request)], callOf(context))),
    );
  } else if (isServerStreaming(method)) {
    router.rpc(method, (request: Message, context: HandlerContext) =>
      answerAll(once(read(request)), context),
    );
  } else if (isClientStreaming(method)) {
    router.rpc(method, async (requests: AsyncIterable<Message>, context: HandlerContext) =>
      write(await answerOnce(await collect(readAll(requests)), callOf(context))),
    );
  } else if (isBidiStreaming(method)) {
    router.rpc(method, (requests: AsyncIterable<Message>, context: HandlerContext) =>
      answerAll(readAll(requests), context),
    );
  }
}

// A `switch` over the kind does not tell the library's types which method it is.
const isUnary = (method: DescMethod): method is DescMethodUnary => method.methodKind === 'unary';
const isServerStreaming = (method: DescMethod): method is DescMethodServerStreaming =>
  method.methodKind === 'server_streaming';
const isClientStreaming = (method: DescMethod): method is DescMethodClientStreaming =>
  method.methodKind === 'client_streaming';
const isBidiStreaming = (method: DescMethod): method is DescMethodBiDiStreaming =>
  method.methodKind === 'bidi_streaming';

async function* once(request: JsonObject): AsyncGenerator<JsonObject> {
  yield await Promise.resolve(request);
}

function fieldsOf(headers: Headers): Field[] {
  return [...headers].map(([name, value]) => ({ name, value: value.split(', ') }));
}

function queryOf(url: string): Field[] {
  return [...new URL(url).searchParams].map(([name, value]) => ({ name, value: [value] }));
}

function append(headers: Headers, fields: readonly Field[]): void {
  for (const { name, value = [] } of fields) for (const each of value) headers.append(name, each);
}
