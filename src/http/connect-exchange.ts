import { once } from 'node:events';
import type { ContextValues } from '@connectrpc/connect';
import type {
  UniversalHandlerFn,
  UniversalServerRequest,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import type { CallerSignal } from '../call/caller-signal.ts';
import type { Exchange } from './http-call.ts';
import type { HttpResponse } from './http-message.ts';
import { endAnswer, isMuchPending } from './unread-request.ts';

const NOTHING: AsyncIterator<Uint8Array> = {
  next: () => Promise.resolve({ done: true, value: undefined }),
};

/** Lets a handler of the Connect library answer an exchange. Never rejects. */
export async function answerThrough(
  handler: UniversalHandlerFn,
  exchange: Exchange,
  values: ContextValues,
): Promise<void> {
  const { response } = exchange;
  try {
    const answer = await handler(universalRequest(exchange, values));
    await sendUniversalResponse(answer, exchange);
  } catch (error) {
    exchange.error ??= error;
    if (!response.headersSent) response.writeHead(500, { connection: 'close' });
    response.end();
  }
}

/** An exchange as the handlers of the Connect library take it. */
function universalRequest(
  { request, signal }: Exchange,
  values: ContextValues,
): UniversalServerRequest {
  const header = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) header.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? '',
    // The library wants an absolute URL and looks at its path and query alone.
    url: `http://localhost${request.url ?? '/'}`,
    header,
    // Whoever stops reading leaves the rest to `endAnswer`: a destroyed request would keep it in the socket.
    body: request.iterator({ destroyOnReturn: false }),
    signal: abortSignalOf(signal),
    contextValues: values,
  };
}

function abortSignalOf(signal: CallerSignal): AbortSignal {
  const abort = new AbortController();
  if (signal.aborted) abort.abort();
  signal.addEventListener('abort', () => abort.abort(), { once: true });
  return abort.signal;
}

/**
 * Sends what a handler of the Connect library answers. The head leaves with the first part of the body, so that a handler
 * can still set fields until then. A caller that goes away ends it early.
 */
async function sendUniversalResponse(
  { status, header, body }: UniversalServerResponse,
  { request, response }: Exchange,
): Promise<void> {
  const parts = body?.[Symbol.asyncIterator]() ?? NOTHING;
  try {
    let part = await parts.next();
    const isLast = isMuchPending(request);
    response.writeHead(status, {
      ...Object.fromEntries(header ?? []),
      ...(isLast ? { connection: 'close' } : {}),
    });
    while (part.done !== true && !response.destroyed) {
      if (!response.write(part.value)) await drained(response);
      part = await parts.next();
    }
    endAnswer(request, response, isLast);
  } finally {
    // Tells a handler that still streams; what it says to that interests nobody.
    parts.return?.().catch(() => {});
  }
}

async function drained(response: HttpResponse): Promise<void> {
  if (response.destroyed || !response.writableNeedDrain) return;
  const closed = new AbortController();
  await Promise.race([
    once(response, 'drain', { signal: closed.signal }),
    once(response, 'close', { signal: closed.signal }),
  ]).finally(() => closed.abort());
}
