import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readRegistryFile } from '../../src/registry/registry-file.ts';
import { runPython } from '../support/python.ts';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';
import { startSideboard } from '../support/sideboard-process.ts';
import { runSideboard } from '../system/apply-fixture.ts';
import { dumpRedis, dumpSqlite } from '../system/materialize-fixture.ts';
import { startFeastServer } from './feast-repo.ts';
import { startFeastGrpcServer, startFeastTransformationServer } from './foreign-servers.ts';

const SCRIPT = join(import.meta.dirname, 'python', 'drop_in.py');

export type StoreKind = 'redis' | 'sqlite';

/** Whose servers answer. */
export type Side = 'feast' | 'ours';

/** A name, its values, statuses and event timestamps. */
export type Column = readonly [
  name: string,
  values: readonly unknown[],
  statuses: readonly string[],
  times: readonly unknown[],
];

/** See drop_in.py. */
export interface Outcome {
  readonly columns?: readonly Column[];
  readonly more?: unknown;
  readonly done?: unknown;
  readonly body?: unknown;
  readonly failed?: number | string;
  readonly class?: string;
  readonly message?: unknown;
}

export type Step = readonly [name: string, outcome: Outcome];

/** A store, a registry and a client of its own for one side. */
export interface World {
  readonly kind: StoreKind;
  readonly side: Side;
  /** Folder of the repository that servers are started on. */
  readonly server: string;
  readonly client: string;
  readonly redis: RedisServer | undefined;
  /** Its `auth`, where its servers ask for tokens. */
  readonly guard: Guard | undefined;
}

/** How servers find out who asks. */
export interface Guard {
  /** Lines of `feature_store.yaml`. */
  readonly auth: string;
  /** Of the environment of the servers. */
  readonly env: Readonly<Record<string, string>>;
}

/** What a side answered and what it left. */
export interface Played {
  readonly steps: readonly Step[];
  /** Everything in the store. */
  readonly stored: Readonly<Record<string, unknown>>;
  /** Per view: its state and the intervals that were materialized. */
  readonly recorded: Readonly<Record<string, Recorded>>;
}

/** Of a view. */
export interface Recorded {
  readonly state: number;
  /** As `seconds.nanos`, or `now` for what was read from a clock. */
  readonly intervals: readonly (readonly [start: string, end: string])[];
}

/** Makes the folders and starts the store; nothing is defined yet. */
export async function makeWorld(
  folder: string,
  kind: StoreKind,
  side: Side,
  guard?: Guard,
): Promise<World> {
  const server = join(folder, `${kind}-${side}`, 'server');
  const client = join(folder, `${kind}-${side}`, 'client');
  await mkdir(join(server, 'data'), { recursive: true });
  await mkdir(client);
  const redis = kind === 'redis' ? await startRedis() : undefined;
  const world = { kind, side, server, client, redis, guard };
  await configureServer(world);
  return world;
}

async function configureServer(world: World, featureServer = ''): Promise<void> {
  const store =
    world.redis === undefined
      ? '  type: sqlite\n  path: online.db\n'
      : `  type: redis\n  connection_string: 127.0.0.1:${world.redis.port}\n  key_ttl_seconds: 1000000\n`;
  await writeFile(
    join(world.server, 'feature_store.yaml'),
    `${yamlOf('registry.db')}online_store:\n${store}${featureServer}${world.guard?.auth ?? ''}`,
  );
}

function yamlOf(registry: string): string {
  return `project: dropin\nprovider: local\nentity_key_serialization_version: 3\nregistry: ${registry}\n`;
}

/** Has the real SDK define, apply and make the sources of the worlds. */
export async function fillWorlds(
  worlds: readonly World[],
  script = SCRIPT,
  args: readonly string[] = [],
): Promise<void> {
  await runPython(script, ['make', ...args, ...worlds.map(({ server }) => server)]);
}

/** Starts the servers of a world, plays the script against them, and stops them. */
export async function play(world: World): Promise<Played> {
  const servers = await startServers(world);
  try {
    await configureClient(world, servers.url, world.client);
    const output = await runPython(SCRIPT, ['run', world.client, servers.url, servers.address], {
      cwd: world.client,
    });
    return { steps: JSON.parse(output) as Step[], ...(await leftBy(world)) };
  } finally {
    await servers.stop();
  }
}

/** Starts the servers of a world's side. */
export function startServers(world: World): Promise<Servers> {
  return world.side === 'feast' ? startFeast(world) : startOurs(world);
}

