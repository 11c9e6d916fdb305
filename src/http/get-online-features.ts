import { deadlineExceeded } from '../errors.ts';
import type { FeatureReader } from '../retrieval/feature-reader.ts';
import { BodyRejected, detailAnswer } from './feast-error.ts';
import { parseFeastRequest } from './feast-request.ts';
import { feastResponseText } from './feast-response.ts';
import { runAdmitted, type Exchange, type HttpCallObserver } from './http-call.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import { readRequestBody } from './request-body.ts';
import { sendError, sendJsonText } from './send-answer.ts';

/** What the JSON route reads from, and within which limits. */
export interface GetOnlineFeaturesOptions {
  readonly reader: FeatureReader;
  readonly maxRequestBytes: number;
  readonly maxConcurrentRequests: number;
  readonly nonFiniteJson: NonFiniteJson;
  readonly observer: HttpCallObserver;
}

/** Answers `POST /get-online-features` of Feast's Python server. Never rejects. */
export async function answerGetOnlineFeatures(
  exchange: Exchange,
  options: GetOnlineFeaturesOptions,
): Promise<void> {
  const { request, response } = exchange;
  try {
    const timeoutMs = parseConnectTimeoutMs(exchange.metadata('connect-timeout-ms'));
    if (timeoutMs !== undefined) exchange.deadlineAtMs = performance.now() + timeoutMs;
    const body = await readRequestBody(exchange, options.maxRequestBytes);
    const text = await runAdmitted(options.observer, options.maxConcurrentRequests, () =>
      readText(exchange, body, options),
    );
    await sendJsonText(request, response, text);
  } catch (error) {
    exchange.error = error;
    sendError(request, response, error);
  }
}

async function readText(
  exchange: Exchange,
  body: Buffer,
  options: GetOnlineFeaturesOptions,
): Promise<string> {
  const request = parseFeastRequest(body, exchange.metadata('content-type'));
  exchange.rowCount = request.columns[0]?.starts.length ?? 0;
  const retrieved = await options.reader.read(request, {
    // Feast's Python server looks at no TTL.
    enforceTtl: false,
    nowSeconds: Math.floor(Date.now() / 1000),
    deadlineAtMs: exchange.deadlineAtMs,
    signal: exchange.signal,
  });
  exchange.featureCount = retrieved.plan.outputNames.length - retrieved.entityColumns.length;
  const text = feastResponseText(retrieved, options.nonFiniteJson);
  if (performance.now() > exchange.deadlineAtMs)
    throw deadlineExceeded('while the answer was written');
  return text;
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
