import { promisify } from 'node:util';
import {
  Server,
  ServerCredentials,
  type Metadata,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { readTraces, type ReceivedSpan } from './otlp-receiver.ts';

type Reply = sendUnaryData<Uint8Array>;

/** Takes traces over OTLP/gRPC. */
export interface OtlpGrpcReceiver {
  /** `host:port`. */
  readonly address: string;
  readonly spans: readonly ReceivedSpan[];
  /** Metadata of every request, in their order. */
  readonly requests: readonly Metadata[];
  /** How requests are answered from now on; they are taken by default. Spans of those that are not are not kept. */
  answer: (reply: Reply) => void;
  close(): void;
}

const METHOD = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

/** Starts one, by grpc-js, on loopback, on a free port unless one is given. */
export async function startOtlpGrpcReceiver({
  tls = ServerCredentials.createInsecure(),
  address = '127.0.0.1:0',
}: {
  readonly tls?: ServerCredentials;
  readonly address?: string;
} = {}): Promise<OtlpGrpcReceiver> {
  const spans: ReceivedSpan[] = [];
  const requests: Metadata[] = [];
  const server = new Server();
  const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const definition = {
    path: METHOD,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  const implementation = {
    export({ metadata, request }: ServerUnaryCall<Buffer, Uint8Array>, reply: Reply): void {
      requests.push(metadata);
      receiver.answer((error, ...rest) => {
        if (error === null) spans.push(...readTraces(request));
        reply(error, ...rest);
      });
    },
  };
  server.addService({ export: definition }, implementation);
  const bind = promisify<string, ServerCredentials, number>(server.bindAsync.bind(server));
  const port = await bind(address, tls);
  const receiver: OtlpGrpcReceiver = {
    address: address.startsWith('unix:') ? address : `127.0.0.1:${port}`,
    spans,
    requests,
    answer: (reply) => reply(null, new Uint8Array()),
    close: () => server.forceShutdown(),
  };
  return receiver;
}
