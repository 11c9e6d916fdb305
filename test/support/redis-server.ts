import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { waitUntil } from './wait-until.ts';

const HOST = '127.0.0.1';
/**
 * A cluster node talks to its peers on another port. Both are below those that the system gives to whoever connects (Linux:
 * 32,768 and up), so that no connection of another test has taken one before its node starts.
 */
const BUS_PORT_OFFSET = 10_000;
const LOWEST_PORT = 12_000;
const PORT_COUNT = BUS_PORT_OFFSET;
const SLOTS = 16_384;
/** Another build of Redis, or a fork of it, that the tests of a version run on (`test/interop/redis-versions.test.ts`). */
const REDIS_SERVER = process.env['REDIS_SERVER'] || 'redis-server';
/** Longer than the node timeout of the clusters here. */
const MEET_AGAIN_MS = 5_000;

/** How to start one Redis process. */
export interface RedisServerOptions {
  /** Address of the loopback that it listens on; 127.0.0.1 by default. */
  readonly host?: string;
  /** Fixed port, for starting again where a process was; a free one by default. */
  readonly port?: number;
  /** Of the default user; none by default. */
  readonly password?: string;
  /** A further user who may do all, besides the default one. */
  readonly user?: { readonly name: string; readonly password: string };
  /** The port speaks TLS alone. */
  readonly tls?: RedisTlsFiles;
  /** More command-line arguments, such as `['--maxmemory', '100mb']`. */
  readonly args?: readonly string[];
}

/** Paths of PEM files. */
export interface RedisTlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** Whether clients have to show a certificate of the authority; the client of the tests shows that of the server. */
  readonly mutual?: boolean;
}

/** A real Redis process on loopback, without persistence. It dies with this process at the latest. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
  /** Without credentials. */
  readonly url: string;
  /** Stops answering, as a hung machine does, until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends it at once, as a crash does; what it held is lost. Resolves when its port is free. */
  kill(): Promise<void>;
  /** Starts it again on its port after `kill`. */
  restart(): Promise<void>;
  /** Ends it and removes its files. Safe to call again. */
  stop(): Promise<void>;
}

/** Starts one Redis and resolves when it answers. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const dir = await mkdtemp(join(tmpdir(), 'sideboard-redis-'));
  const args = [REDIS_SERVER, ...serverArguments(port, dir, options)];
  return superviseRedis({ args, port, dir, options });
}

/** Whether what `startRedis` starts is so new. Valkey began with 7.2 of Redis, and counts on from there. */
export function isRedisAtLeast(major: number, minor = 0): boolean {
  version ??= spawnSync(REDIS_SERVER, ['--version'], { encoding: 'utf8' }).stdout ?? '';
  // One that is not there is complained about when it is started.
  const [, has = '99', hasMinor = '0'] = /v=(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(has) > major || (Number(has) === major && Number(hasMinor) >= minor);
}

let version: string | undefined;

function serverArguments(port: number, dir: string, options: RedisServerOptions): string[] {
  const { tls, password, user } = options;
  const args = ['--bind', options.host ?? HOST, '--dir', dir, '--save', '', '--appendonly', 'no'];
  args.push('--loglevel', 'warning', '--port', tls === undefined ? String(port) : '0');
  if (tls !== undefined) {
    args.push('--tls-port', String(port), '--tls-auth-clients', tls.mutual === true ? 'yes' : 'no');
    args.push('--tls-replication', 'yes', '--tls-cluster', 'yes');
    args.push('--tls-cert-file', tls.certFile, '--tls-key-file', tls.keyFile);
    args.push('--tls-ca-cert-file', tls.caFile);
  }
  if (password !== undefined) {
    args.push('--requirepass', password, '--masterauth', password);
  }
  if (user !== undefined) {
    const channels = isRedisAtLeast(6, 2) ? ['&*'] : [];
    args.push('--user', user.name, 'on', '~*', ...channels, '+@all', `>${user.password}`);
  }
  return [...args, ...(options.args ?? [])];
}

interface Supervised {
  readonly args: readonly string[];
  readonly port: number;
  readonly dir: string;
  readonly options: RedisServerOptions;
}

async function superviseRedis(supervised: Supervised): Promise<RedisServer> {
  const { port, dir } = supervised;
  let running = await spawnRedis(supervised);
  let isStopped = false;
  const { host = HOST, tls } = supervised.options;
  return {
    host,
    port,
    url: `${tls === undefined ? 'redis' : 'rediss'}://${host}:${port}`,
    pause: () => process.kill(running.pid, 'SIGSTOP'),
    resume: () => process.kill(running.pid, 'SIGCONT'),
    kill: () => end(running),
    async restart() {
      running = await spawnRedis(supervised);
    },
    async stop() {
      if (!isStopped) {
        isStopped = true;
        await end(running);
        await rm(dir, { recursive: true, force: true });
      }
    },
  };
}

interface RunningRedis {
  /** A shell that kills Redis when its standard input ends: by `end`, or because this process is gone. */
  readonly guard: ChildProcess;
  readonly pid: number;
}

async function spawnRedis({ args, port, options }: Supervised): Promise<RunningRedis> {
  const script = '"$@" >&2 & pid=$!; echo $pid; cat >/dev/null; kill -9 $pid; wait $pid';
  const guard = spawn('sh', ['-c', script, 'sh', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let log = '';
  let pid = 0;
  guard.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-2000);
  });
  guard.stdout.on('data', (chunk: Buffer) => {
    pid ||= Number(chunk.toString());
  });
  try {
    await waitUntil(() => pid > 0 && answers(port, options), { what: `Redis on port ${port}` });
  } catch (error) {
    guard.stdin.end();
    throw new Error(`${REDIS_SERVER} did not start (is it installed?): ${log}`, { cause: error });
  }
  return { guard, pid };
}

