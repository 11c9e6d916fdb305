import type { JsonObject } from '@bufbuild/protobuf';
import type { HeaderFields } from '../../../src/http2/header-block.ts';
import type { RequestHead, StreamListener } from '../../../src/http2/http2-engine.ts';
import {
  FRAME_HEADROOM,
  type CallContext,
  type GrpcMethod,
  type GrpcService,
  type StreamingMethod,
} from '../../../src/grpc/grpc-service.ts';
import { GrpcCode, GrpcStatusError } from '../../../src/grpc/status.ts';
import { parseTimeoutMs } from '../../../src/grpc/timeout.ts';
import type { ConformanceProtos } from './conformance-protos.ts';
import {
  answerOnce,
  answerStream,
  collect,
  type ConformanceCall,
  type Field,
} from './conformance-service.ts';

/** The service for our own dispatcher. */
export interface GrpcConformance {
  readonly service: GrpcService;
  /** The dispatcher's listener, which has to be asked through this one: methods are told no header by its place in the request. */
  observe(listener: StreamListener): StreamListener;
}

export function createGrpcConformance(protos: ConformanceProtos): GrpcConformance {
  let head: RequestHead | undefined;
  const callOf = (
    requestType: string,
    call: CallContext,
    open = (): void => {},
  ): ConformanceCall => ({
    requestType,
    headers: (head?.fields ?? []).map(({ name, value }) => ({ name, value: [value] })),
    timeoutMs: timeoutOf(call),
    answer(headers, trailers): void {
      call.responseHeaders = headerFields(headers);
      call.responseTrailers = headerFields(trailers);
    },
    open,
    failure: ({ code, message = '', details = [] }) =>
      new GrpcStatusError(grpcCode(protos.codeOf(code)), message, details.map(protos.any)),
  });

  const methods: Record<string, GrpcMethod> = {};
  for (const { name, methodKind, input, output } of protos.service.methods) {
    if (name === 'Unimplemented') continue;
    if (methodKind === 'unary') {
      methods[name] = {
        kind: 'unary',
        async call(message, call) {
          const request = protos.decode(input, message);
          const answer = await answerOnce([request], callOf(input.typeName, call));
          const bytes = protos.encode(output, answer);
          return Buffer.concat([Buffer.alloc(FRAME_HEADROOM), bytes]);
        },
      };
      continue;
    }
    const open: StreamingMethod = (context, responses) => {
      const requests = createQueue();
      const call = callOf(input.typeName, context, responses.open);
      const send = (answer: JsonObject): void => responses.send(protos.encode(output, answer));
      const run = async (): Promise<void> => {
        if (methodKind === 'client_streaming') {
          send(await answerOnce(await collect(requests.items()), call));
        } else {
          for await (const answer of answerStream(requests.items(), call)) send(answer);
        }
      };
      run().then(() => responses.end(), responses.end);
      return {
        onMessage: (message) => requests.push(protos.decode(input, message)),
        onEnd: () => requests.end(),
      };
    };
    const requests = methodKind === 'server_streaming' ? 'one' : 'many';
    methods[name] = { kind: 'streaming', requests, open };
  }

  return {
    service: { name: protos.service.typeName, methods },
    observe: (listener) => (requestHead, response) => {
      head = requestHead;
      const body = listener(requestHead, response);
      return {
        onData: (chunk) => body.onData(chunk),
        onEnd(): void {
          head = requestHead;
          body.onEnd();
        },
        onClose: () => body.onClose(),
      };
    },
  };
}

function timeoutOf(call: CallContext): number | undefined {
  const header = call.metadata('grpc-timeout');
  return header === undefined ? undefined : parseTimeoutMs(header);
}

function headerFields(fields: readonly Field[]): HeaderFields | undefined {
  if (fields.length === 0) return undefined;
  const found: Record<string, string[]> = {};
  for (const { name, value = [] } of fields) (found[name.toLowerCase()] ??= []).push(...value);
  return found;
}

function grpcCode(number: number): GrpcCode {
  return Object.values(GrpcCode).find((code) => code === number)!;
}

/** Pushed on one side, awaited on the other. */
interface Queue {
  push(item: JsonObject): void;
  end(): void;
  items(): AsyncGenerator<JsonObject>;
}

function createQueue(): Queue {
  const waiting: JsonObject[] = [];
  let ended = false;
  let wake = (): void => {};
  return {
    push(item): void {
      waiting.push(item);
      wake();
    },
    end(): void {
      ended = true;
      wake();
    },
    async *items() {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
