import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answerName } from './answer-name.ts';
import { createAuthority, type CertificateAuthority } from './certificates.ts';
import type { FaultClient } from './fault-clients.ts';
import { FIELDS, knownEntity, startFaultCluster, type FaultCluster } from './fault-cluster.ts';
import {
  adminClient,
  startRedis,
  type RedisServer,
  type RedisServerOptions,
} from './redis-server.ts';
import { runUnderLoad, type FaultFigures } from './run-under-load.ts';
import { startProxy } from './tcp-proxy.ts';
import { waitUntil } from './wait-until.ts';

const ENTITIES = Array.from({ length: 200 }, (_, id) => knownEntity(id));

/** Stores the known entities in one Redis. */
async function fill(server: RedisServer, options: RedisServerOptions = {}): Promise<void> {
  const client = adminClient(server.port, { ...options, host: server.host });
  try {
    for (const { key, cells } of ENTITIES) {
      const pairs = cells.flatMap((cell, i) => [Buffer.from(FIELDS[i]!), Buffer.from(cell)]);
      await client.hset(key, ...pairs);
    }
    await client.save();
  } finally {
    client.disconnect();
  }
}

/**
 * The password of a node is replaced, in the file that holds it too, and all connections are ended. Clients that read the
 * file find the new one; the others keep the old one, which is valid again in the end.
 */
