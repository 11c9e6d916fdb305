import { request as httpRequest } from 'node:http';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import { ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import {
  GetOnlineFeaturesRequestSchema,
  GetOnlineFeaturesResponseSchema,
  ServingService,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { answerFromHttp, answerFromMessage, answerFromResponse } from './golden-answer.ts';
import type { GoldenAnswer, HttpReply } from './golden-answer.ts';
import { digestAnswer, type GoldenRequest } from './golden-vectors.ts';

const HOST = '127.0.0.1';
const DEADLINE_MS = 20_000;

/** Sends recorded requests to a server as they were sent to Feast's. */
export interface GoldenClients {
  /** @param asDigest for a recorded answer that is a digest */
  grpc(method: string, message: Uint8Array, asDigest: boolean): Promise<GoldenAnswer>;
  http(request: NonNullable<GoldenRequest['http']>, asDigest: boolean): Promise<GoldenAnswer>;
  /** `feast.serving.ServingService/GetOnlineFeatures` over HTTP/1.1. */
  web(
    protocol: 'Connect' | 'gRPC-Web',
    message: Uint8Array,
    asDigest: boolean,
  ): Promise<GoldenAnswer>;
  /** The reply as it came. @throws ServiceError */
  grpcBytes(method: string, message: Uint8Array): Promise<Uint8Array>;
  httpReply(request: NonNullable<GoldenRequest['http']>): Promise<HttpReply>;
  close(): void;
}

export function connectGoldenClients(port: number): GoldenClients {
  const client = new Client(`${HOST}:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
  });
  const options = { baseUrl: `http://${HOST}:${port}`, httpVersion: '1.1' } as const;
  const webClients = {
    Connect: createClient(ServingService, createConnectTransport(options)),
    'gRPC-Web': createClient(ServingService, createGrpcWebTransport(options)),
  };
  return {
    async grpc(method, message, asDigest) {
      const reply = await callUnary(client, method, message);
      if (!(reply instanceof Uint8Array)) {
        const status = GrpcStatus[reply.code];
        return { kind: 'refused', status, shape: '', text: reply.details };
      }
      return asDigest ? digestAnswer(reencode(reply)) : answerFromMessage(reply);
    },
    async http(request, asDigest) {
      const reply = await sendHttp(port, request);
      // Without a charset, as Feast's.
      if (reply.body !== '' && reply.contentType !== 'application/json') {
        throw new Error(`${request.path} answers with content type ${reply.contentType}`);
      }
      return asDigest ? digestAnswer(inFeastOrder(reply.body)) : answerFromHttp(reply);
    },
    async web(protocol, message, asDigest) {
      try {
        const request = fromBinary(GetOnlineFeaturesRequestSchema, message);
        const response = await webClients[protocol].getOnlineFeatures(request);
        return asDigest
          ? digestAnswer(toBinary(GetOnlineFeaturesResponseSchema, response))
          : answerFromResponse(response);
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        const status = GrpcStatus[error.code] ?? '';
        return { kind: 'refused', status, shape: '', text: error.rawMessage };
      }
    },
    async grpcBytes(method, message) {
      const reply = await callUnary(client, method, message);
      if (!(reply instanceof Uint8Array)) throw reply;
      return reply;
    },
    httpReply: (request) => sendHttp(port, request),
    close: () => client.close(),
  };
}

function callUnary(
  client: Client,
  method: string,
  message: Uint8Array,
): Promise<Uint8Array | ServiceError> {
  const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const deadline = Date.now() + DEADLINE_MS;
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      method,
      same,
      same,
      Buffer.from(message),
      { deadline },
      (error, reply) => {
        resolve(error ?? reply ?? new Uint8Array());
      },
    );
  });
}

/** Fields in order of their numbers, as the recorded digest was taken. */
function reencode(message: Uint8Array): Uint8Array {
  const schema = GetOnlineFeaturesResponseSchema;
  return toBinary(schema, fromBinary(schema, message));
}

interface JsonResponse {
  readonly metadata: unknown;
  readonly results: readonly { readonly [key: string]: unknown }[];
}

/** The JSON with its keys in the order of Feast's server. */
function inFeastOrder(body: string): string {
  const { metadata, results } = JSON.parse(body) as JsonResponse;
  const ordered = results.map(({ values, statuses, event_timestamps }) => ({
    values,
    statuses,
    event_timestamps,
  }));
  return JSON.stringify({ results: ordered, metadata });
}

function sendHttp(port: number, request: NonNullable<GoldenRequest['http']>): Promise<HttpReply> {
  const body =
    request.body_b64 === undefined
      ? Buffer.from(request.body ?? '', 'utf8')
      : Buffer.from(request.body_b64, 'base64');
  const headers = request.headers ?? { 'Content-Type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        host: HOST,
        port,
        method: request.method,
        path: request.path,
        headers: body.length === 0 ? headers : { ...headers, 'Content-Length': body.length },
        timeout: DEADLINE_MS,
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            contentType: response.headers['content-type'] ?? null,
            allow: response.headers.allow ?? null,
            body: Buffer.concat(chunks).toString('utf8'),
          });
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    sent.end(body);
  });
}