/** Writes what a client of the servers of a world needs to a folder; `auth` are lines of its own. */
export async function configureClient(
  world: World,
  url: string,
  folder: string,
  auth = '',
): Promise<void> {
  const store = `  type: remote\n  path: ${url}\n  connection_retries: 0\n`;
  await writeFile(
    join(folder, 'feature_store.yaml'),
    `${yamlOf(join(world.server, 'registry.db'))}online_store:\n${store}${auth}`,
  );
}

/** What is in the store and in the registry of a world. */
export async function leftBy(world: World): Promise<Omit<Played, 'steps'>> {
  const registry = (await readRegistryFile(join(world.server, 'registry.db')))!;
  const views = registry.featureViews.map(({ spec, meta }) => ({ name: spec!.name, meta: meta! }));
  const recorded = views.map(({ name, meta }): [string, Recorded] => [
    name,
    {
      state: meta.state,
      intervals: meta.materializationIntervals.map(({ startTime, endTime }): [string, string] => [
        momentOf(startTime),
        momentOf(endTime),
      ]),
    },
  ]);
  return {
    stored:
      world.redis === undefined
        ? storedInSqlite(
            world,
            [...views, ...registry.labelViews.map(({ spec }) => spec!)].map(({ name }) => name),
          )
        : await storedInRedis(world.redis),
    recorded: Object.fromEntries(recorded),
  };
}

interface Moment {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** All moments of the script are in the first days of 2025 or 2020; what is later was read from a clock. */
function momentOf(moment: Moment | undefined): string {
  if (moment === undefined) return 'none';
  return moment.seconds > 1_740_000_000n ? 'now' : `${moment.seconds}.${moment.nanos}`;
}

async function storedInRedis({ port }: RedisServer): Promise<Record<string, unknown>> {
  const client = adminClient(port);
  try {
    const stored: Record<string, unknown> = {};
    for (const [key, fields] of await dumpRedis(client)) {
      const expires = (await client.pttl(Buffer.from(key, 'base64'))) > 0;
      stored[key] = { fields, expires };
    }
    return stored;
  } finally {
    client.disconnect();
  }
}

function storedInSqlite(world: World, views: readonly string[]): Record<string, unknown> {
  const stored: Record<string, unknown> = {};
  for (const view of views) {
    const rows = dumpSqlite(join(world.server, 'online.db'), `dropin_${view}`) as {
      readonly k: string;
      readonly feature_name: string;
    }[];
    for (const row of rows) stored[`${view} ${row.k} ${row.feature_name}`] = row;
  }
  return stored;
}

/** Servers by their addresses. */
export interface Servers {
  /** Of HTTP. */
  readonly url: string;
  /** Of gRPC. */
  readonly address: string;
  stop(): Promise<void>;
}

async function startFeast(world: World): Promise<Servers> {
  const repo = { path: world.server };
  const [http, grpc] = await Promise.all([
    startFeastServer(repo, undefined, ['-r', '1'], world.guard?.env),
    startFeastGrpcServer(world.server),
  ]);
  return {
    url: http.url,
    address: `127.0.0.1:${grpc.port}`,
    stop: async () => void (await Promise.all([http.stop(), grpc.stop()])),
  };
}

async function startOurs(world: World): Promise<Servers> {
  const transformation = await startFeastTransformationServer(world.server);
  try {
    await configureServer(
      world,
      `feature_server:\n  transformation_service_endpoint: 127.0.0.1:${transformation.port}\n`,
    );
    const server = await startSideboard({ repoPath: world.server, env: world.guard?.env ?? {} });
    return {
      url: `http://127.0.0.1:${server.port}`,
      address: `127.0.0.1:${server.port}`,
      stop: async () => void (await Promise.all([server.stop(), transformation.stop()])),
    };
  } catch (error) {
    await transformation.stop();
    throw error;
  }
}

/** Exit codes of Feast's command line. */
export async function runFeastCommands(
  world: World,
  commands: readonly (readonly string[])[],
): Promise<readonly number[]> {
  const output = await runPython(SCRIPT, ['commands', world.server], {
    cwd: world.server,
    input: JSON.stringify(commands),
  });
  return JSON.parse(output) as number[];
}

/** Exit codes of ours. */
export async function runOurCommands(
  world: World,
  commands: readonly (readonly string[])[],
): Promise<readonly (number | null)[]> {
  const codes: (number | null)[] = [];
  for (const command of commands) {
    codes.push((await runSideboard(['-c', world.server, ...command])).exitCode);
  }
  return codes;
}