export async function rotatePassword(
  clients: readonly FaultClient[],
): Promise<readonly FaultFigures[]> {
  const password = 'old';
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-password-'));
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password);
  const server = await startRedis({ password });
  await fill(server, { password });
  const admin = adminClient(server.port, { password });
  try {
    return await runUnderLoad({
      clients,
      target: { kind: 'redis', nodes: [server], password, passwordFile },
      entities: ENTITIES,
      groupOf: () => 0,
      async inject({ wait }) {
        await writeFile(passwordFile, 'new');
        await admin.call('ACL', 'SETUSER', 'default', '<old', '>new');
        await wait(500);
        await admin.call('CLIENT', 'KILL', 'TYPE', 'NORMAL', 'SKIPME', 'YES');
        await wait(2_000);
      },
      async heal() {
        await admin.call('ACL', 'SETUSER', 'default', '>old');
      },
    });
  } finally {
    admin.disconnect();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const NAME = 'redis.faults.test';

/** The machine behind a host name dies; another one with the same data takes over, and the name points to it. */
export async function changeName(
  clients: readonly FaultClient[],
): Promise<readonly FaultFigures[]> {
  const before = await startRedis();
  const after = await startRedis({ host: '127.0.0.2', port: before.port });
  await Promise.all([fill(before), fill(after)]);
  let address = before.host;
  const forget = answerName(NAME, () => address);
  try {
    return await runUnderLoad({
      clients,
      target: { kind: 'redis', nodes: [{ host: NAME, port: before.port }] },
      entities: ENTITIES,
      groupOf: () => 0,
      async inject({ wait }) {
        await before.kill();
        await wait(1_000);
        address = after.host;
        await wait(1_500);
      },
      async heal() {},
    });
  } finally {
    forget();
    await Promise.all([before.stop(), after.stop()]);
  }
}

/** How a client met a server that it must not trust. */
export interface RefusalFigures {
  readonly client: string;
  readonly fault: string;
  /** Must be false. */
  readonly isAnswered: boolean;
  /** From opening to the first error of a read. */
  readonly errorAfterMs: number;
  readonly message: string;
}

/** Servers whose certificate is of another authority, has expired, or is for another host. */
export async function presentBadCertificates(
  clients: readonly FaultClient[],
): Promise<readonly RefusalFigures[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-certificates-'));
  const trusted = createAuthority(folder, 'trusted');
  const ca = await readFile(trusted.certFile, 'utf8');
  const names = ['DNS:localhost', 'IP:127.0.0.1'];
  const faults: readonly (readonly [string, CertificateAuthority, readonly string[], number])[] = [
    ['of another authority', createAuthority(folder, 'stranger'), names, 1],
    ['expired', trusted, names, -1],
    ['for another host', trusted, ['DNS:elsewhere.example.com'], 1],
  ];
  const figures: RefusalFigures[] = [];
  try {
    for (const [fault, authority, wanted, days] of faults) {
      const issued = authority.issue('redis', { names: wanted, days });
      const server = await startRedis({ tls: { ...issued, caFile: authority.certFile } });
      try {
        for (const client of clients) figures.push(await meet(client, fault, server, ca));
      } finally {
        await server.stop();
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return figures;
}

async function meet(
  client: FaultClient,
  fault: string,
  { port }: RedisServer,
  ca: string,
): Promise<RefusalFigures> {
  const startedAtMs = performance.now();
  const reader = await client.open({ kind: 'redis', nodes: [{ host: '127.0.0.1', port }], ca });
  let message = '';
  let isAnswered = false;
  try {
    await reader.read(ENTITIES[0]!, performance.now() + 3_000);
    isAnswered = true;
  } catch (error) {
    message = error instanceof Error ? error.message : String(error);
  } finally {
    await reader.close();
  }
  const errorAfterMs = performance.now() - startedAtMs;
  return { client: client.name, fault, isAnswered, errorAfterMs, message };
}

/** A cluster that speaks TLS alone, announces its nodes by name, and whose certificate carries that name and no address. */
export async function startTlsCluster(): Promise<{
  readonly cluster: FaultCluster;
  readonly ca: string;
  stop(): Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-tls-cluster-'));
  const authority = createAuthority(folder, 'cluster');
  const issued = authority.issue('node', { names: ['DNS:localhost'] });
  const args = ['--tls-cluster', 'yes', '--tls-replication', 'yes'];
  args.push('--cluster-announce-hostname', 'localhost');
  args.push('--cluster-preferred-endpoint-type', 'hostname');
  const cluster = await startFaultCluster({
    hasProxies: false,
    host: 'localhost',
    node: { tls: { ...issued, caFile: authority.certFile }, args },
  });
  return {
    cluster,
    ca: await readFile(authority.certFile, 'utf8'),
    async stop() {
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** How many servers came back to a node that had refused them. */
export interface StormFigures {
  readonly client: string;
  readonly servers: number;
  /** Connections tried in the busiest second, the first one after the break left out. */
  readonly busiestSecond: number;
  /** Connections tried in the first second. */
  readonly firstSecond: number;
  /** From the moment that the node took connections again until every server had read. */
  readonly recoveredAfterMs: number;
}

/** Many servers lose their only node at once, which refuses them for some seconds. */
export async function reconnectStorm(
  client: FaultClient,
  { servers = 200, refusesForMs = 4_000 } = {},
): Promise<StormFigures> {
  const server = await startRedis();
  await fill(server);
  const proxy = await startProxy(server);
  const target = { kind: 'redis', nodes: [{ host: '127.0.0.1', port: proxy.port }] } as const;
  const readers = await Promise.all(Array.from({ length: servers }, () => client.open(target)));
  try {
    await readAll(readers);
    const brokenAtMs = performance.now();
    proxy.inject({ kind: 'refuse' }, { which: 'coming' });
    proxy.cut();
    await new Promise((resolve) => setTimeout(resolve, refusesForMs));
    const tried = proxy.acceptedAtMs
      .filter((atMs) => atMs >= brokenAtMs)
      .map((atMs) => atMs - brokenAtMs);
    const healedAtMs = performance.now();
    proxy.heal();
    await waitUntil(() => readAll(readers), { what: 'all servers to read', timeoutMs: 20_000 });
    return {
      client: client.name,
      servers,
      busiestSecond: Math.max(
        ...tried.filter((ms) => ms >= 1_000).map((from) => countBetween(tried, from, from + 1_000)),
      ),
      firstSecond: countBetween(tried, 0, 1_000),
      recoveredAfterMs: performance.now() - healedAtMs,
    };
  } finally {
    await Promise.all(readers.map((reader) => reader.close()));
    await proxy.close();
    await server.stop();
  }
}

/** @throws where one cannot read. */
async function readAll(
  readers: readonly Awaited<ReturnType<FaultClient['open']>>[],
): Promise<true> {
  await Promise.all(
    readers.map((reader, i) =>
      reader.read(ENTITIES[i % ENTITIES.length]!, performance.now() + 2_000),
    ),
  );
  return true;
}

function countBetween(values: readonly number[], from: number, to: number): number {
  return values.filter((value) => value >= from && value < to).length;
}