async function end({ guard }: RunningRedis): Promise<void> {
  if (guard.exitCode !== null || guard.signalCode !== null) {
    return;
  }
  const exited = new Promise((resolve) => guard.once('exit', resolve));
  guard.stdin?.end();
  await exited;
}

async function answers(port: number, options: RedisServerOptions): Promise<boolean> {
  const client = adminClient(port, options);
  try {
    await client.connect();
    return (await client.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}

/** A plain client for preparing and looking at a server in a test; the caller disconnects it. */
export function adminClient(port: number, options: RedisServerOptions = {}): Redis {
  const client = new Redis({
    host: options.host ?? HOST,
    port,
    lazyConnect: true,
    connectTimeout: 2_000,
    retryStrategy: () => null,
    ...(options.password === undefined ? {} : { password: options.password }),
    ...(options.tls === undefined ? {} : { tls: clientTls(options.tls) }),
  });
  client.on('error', () => {
    // The command that meets the error reports it.
  });
  return client;
}

function clientTls({ certFile, keyFile, mutual }: RedisTlsFiles) {
  const rejectUnauthorized = false;
  if (mutual !== true) return { rejectUnauthorized };
  return { rejectUnauthorized, cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

export interface RedisClusterOptions {
  /** 3 by default. */
  readonly shards?: number;
  /** Per shard; none by default. */
  readonly replicas?: number;
  /** How each process is started, besides what makes it a node; `args` come last and win. */
  readonly node?: (index: number) => RedisServerOptions;
}

/** A real Redis Cluster on loopback. */
export interface RedisClusterServers {
  readonly nodes: readonly RedisServer[];
  /** Nodes that were started as masters; shard `i` has slots from `i * 16384 / shards`. */
  readonly masters: readonly RedisServer[];
  stop(): Promise<void>;
}

/** Starts a cluster and resolves when every node sees all slots served. Losing a shard leaves the others working. */
export async function startRedisCluster(
  options: RedisClusterOptions = {},
): Promise<RedisClusterServers> {
  const shards = options.shards ?? 3;
  const replicas = options.replicas ?? 0;
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
  args.push('--cluster-require-full-coverage', 'no', '--repl-diskless-sync-delay', '0');
  const wishes = Array.from({ length: shards * (1 + replicas) }, (_, i) => options.node?.(i) ?? {});
  const nodes = await Promise.all(
    wishes.map((wish) => startRedis({ ...wish, args: [...args, ...(wish.args ?? [])] })),
  );
  const clients = nodes.map((node, i) => adminClient(node.port, wishes[i]));
  try {
    await formCluster(nodes, clients, shards);
  } catch (error) {
    await Promise.all(nodes.map((node) => node.stop()));
    throw error;
  } finally {
    clients.forEach((client) => client.disconnect());
  }
  return {
    nodes,
    masters: nodes.slice(0, shards),
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

async function formCluster(
  nodes: readonly RedisServer[],
  clients: readonly Redis[],
  shards: number,
): Promise<void> {
  for (const [i, client] of clients.slice(0, shards).entries()) {
    const first = Math.floor((i * SLOTS) / shards);
    const end = Math.floor(((i + 1) * SLOTS) / shards);
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
    const slots = Array.from({ length: end - first }, (_, slot) => String(first + slot));
    await client.call('CLUSTER', 'ADDSLOTS', ...slots);
  }
  // A handshake that takes longer than the node timeout is given up, and nobody begins it again.
  const meetAll = async (): Promise<void> => {
    for (const node of nodes.slice(1)) {
      await clients[0]!.call('CLUSTER', 'MEET', HOST, String(node.port));
    }
  };
  let metAtMs = -Infinity;
  const knowsAll = async (client: Redis): Promise<boolean> => {
    const info = String(await client.call('CLUSTER', 'INFO'));
    return info.includes(`cluster_known_nodes:${nodes.length}\r`);
  };
  const allKnowAll = async (): Promise<boolean> => {
    if ((await Promise.all(clients.map(knowsAll))).every(Boolean)) return true;
    if (performance.now() - metAtMs > MEET_AGAIN_MS) {
      metAtMs = performance.now();
      await meetAll();
    }
    return false;
  };
  await waitUntil(allKnowAll, { what: 'cluster nodes to know each other', timeoutMs: 60_000 });
  const ids = await Promise.all(clients.map((client) => client.call('CLUSTER', 'MYID')));
  for (const [i, client] of clients.slice(shards).entries()) {
    await client.call('CLUSTER', 'REPLICATE', String(ids[i % shards]));
  }
  const isReady = async (client: Redis): Promise<boolean> => {
    const info = String(await client.call('CLUSTER', 'INFO'));
    const role = String(await client.call('INFO', 'replication'));
    const replicas = String(await client.call('CLUSTER', 'NODES')).match(/ (?:myself,)?slave /g);
    return (
      (replicas?.length ?? 0) === nodes.length - shards &&
      info.includes('cluster_state:ok') &&
      info.includes(`cluster_slots_ok:${SLOTS}`) &&
      !role.includes('master_link_status:down')
    );
  };
  await waitUntil(async () => (await Promise.all(clients.map(isReady))).every(Boolean), {
    what: 'the cluster to serve all slots',
    timeoutMs: 60_000,
  });
}

/** A master, its replica and one sentinel that watches them as `mymaster`. */
export interface RedisSentinelServers {
  readonly master: RedisServer;
  readonly replica: RedisServer;
  readonly sentinel: RedisServer;
  readonly masterName: string;
  stop(): Promise<void>;
}

/** How the group is guarded; by nothing by default. */
export interface RedisSentinelOptions {
  /** Of the master and its replica. */
  readonly node?: Pick<RedisServerOptions, 'password' | 'user' | 'tls'>;
  /** Of the sentinel itself; its TLS is that of the nodes. */
  readonly sentinelPassword?: string;
}

/** Starts the group and resolves when the sentinel knows the master and its replica. */
export async function startRedisSentinel(
  options: RedisSentinelOptions = {},
): Promise<RedisSentinelServers> {
  const masterName = 'mymaster';
  const { node = {}, sentinelPassword } = options;
  const guard: RedisServerOptions = {
    ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
    ...(node.tls === undefined ? {} : { tls: node.tls }),
  };
  const master = await startRedis({ ...node, args: ['--repl-diskless-sync-delay', '0'] });
  const replica = await startRedis({
    ...node,
    args: ['--replicaof', HOST, String(master.port)],
  });
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'sideboard-sentinel-'));
  const configFile = join(dir, 'sentinel.conf');
  const lines = [
    ...guardLines(port, guard),
    `bind ${HOST}`,
    `dir ${dir}`,
    `sentinel monitor ${masterName} ${HOST} ${master.port} 1`,
    `sentinel down-after-milliseconds ${masterName} 1000`,
    `sentinel failover-timeout ${masterName} 3000`,
    ...(node.password === undefined ? [] : [`sentinel auth-pass ${masterName} ${node.password}`]),
  ];
  await writeFile(configFile, `${lines.join('\n')}\n`);
  const args = [REDIS_SERVER, configFile, '--sentinel'];
  const sentinel = await superviseRedis({ args, port, dir, options: guard });
  const client = adminClient(port, guard);
  const replicaClient = adminClient(replica.port, node);
  await waitUntil(
    async () => {
      const state = String(await client.call('SENTINEL', 'master', masterName));
      const role = await replicaClient.info('replication');
      return state.includes('num-slaves,1') && role.includes('master_link_status:up');
    },
    { what: 'the sentinel to find the replica' },
  ).finally(() => {
    client.disconnect();
    replicaClient.disconnect();
  });
  return {
    master,
    replica,
    sentinel,
    masterName,
    stop: async () => void (await Promise.all([sentinel.stop(), replica.stop(), master.stop()])),
  };
}

function guardLines(port: number, { password, tls }: RedisServerOptions): string[] {
  const lines = tls === undefined ? [`port ${port}`] : ['port 0', `tls-port ${port}`];
  if (tls !== undefined) {
    lines.push(`tls-auth-clients ${tls.mutual === true ? 'yes' : 'no'}`, 'tls-replication yes');
    lines.push(`tls-cert-file ${tls.certFile}`, `tls-key-file ${tls.keyFile}`);
    lines.push(`tls-ca-cert-file ${tls.caFile}`);
  }
  if (password !== undefined) lines.push(`requirepass ${password}`);
  return lines;
}

/** Ports of this process: who was told one has not listened on it yet. */
const givenPorts = new Set<number>();

/** A port that nobody listens on, nor on the one that a cluster node has beside it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + randomInt(PORT_COUNT);
    if (givenPorts.has(port)) continue;
    givenPorts.add(port);
    if ((await isFree(port)) && (await isFree(port + BUS_PORT_OFFSET))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });
}
