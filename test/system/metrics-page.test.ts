import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthority } from '../support/certificates.ts';
import { encodeRequest, valueMessage } from '../support/encode-request.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const DOCS = join(import.meta.dirname, '..', '..', 'docs');
const METHOD = '/feast.serving.ServingService/GetOnlineFeatures';
const WORKERS = 2;

let folder: string;
let redis: RedisServer;
let repository: ServedRepository;
let server: SideboardProcess;
/** Names of labels by the name of the metric. */
let shown: ReadonlyMap<string, ReadonlySet<string>>;
let page: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-metrics-'));
  const authority = createAuthority(folder, 'authority');
  const { certFile, keyFile } = authority.issue('server', { names: ['IP:127.0.0.1'] });
  redis = await startRedis();
  repository = await makeServedRepository([], {
    onlineStore: ['type: redis', `connection_string: 127.0.0.1:${redis.port}`],
  });
  server = await startSideboard({
    repoPath: repository.path,
    serveArguments: [
      `--workers=${WORKERS}`,
      `--tls-cert-file=${certFile}`,
      `--tls-key-file=${keyFile}`,
    ],
  });
  const message = encodeRequest(['driver_stats:trips'], {
    driver_id: [valueMessage('int64Val', 1n)],
  });
  const trusted = credentials.createSsl(readFileSync(authority.certFile));
  const ask = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const client = new Client(`127.0.0.1:${server.port}`, trusted, {
        'grpc.use_local_subchannel_pool': 1,
      });
      const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
      client.makeUnaryRequest(METHOD, asIs, asIs, message, (error) => {
        client.close();
        if (error === null) resolve();
        else reject(error);
      });
    });
  await waitUntil(
    async () => {
      await ask();
      page = await (await fetch(`${server.adminUrl}/metrics`)).text();
      return valueOf('feature_server_redis_node_connects_total') === WORKERS;
    },
    { what: 'both workers to have read' },
  );
  shown = labelsByMetric(page);
});

afterAll(async () => {
  await server?.stop();
  repository?.remove();
  await redis?.stop();
  rmSync(folder, { recursive: true });
});

/** The value of the only sample of a metric. */
function valueOf(name: string): number {
  const lines = page.split('\n').filter((line) => /^[^{ ]+/.exec(line)?.[0] === name);
  expect(lines, name).toHaveLength(1);
  return Number(lines[0]!.slice(lines[0]!.lastIndexOf(' ')));
}

function labelsByMetric(text: string): Map<string, Set<string>> {
  const labels = new Map<string, Set<string>>();
  for (const [, name] of text.matchAll(/^# TYPE ((?:feature_server|feast)_\w+)/gm)) {
    labels.set(name!, new Set());
  }
  for (const [, sample, found] of text.matchAll(/^(\w+)\{(.*)\} /gm)) {
    const name = labels.has(sample!) ? sample! : sample!.replace(/_(?:bucket|sum|count)$/, '');
    for (const [, label] of found!.matchAll(/(\w+)="/g)) {
      if (label !== 'le') labels.get(name)?.add(label!);
    }
  }
  return labels;
}

/** What the tables of a page, from a heading on, say of metrics: `name{label,label}`, as `labelsByMetric` has it. */
function documentedIn(file: string, heading: string, prefix = ''): Map<string, Set<string>> {
  const text = readFileSync(join(DOCS, file), 'utf8');
  const rows = text.slice(text.indexOf(`\n${heading}\n`)).matchAll(/^\| (`\w+[`{].*?) \|/gm);
  const named = [...rows].flatMap(([, cell]) => [...cell!.matchAll(/`(\w+)(?:\{([\w,]+)\})?`/g)]);
  const all = named.map(
    ([, name, labels]) => [prefix + name!, new Set(labels?.split(',') ?? [])] as const,
  );
  return new Map(all.filter(([name]) => /^(?:feature_server|feast)_/.test(name)));
}

test('the documentation has every metric of the server, and no other', () => {
  const documented = new Map([
    ...documentedIn('observing.md', '## Metrics'),
    ...documentedIn('redis.md', '## Metrics', 'feature_server_'),
  ]);
  expect([...documented.keys()].sort()).toEqual([...shown.keys()].sort());
  for (const [name, labels] of shown) {
    if (labels.size > 0) expect(documented.get(name), name).toEqual(labels);
  }
});

test('what all workers say of one thing is not added up', () => {
  const address = `127.0.0.1:${redis.port}`;
  expect(page).toContain(`feature_server_redis_node_up{node="${address}"} 1\n`);
  expect(page).toMatch(/feature_server_redis_read_shape\{views="driver_stats".*\} 1\n/);
  expect(valueOf('feature_server_workers')).toBe(WORKERS);
});

test('a read that takes less than a millisecond can be told from one that takes a tenth of that', () => {
  const bounds = page.matchAll(/^feature_server_rpc_duration_seconds_bucket\{le="([\d.]+)"/gm);
  const below = [...bounds].map(([, bound]) => Number(bound)).filter((bound) => bound < 0.001);
  expect(below).toEqual([0.0001, 0.00025, 0.0005]);
});
