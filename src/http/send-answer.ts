import type { OutgoingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import {
  BodyRejected,
  feastErrorAnswer,
  type JsonAnswer,
  type RouteAnswer,
} from './feast-error.ts';
import type { HttpRequest, HttpResponse } from './http-message.ts';
import { endAnswer, isMuchPending } from './unread-request.ts';

const zip = promisify(gzip);

/** Smaller answers cost more to pack than to send. */
const MIN_GZIP_BYTES = 64 * 1024;
/** Text up to this length is written by Node from its stack. */
const MAX_ONE_PIECE_BYTES = 15 * 1024;
/** Answers are mostly digits and repeated words: the fastest level takes them to a fifth. */
const GZIP_LEVEL = 1;

/** Sends an answer with a body of JSON, or none; a HEAD request gets its headers. */
export function sendAnswer(request: HttpRequest, response: HttpResponse, answer: JsonAnswer): void {
  sendBody(request, response, answer.status, bytesOf(answer), answer.headers);
}

/** Sends what was thrown, in the shape that Feast's clients read. */
export function sendError(request: HttpRequest, response: HttpResponse, error: unknown): void {
  sendAnswer(
    request,
    response,
    error instanceof BodyRejected ? error.answer : feastErrorAnswer(error),
  );
}

/** As `sendAnswer`, gzipped where the body is long and the caller takes that. */
export async function sendJson(
  request: HttpRequest,
  response: HttpResponse,
  answer: RouteAnswer,
): Promise<void> {
  const body = bytesOf(answer);
  if (body.length < MIN_GZIP_BYTES || !acceptsGzip(request)) {
    sendBody(request, response, answer.status, body, answer.headers);
    return;
  }
  const packed = await zip(body, { level: GZIP_LEVEL });
  sendBody(request, response, answer.status, packed, {
    'content-encoding': 'gzip',
    vary: 'accept-encoding',
    ...answer.headers,
  });
}

function bytesOf({ body }: RouteAnswer): Buffer {
  return typeof body === 'string' ? Buffer.from(body) : body;
}

function acceptsGzip(request: HttpRequest): boolean {
  const accepted = request.headers['accept-encoding'] ?? '';
  return /(?:^|,)\s*gzip\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)/i.test(accepted);
}

function sendBody(
  request: HttpRequest,
  response: HttpResponse,
  status: number,
  body: Buffer,
  headers: OutgoingHttpHeaders = {},
): void {
  // The caller has gone, or was answered by the server's own timeout.
  if (response.destroyed || response.headersSent) return;
  const pending = isMuchPending(request);
  response.writeHead(status, {
    ...(body.length === 0 ? {} : { 'content-type': 'application/json' }),
    'content-length': body.length,
    ...(pending ? { connection: 'close' } : {}),
    ...headers,
  });
  if (!pending) {
    if (request.method === 'HEAD') response.end();
    // As text, a byte each, it leaves in one piece with its head.
    else if (body.length <= MAX_ONE_PIECE_BYTES) response.end(body.toString('latin1'), 'latin1');
    else response.end(body);
    return;
  }
  response.write(body);
  endAnswer(request, response, pending);
}
