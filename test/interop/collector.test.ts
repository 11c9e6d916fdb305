import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthority } from '../support/certificates.ts';
import { requestBody } from '../support/encode-request.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { startCollector } from './foreign-servers.ts';

const ROUTE = '/get-online-features';

/** Traces as OTLP has them in JSON, as far as this looks at them. */
interface Traces {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly { readonly name: string }[] }[];
  }[];
}

let folder: string;
let repository: ServedRepository;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-collector-'));
  repository = await makeServedRepository();
});

afterAll(() => {
  repository?.remove();
  rmSync(folder, { recursive: true });
});

/** Names of all spans that a Collector has taken. */
function namesIn(path: string): string[] {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  return lines
    .filter((line) => line !== '')
    .flatMap((line) => (JSON.parse(line) as Traces).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
    .map(({ name }) => name);
}

test.each([
  ['grpc', false, 'none'],
  ['grpc', true, 'gzip'],
  ['http/protobuf', true, 'gzip'],
  ['http/json', false, 'none'],
])(
  'a Collector takes traces by %s (TLS: %s, compression: %s)',
  async (protocol, isSecure, compression) => {
    const path = join(folder, `${protocol.replace('/', '-')}-${isSecure}.jsonl`);
    const authority = createAuthority(folder, 'authority');
    const receiver = authority.issue('receiver', { names: ['IP:127.0.0.1'] });
    const own = authority.issue('own', { names: [] });
    const tls = {
      tls: {
        cert_file: receiver.certFile,
        key_file: receiver.keyFile,
        client_ca_file: authority.certFile,
      },
    };
    const collector = await startCollector(
      protocol === 'grpc' ? 'grpc' : 'http',
      path,
      isSecure ? tls : {},
    );
    try {
      const server = await startSideboard({
        repoPath: repository.path,
        env: {
          OTEL_EXPORTER_OTLP_ENDPOINT: `${isSecure ? 'https' : 'http'}://127.0.0.1:${collector.port}`,
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_EXPORTER_OTLP_COMPRESSION: compression,
          OTEL_EXPORTER_OTLP_CERTIFICATE: authority.certFile,
          OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: own.certFile,
          OTEL_EXPORTER_OTLP_CLIENT_KEY: own.keyFile,
          OTEL_TRACES_SAMPLER: 'always_on',
        },
      });
      try {
        const response = await fetch(`http://127.0.0.1:${server.port}${ROUTE}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: requestBody(['driver_stats:trips'], { driver_id: ['1', '2'] }),
        });
        expect(response.status).toBe(200);
        await waitUntil(() => namesIn(path).length === 5, { what: 'the spans' });
      } finally {
        expect(await server.stop()).toBe(0);
      }
      const names = new Set(namesIn(path));
      for (const stage of ['queue', 'plan', 'store', 'assemble']) expect(names).toContain(stage);
      expect(server.log.join('\n')).not.toContain('cannot be sent');
      expect(server.errorOutput.join('\n')).not.toMatch(/Error/);
    } finally {
      await collector.stop();
    }
  },
);
