import { setTimeout as delay } from 'node:timers/promises';
import type { JsonObject } from '@bufbuild/protobuf';

/** A header field, or several of one name, as the suite writes them. */
export interface Field {
  readonly name: string;
  readonly value?: readonly string[];
}

/** What is to be answered; the caller says it in its first message. */
interface Definition {
  readonly responseHeaders?: readonly Field[];
  readonly responseTrailers?: readonly Field[];
  /** Base64. */
  readonly responseData?: string | readonly string[];
  readonly responseDelayMs?: number;
  readonly error?: Failure;
}

/** An error to raise. */
export interface Failure {
  /** `CODE_ABORTED` and so on. */
  readonly code: string;
  readonly message?: string;
  readonly details?: readonly JsonObject[];
}

/** One call, whatever protocol brings it. */
export interface ConformanceCall {
  /** Full name of the message that the caller sends. */
  readonly requestType: string;
  readonly headers: readonly Field[];
  readonly timeoutMs: number | undefined;
  /** Of a GET request. */
  readonly queryParams?: readonly Field[] | undefined;
  /** Sets metadata of the answer; `open` sends the head at once. */
  answer(headers: readonly Field[], trailers: readonly Field[]): void;
  open(): void;
  /** The error of the protocol's library. */
  failure(failure: Failure): Error;
}

/**
 * `ConformanceService`: answers what each request asks to be answered, and repeats what arrived
 * (https://github.com/connectrpc/conformance/blob/v1.0.7/docs/testing_servers.md).
 */
export async function answerOnce(
  requests: readonly JsonObject[],
  call: ConformanceCall,
): Promise<JsonObject> {
  const definition = definitionOf(requests[0]);
  call.answer(definition.responseHeaders ?? [], definition.responseTrailers ?? []);
  await pause(definition);
  const requestInfo = infoOf(requests, call);
  if (definition.error !== undefined) throw call.failure(withInfo(definition.error, requestInfo));
  return { payload: payloadOf(definition.responseData as string | undefined, requestInfo) };
}

/** The streaming half of the service. With full duplex each request is answered as it comes. */
export async function* answerStream(
  requests: AsyncIterable<JsonObject>,
  call: ConformanceCall,
): AsyncGenerator<JsonObject> {
  let definition: Definition = {};
  let waiting: JsonObject[] = [];
  let isFirst = true;
  let isFullDuplex = false;
  let sent = 0;
  for await (const request of requests) {
    if (isFirst) {
      isFirst = false;
      isFullDuplex = request['fullDuplex'] === true;
      definition = definitionOf(request);
      call.answer(definition.responseHeaders ?? [], definition.responseTrailers ?? []);
      call.open();
    }
    waiting.push(request);
    if (!isFullDuplex) continue;
    const data = definition.responseData?.[sent];
    // With nothing left to say, what is left of the definition is its error.
    if (data === undefined) break;
    await pause(definition);
    yield { payload: payloadOf(data, infoOf(waiting, call, sent > 0)) };
    sent += 1;
    waiting = [];
  }
  for (const data of (definition.responseData ?? []).slice(sent)) {
    await pause(definition);
    yield { payload: payloadOf(data, sent === 0 ? infoOf(waiting, call) : undefined) };
    sent += 1;
  }
  if (definition.error === undefined) return;
  throw call.failure(
    sent === 0 ? withInfo(definition.error, infoOf(waiting, call)) : definition.error,
  );
}

/** All messages of a caller that sends several and wants one answer. */
export async function collect(requests: AsyncIterable<JsonObject>): Promise<JsonObject[]> {
  const all: JsonObject[] = [];
  for await (const request of requests) all.push(request);
  return all;
}

function definitionOf(request: JsonObject | undefined): Definition {
  return (request?.['responseDefinition'] ?? {}) as unknown as Definition;
}

/** @param isShort repeats the requests alone, not what belongs to the call */
function infoOf(
  requests: readonly JsonObject[],
  call: ConformanceCall,
  isShort = false,
): JsonObject {
  const echoed = requests.map((request) => ({
    '@type': `type.googleapis.com/${call.requestType}`,
    ...request,
  }));
  if (isShort) return { requests: echoed };
  return {
    requests: echoed,
    requestHeaders: fieldsAsJson(call.headers),
    ...(call.timeoutMs === undefined ? {} : { timeoutMs: String(Math.round(call.timeoutMs)) }),
    ...(call.queryParams === undefined
      ? {}
      : { connectGetInfo: { queryParams: fieldsAsJson(call.queryParams) } }),
  };
}

/** One entry per name, as the suite expects it. */
function fieldsAsJson(fields: readonly Field[]): JsonObject[] {
  const byName = Map.groupBy(fields, ({ name }) => name);
  return [...byName].map(([name, all]) => ({
    name,
    value: all.flatMap(({ value = [] }) => value),
  }));
}

function payloadOf(data: string | undefined, requestInfo: JsonObject | undefined): JsonObject {
  return {
    ...(data === undefined ? {} : { data }),
    ...(requestInfo === undefined ? {} : { requestInfo }),
  };
}

function withInfo(error: Failure, requestInfo: JsonObject): Failure {
  const info = {
    '@type': 'type.googleapis.com/connectrpc.conformance.v1.ConformancePayload.RequestInfo',
    ...requestInfo,
  };
  return { ...error, details: [...(error.details ?? []), info] };
}

async function pause({ responseDelayMs = 0 }: Definition): Promise<void> {
  if (responseDelayMs > 0) await delay(responseDelayMs);
}
