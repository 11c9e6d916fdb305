import { request as requestTls } from 'node:https';
import { request as requestPlain } from '../node-http.ts';

/** One request to a provider of identities. */
export interface JsonRequest {
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body?: string;
  /** PEM text of the authorities to trust; `undefined` = those that Node trusts. */
  readonly ca?: string | undefined;
  /** `false` takes any certificate. */
  readonly verifiesCertificate: boolean;
  readonly timeoutMs: number;
}

/** What it answered. */
export interface JsonReply {
  readonly status: number;
  readonly body: unknown;
}

/** Documents of providers have a few kilobytes. */
const MAX_REPLY_BYTES = 1024 * 1024;

/**
 * Asks for JSON. Redirects are not followed: whoever could redirect us could name the keys that we trust.
 *
 * @throws Error (by rejection), whose message names the URL's origin and what is wrong
 */
export function requestJson(url: URL, options: JsonRequest): Promise<JsonReply> {
  const { method, body, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(new Error(`${url.origin} ${reason}`));
    const send = url.protocol === 'https:' ? requestTls : requestPlain;
    const request = send(
      url,
      {
        method,
        headers: {
          accept: 'application/json',
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...options.headers,
        },
        ...(options.ca === undefined ? {} : { ca: options.ca }),
        rejectUnauthorized: options.verifiesCertificate,
        // Of the whole exchange: a provider that sends a byte now and then is one that does not answer.
        signal: AbortSignal.timeout(timeoutMs),
      },
      (response) => {
        const parts: Buffer[] = [];
        let length = 0;
        response.on('data', (part: Buffer) => {
          parts.push(part);
          length += part.length;
          if (length > MAX_REPLY_BYTES) {
            response.destroy();
            fail(`answers with more than ${MAX_REPLY_BYTES} bytes`);
          }
        });
        response.on('error', (error) => fail(reasonOf(error, timeoutMs)));
        response.on('end', () => {
          try {
            const status = response.statusCode ?? 0;
            resolve({ status, body: JSON.parse(Buffer.concat(parts).toString('utf8')) });
          } catch {
            fail(`answers ${response.statusCode} without JSON`);
          }
        });
      },
    );
    request.on('error', (error) => fail(reasonOf(error, timeoutMs)));
    request.end(body);
  });
}

function reasonOf(error: Error, timeoutMs: number): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return `does not answer within ${timeoutMs} ms`;
  }
  const { code } = error as NodeJS.ErrnoException;
  return `cannot be asked (${code ?? error.message})`;
}
