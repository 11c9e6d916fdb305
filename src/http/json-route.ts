import { BodyRejected, detailAnswer, type RouteAnswer } from './feast-error.ts';
import type { Admission, RequestCall } from '../call/request-call.ts';
import { runAdmitted, type Exchange, type HttpAdmission } from './http-call.ts';
import { readRequestBody } from './request-body.ts';
import { sendError, sendJson } from './send-answer.ts';

/** What a route may know of a call besides its body. */
export interface RouteCall extends RequestCall {
  readonly query: URLSearchParams;
}

/** A route that takes a body and answers JSON; knows nothing of sockets. Rejects with what `sendError` can tell. */
export type JsonRoute = (body: Buffer, call: RouteCall) => Promise<RouteAnswer>;

/** Limits of every route. */
export interface JsonRouteLimits extends HttpAdmission {
  readonly maxRequestBytes: number;
  /** How the route's requests are let in, see `runAdmitted`. */
  readonly admission?: Admission | undefined;
}

/** Reads the body, runs the route unless too many run already, and sends what it answers. Never rejects. */
export async function answerRoute(
  exchange: Exchange,
  route: JsonRoute,
  limits: JsonRouteLimits,
): Promise<void> {
  const { request, response } = exchange;
  const { authenticate } = limits;
  try {
    if (authenticate !== undefined) {
      exchange.caller = await authenticate(exchange);
    }
    const timeoutMs = parseConnectTimeoutMs(exchange.metadata('connect-timeout-ms'));
    if (timeoutMs !== undefined) exchange.deadlineAtMs = performance.now() + timeoutMs;
    const body = await readRequestBody(exchange, limits.maxRequestBytes);
    const answer = await runAdmitted(limits.entrance, {
      call: exchange,
      admission: limits.admission,
      messageBytes: body.length,
      work: () => route(body, exchange),
    });
    await sendJson(request, response, answer);
  } catch (error) {
    exchange.error = error;
    sendError(request, response, error);
  }
}

/**
 * Feast's JSON has no deadlines; the header of the Connect protocol is honoured here too
 * (https://connectrpc.com/docs/protocol#unary-request).
 */
function parseConnectTimeoutMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,10}$/.test(header)) return Number(header);
  throw new BodyRejected(
    detailAnswer(400, 'Connect-Timeout-Ms takes a whole number of milliseconds'),
  );
}
