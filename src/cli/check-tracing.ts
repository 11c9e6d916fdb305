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
  const { protocol, url, ratio, followsCaller } = tracing;
  const which = `${ratio * 100} % of the requests${followsCaller ? ' whose caller has not decided' : ''}`;
  const refusal = protocol === 'grpc' ? await askByGrpc(tracing) : await askByHttp(tracing);
  const findings: Omit<CheckFinding, 'part'>[] = [
    refusal === undefined
      ? { level: 'ok', message: `${url} takes traces by ${protocol}, of ${which}` }
      : {
          level: 'warning',
          message: `${url} takes no traces by ${protocol}: ${refusal}`,
          remedy: `start an OTLP receiver for ${protocol} there, or set otlp_endpoint and otlp_protocol to what is there; until then spans are dropped`,
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
async function askByGrpc(tracing: TracingConfig): Promise<string | undefined> {
  const { createOtlpGrpcClient } = await import('../telemetry/otlp-grpc-client.ts');
  const { reasonOf } = await import('../telemetry/otlp-grpc-transport.ts');
  try {
    const client = createOtlpGrpcClient(tracing);
    const sent = client.send(new Uint8Array(), Date.now() + probeTimeoutMs(tracing.timeoutMs));
    await sent.finally(() => client.close());
    return undefined;
  } catch (error) {
    return reasonOf(error as Error);
  }
}

/** The same over HTTP. */
async function askByHttp({
  protocol,
  url,
  headers,
  timeoutMs,
  tls,
}: TracingConfig): Promise<string | undefined> {
  // A request without spans: nothing at all in protobuf.
  const [contentType, body] =
    protocol === 'http/json' ? ['application/json', '{}'] : ['application/x-protobuf', ''];
  try {
    // `fetch` trusts no authorities but those it knows.
    const call = new URL(url).protocol === 'https:' ? requestHttps : requestHttp;
    const sent = call(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': contentType, 'content-length': body.length },
      signal: AbortSignal.timeout(probeTimeoutMs(timeoutMs)),
      ca: contentOf(tls.caFile),
      cert: contentOf(tls.certFile),
      key: contentOf(tls.keyFile),
    });
    const [response] = (await once(sent.end(body), 'response')) as [IncomingMessage];
    response.resume();
    const { statusCode = 0 } = response;
    return statusCode >= 200 && statusCode < 300 ? undefined : `it answers ${statusCode}`;
  } catch (error) {
    const { message, code, cause } = error as NodeJS.ErrnoException;
    if (cause instanceof Error) return cause.message;
    return code ?? message;
  }
}

function probeTimeoutMs(timeoutMs: number): number {
  return Math.min(timeoutMs, PROBE_TIMEOUT_MS);
}

function contentOf(path: string | undefined): Buffer | undefined {
  return path === undefined ? undefined : readFileSync(path);
}

function isInTheOpen({ url, headers }: TracingConfig): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && Object.keys(headers).length > 0 && !isLoopback(hostname);
}
