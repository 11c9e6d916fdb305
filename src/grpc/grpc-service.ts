import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { HeaderFields } from '../http2/header-block.ts';
import type { Admission, RequestCall } from '../call/request-call.ts';
import { GrpcCode, GrpcStatusError } from './status.ts';

/** Bytes that a gRPC message is prefixed with: compressed flag and length. */
export const FRAME_HEADROOM = 5;

/** A call over gRPC. */
export interface CallContext extends RequestCall {
  /** Further metadata of the answer, by lower-case name; a value of a `-bin` name is base64. Only gRPC over HTTP/2 sends it. */
  responseHeaders?: HeaderFields | undefined;
  responseTrailers?: HeaderFields | undefined;
}

/**
 * A method with one request and one response, as bytes.
 *
 * @returns a buffer whose first `FRAME_HEADROOM` bytes are free for the gRPC prefix, so that nothing is copied
 * @throws (at once or by rejection) what the call ends with
 */
export type UnaryMethod = (message: Uint8Array, call: CallContext) => Promise<Uint8Array>;

/** The responses of a streaming call; `send` takes a message without headroom. */
export interface ResponseSink {
  /** Sends the head before there is a response. */
  open(): void;
  send(message: Uint8Array): void;
  /** Holds the caller back, or lets it go on; what is on its way still comes. */
  hold(isHeld: boolean): void;
  /** Ends the call; without an error with status OK. */
  end(error?: unknown): void;
}

/** What a streaming method does with requests as they arrive. */
export interface StreamingCall {
  onMessage(message: Uint8Array): void;
  /** The caller sends no more. */
  onEnd(): void;
}

/** A method with a stream of responses, whatever the number of requests. The call is over when `call.signal` aborts. */
export type StreamingMethod = (call: CallContext, responses: ResponseSink) => StreamingCall;

export type GrpcMethod = (
  | { readonly kind: 'unary'; readonly call: UnaryMethod; readonly admission?: Admission }
  | {
      readonly kind: 'streaming';
      /** How many a caller sends; another number than one is refused where it is `one`. */
      readonly requests: 'one' | 'many';
      readonly open: StreamingMethod;
    }
) & {
  /** Answered without asking who calls. */
  readonly isOpen?: true;
};

export interface GrpcService {
  /** Full name, with its package if it has one. */
  readonly name: string;
  /** By method name. */
  readonly methods: Readonly<Record<string, GrpcMethod>>;
}

/** The same service for everybody: its methods need no credentials. */
export function openToAll({ name, methods }: GrpcService): GrpcService {
  return {
    name,
    methods: Object.fromEntries(
      Object.entries(methods).map(([method, each]) => [method, { ...each, isOpen: true }]),
    ),
  };
}

/** A unary method on messages instead of bytes, for what answers at once from memory: it is never refused. */
export function unaryMethod<I extends DescMessage, O extends DescMessage>(
  input: I,
  output: O,
  answer: (request: MessageShape<I>, call: CallContext) => MessageInitShape<O>,
): GrpcMethod {
  return {
    kind: 'unary',
    admission: 'always',
    call: (message, call) => {
      const response = toBinary(output, create(output, answer(parseMessage(input, message), call)));
      const framed = Buffer.allocUnsafe(FRAME_HEADROOM + response.length);
      framed.set(response, FRAME_HEADROOM);
      return Promise.resolve(framed);
    },
  };
}

/** Parses a request message. @throws GrpcStatusError INVALID_ARGUMENT when the bytes are no such message */
export function parseMessage<I extends DescMessage>(
  input: I,
  message: Uint8Array,
): MessageShape<I> {
  try {
    return fromBinary(input, message);
  } catch {
    throw new GrpcStatusError(
      GrpcCode.INVALID_ARGUMENT,
      `the request is not a valid ${input.typeName}`,
    );
  }
}
