import http2 from 'node:http2';
import { grpcFrame } from '../data/official-layout.ts';

/** A call that was answered with another status than OK. */
export class GrpcCallError extends Error {
  override readonly name = 'GrpcCallError';
  /** The gRPC code; NaN when none came. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(`status ${code}: ${message}`);
    this.code = code;
  }
}

/** A gRPC client on one connection that neither encodes nor decodes messages. */
export interface GrpcClient {
  /** Sends one message and gives the reply's. @throws GrpcCallError for any status but OK */
  call(path: string, message: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

/** Connects to a server on loopback. */
export async function openGrpcClient(port: number): Promise<GrpcClient> {
  const session = http2.connect(`http://127.0.0.1:${port}`, {
    settings: { initialWindowSize: 8 * 1024 * 1024 },
  });
  await new Promise<void>((resolve, reject) => {
    session.once('connect', () => resolve());
    session.once('error', reject);
  });
  session.setLocalWindowSize(8 * 1024 * 1024);
  return {
    call: (path, message) => send(session, path, message),
    close: () => session.close(),
  };
}

function send(
  session: http2.ClientHttp2Session,
  path: string,
  message: Uint8Array,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    let fields: http2.IncomingHttpHeaders = {};
    stream.on('response', (head) => (fields = { ...fields, ...head }));
    stream.on('trailers', (trailers) => (fields = { ...fields, ...trailers }));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      if (fields['grpc-status'] === '0') resolve(Buffer.concat(chunks).subarray(5));
      else reject(new GrpcCallError(Number(fields['grpc-status']), String(fields['grpc-message'])));
    });
    stream.end(grpcFrame(message));
  });
}
