import { REQUEST_TIMING, SERVER_TIMING } from '../call/request-timing.ts';
import { LOST_VALUES, PARTIAL_RESULTS } from '../retrieval/partial-results.ts';
import type { HttpRequest, HttpResponse } from './http-message.ts';

/** How long a browser may keep what a preflight was answered with. */
const MAX_AGE_SECONDS = '7200';

/** What clients of Connect and gRPC-Web send, as the Connect library lists it; it is not loaded for that. */
export const CONNECT_REQUEST_HEADERS: readonly string[] = [
  'Content-Type',
  'Connect-Protocol-Version',
  'Connect-Timeout-Ms',
  'Connect-Content-Encoding',
  'Connect-Accept-Encoding',
  'Content-Encoding',
  'Accept-Encoding',
  'Grpc-Message-Type',
  'X-Grpc-Web',
  'X-User-Agent',
  'Grpc-Timeout',
];

/** What they read, likewise. */
export const CONNECT_RESPONSE_HEADERS: readonly string[] = [
  'Grpc-Status',
  'Grpc-Message',
  'Grpc-Status-Details-Bin',
  'Content-Encoding',
  'Connect-Content-Encoding',
];

const ALLOWED_HEADERS = [
  ...CONNECT_REQUEST_HEADERS,
  'Authorization',
  PARTIAL_RESULTS,
  REQUEST_TIMING,
].join(', ');
const EXPOSED_HEADERS = [...CONNECT_RESPONSE_HEADERS, LOST_VALUES, SERVER_TIMING].join(', ');

/** Lets pages of other origins call (https://fetch.spec.whatwg.org/#http-cors-protocol). */
export interface Cors {
  /** Adds what the browser asks for to whatever is answered; whether this was a preflight, which is answered by now. */
  apply(request: HttpRequest, response: HttpResponse): boolean;
}

/** @param origins such as `https://shop.example`, or `*` for all; none = no page of another origin may call. */
export function createCors(origins: readonly string[]): Cors {
  const allowed = new Set(origins);
  const allowsAll = allowed.has('*');
  return {
    apply(request, response) {
      const { origin } = request.headers;
      if (origin === undefined || allowed.size === 0) return false;
      const isAllowed = allowsAll || allowed.has(origin);
      const headers = {
        ...(allowsAll ? {} : { vary: 'origin' }),
        ...(isAllowed ? { 'access-control-allow-origin': allowsAll ? '*' : origin } : {}),
      };
      if (isAllowed && isPreflight(request)) {
        response.writeHead(204, {
          ...headers,
          'access-control-allow-methods': 'GET, POST',
          'access-control-allow-headers': ALLOWED_HEADERS,
          'access-control-max-age': MAX_AGE_SECONDS,
        });
        response.end();
        return true;
      }
      const writeHead = response.writeHead.bind(response);
      const exposed = isAllowed ? { 'access-control-expose-headers': EXPOSED_HEADERS } : {};
      response.writeHead = (status, own = {}) => {
        const vary = [headers.vary, own['vary']].filter((part) => part !== undefined).join(', ');
        return writeHead(status, {
          ...own,
          ...headers,
          ...exposed,
          ...(vary === '' ? {} : { vary }),
        });
      };
      return false;
    },
  };
}

function isPreflight({ method, headers }: HttpRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}
