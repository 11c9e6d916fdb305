import type { AddressInfo } from 'node:net';
import { createServer } from '../node-http.ts';
import { listenOnPort } from '../port/listen.ts';

/** Metrics in the text format of Prometheus; a `Registry` of prom-client is one. */
export interface MetricsText {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/** What operators and probes ask on the admin port. */
export interface AdminServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly metrics: MetricsText;
  /** Whether requests are welcome: a registry is loaded and the server is not draining. */
  isReady(): boolean;
}

export interface AdminServer {
  readonly address: AddressInfo;
  close(): Promise<void>;
}

/**
 * Starts the admin port: `/metrics` (Prometheus), `/healthz` (the process runs) and `/readyz` (requests are welcome).
 *
 * @throws SideboardError INVALID_CONFIGURATION (by rejection) when the address cannot be listened on
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else if (path === '/healthz') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
    } else if (path === '/readyz') {
      const ready = options.isReady();
      response
        .writeHead(ready ? 200 : 503, { 'content-type': 'text/plain' })
        .end(ready ? 'ready\n' : 'not ready\n');
    } else if (path === '/metrics') {
      const { metrics } = options;
      metrics.metrics().then(
        (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    } else {
      response
        .writeHead(404, { 'content-type': 'text/plain' })
        .end('the admin port has /metrics, /healthz and /readyz\n');
    }
  });
  const address = await listenOnPort(server, options, '--admin-port');
  return {
    address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
