import type { HttpRequest, HttpResponse } from './http-message.ts';

/** The rest of a request that nobody wants is thrown away for this long before its connection is closed. */
const LINGER_MS = 1000;
/** A request of no more than this is read to its end, and its connection kept. */
const MAX_UNREAD_BYTES = 64 * 1024;

/**
 * Whether more of the request is still to come than is worth reading to its end for the sake of the connection: the answer
 * then needs `connection: close`. (A request that has just arrived whole is not `complete` yet while it is handed over.)
 */
export function isMuchPending(request: HttpRequest): boolean {
  // A stream of HTTP/2 is simply reset once it is answered.
  if (request.complete || !request.httpVersion.startsWith('1')) return false;
  return (
    request.headers['transfer-encoding'] !== undefined ||
    Number(request.headers['content-length'] ?? 0) > MAX_UNREAD_BYTES
  );
}

/**
 * Ends an answer whose request may not have been read to its end. What is left is thrown away: the next request of the
 * connection comes after it.
 *
 * @param isLast the connection ends with this answer, see `isMuchPending`
 */
export function endAnswer(request: HttpRequest, response: HttpResponse, isLast: boolean): void {
  if (!request.readableEnded) request.resume();
  if (!isLast) {
    response.end();
    return;
  }
  // Closing at once would reset the connection under a caller that still sends, and it would never see the answer.
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  request.once('close', end);
}
