import { Agent, request } from 'node:http';
import http2 from 'node:http2';
import { fromBinary } from '@bufbuild/protobuf';
import { WriteResponseSchema } from '../../gen/sideboard/v1/ingest_pb.ts';
import { openGrpcClient } from '../load/grpc-client.ts';
import { grpcFrame } from '../data/official-layout.ts';
import { encodePush, encodeRows, encodeTarget, pushBody } from '../data/write-rows.ts';

/** Sends rows by their number, many calls at once, and resolves when they are acknowledged. */
export interface WriteClient {
  /** @throws Error where they are not written */
  send(first: number, count: number): Promise<void>;
  close(): void;
}

const PUSH_PATH = '/GrpcFeatureServer/Push';
const STREAM_PATH = '/sideboard.v1.IngestService/Write';
const WINDOW_BYTES = 8 * 1024 * 1024;

/** `POST /push` of Feast's HTTP server over connections that are kept. */
export function openHttpPushes(port: number): Promise<WriteClient> {
  const agent = new Agent({ keepAlive: true });
  const send = (first: number, count: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const options = { agent, port, host: '127.0.0.1', method: 'POST', path: '/push', headers };
      const call = request(options, (response) => {
        response.resume();
        response.once('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`/push answered ${response.statusCode}`));
        });
      });
      call.once('error', reject);
      call.end(pushBody(first, count));
    });
  return Promise.resolve({ send, close: () => agent.destroy() });
}

/** `Push` of Feast's gRPC server: a row per call. */
export async function openGrpcPushes(port: number): Promise<WriteClient> {
  const client = await openGrpcClient(port);
  return {
    async send(first, count) {
      for (let n = first; n < first + count; n += 1) await client.call(PUSH_PATH, encodePush(n));
    },
    close: () => client.close(),
  };
}

/** One call of our own streaming service. */
export async function openWriteStream(port: number): Promise<WriteClient> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  await new Promise<void>((resolve, reject) => {
    session.once('connect', () => resolve());
    session.once('error', reject);
  });
  session.setLocalWindowSize(WINDOW_BYTES);
  const stream = session.request({
    ':method': 'POST',
    ':path': STREAM_PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  const fail = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const acknowledge = (message: Uint8Array): void => {
    const { acknowledgedId, rejections } = fromBinary(WriteResponseSchema, message);
    const [rejection] = rejections;
    if (rejection !== undefined) return fail(new Error(rejection.message));
    for (const [id, { resolve }] of waiting) {
      if (id > Number(acknowledgedId)) break;
      waiting.delete(id);
      resolve();
    }
  };
  let bytes = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1);
      acknowledge(bytes.subarray(5, end));
      bytes = bytes.subarray(end);
    }
  });
  stream.on('error', fail);
  stream.on('trailers', (trailers) => fail(new Error(`ended: ${JSON.stringify(trailers)}`)));
  stream.write(grpcFrame(encodeTarget()));
  let lastId = 0;
  return {
    send: (first, count) =>
      new Promise((resolve, reject) => {
        lastId += 1;
        waiting.set(lastId, { resolve, reject });
        stream.write(grpcFrame(encodeRows(lastId, first, count)));
      }),
    close() {
      stream.close();
      session.close();
    },
  };
}
