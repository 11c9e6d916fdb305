import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { TracingConfig } from '../config/config.ts';
import type { CheckFinding } from './check-finding.ts';
import { request as requestHttp } from '../node-http.ts';
import { isLoopback } from './check-network.ts';

const PROBE_TIMEOUT_MS = 3_000;

/** Whether the receiver of traces takes them: it is sent a request without spans. A server serves without it, so at worst it is a warning. */
export async function checkTracing(
  tracing: TracingConfig | undefined,
): Promise<readonly CheckFinding[]> {
  if (tracing === undefined) return [];
  const { url, ratio, followsCaller } = tracing;
  const which = `${ratio * 100} % of the requests${followsCaller ? ' whose caller has not decided' : ''}`;
  const refusal = await askReceiver(tracing);
  const findings: Omit<CheckFinding, 'part'>[] = [
    refusal === undefined
      ? { level: 'ok', message: `${url} takes traces, of ${which}` }
      : {
          level: 'warning',
          message: `${url} takes no traces: ${refusal}`,
          remedy:
            'start an OTLP receiver for http/protobuf there, or set otlp_endpoint to where one is; until then spans are dropped',
        },
  ];
  if (isInTheOpen(tracing)) {
    findings.push({
      level: 'warning',
      message: `${url} is plain text, and otlp_headers are sent to it: whoever listens can read them`,
      remedy: 'use https',
    });
  }
  return findings.map((finding) => ({ part: 'traces', ...finding }));
}

/** Why it takes nothing; `undefined` = it does. */
async function askReceiver({
  url,
  headers,
  timeoutMs,
  tls,
}: TracingConfig): Promise<string | undefined> {
  try {
    // `fetch` trusts no authorities but those it knows.
    const call = new URL(url).protocol === 'https:' ? requestHttps : requestHttp;
    const sent = call(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-protobuf', 'content-length': 0 },
      signal: AbortSignal.timeout(Math.min(timeoutMs, PROBE_TIMEOUT_MS)),
      ca: contentOf(tls.caFile),
      cert: contentOf(tls.certFile),
      key: contentOf(tls.keyFile),
    });
    const [response] = (await once(sent.end(), 'response')) as [IncomingMessage];
    response.resume();
    const { statusCode = 0 } = response;
    return statusCode >= 200 && statusCode < 300 ? undefined : `it answers ${statusCode}`;
  } catch (error) {
    const { message, code, cause } = error as NodeJS.ErrnoException;
    if (cause instanceof Error) return cause.message;
    return code ?? message;
  }
}

function contentOf(path: string | undefined): Buffer | undefined {
  return path === undefined ? undefined : readFileSync(path);
}

function isInTheOpen({ url, headers }: TracingConfig): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && Object.keys(headers).length > 0 && !isLoopback(hostname);
}
