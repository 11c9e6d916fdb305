import { Buffer } from 'node:buffer';
import type * as http2 from 'node:http2';

/** A gRPC call on a session of `node:http2`, and what came of it. */
export interface Http2Call {
  readonly stream: http2.ClientHttp2Stream;
  /** Headers and trailers together, once the stream is closed; what is missing of them never came. */
  readonly answer: Promise<http2.IncomingHttpHeaders>;
}

/** Begins a call that nothing has been sent of. */
export function openHttp2Call(
  session: http2.ClientHttp2Session,
  path: string,
  headers: http2.OutgoingHttpHeaders = {},
): Http2Call {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let fields: http2.IncomingHttpHeaders = {};
  stream.on('response', (received) => (fields = { ...fields, ...received }));
  stream.on('trailers', (received) => (fields = { ...fields, ...received }));
  // An error leaves the answer without a status.
  stream.on('error', () => {});
  stream.resume();
  const answer = new Promise<http2.IncomingHttpHeaders>((resolve) => {
    stream.on('close', () => resolve(fields));
  });
  return { stream, answer };
}

/** Sends one message to a method. */
export function callOverHttp2(
  session: http2.ClientHttp2Session,
  path: string,
  message: Uint8Array,
  headers: http2.OutgoingHttpHeaders = {},
): Http2Call {
  const call = openHttp2Call(session, path, headers);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  call.stream.end(Buffer.concat([prefix, message]));
  return call;
}
