import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, status as GrpcStatus } from '@grpc/grpc-js';
import type { Redis } from 'ioredis';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import {
  compileEntityKeyPrefix,
  serializeEntityValue,
} from '../../src/feast-encoding/entity-key.ts';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { readRegistryFile } from '../../src/registry/registry-file.ts';
import { buildRegistrySnapshot } from '../../src/registry/registry-snapshot.ts';
import type { RegistrySnapshot } from '../../src/registry/registry-model.ts';
import { startServer, type RunningServer } from '../../src/server.ts';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';
import {
  deltaBetween,
  fieldNames,
  redisCell,
  redisCells,
  sqliteCell,
  sqliteCells,
  TIMESTAMP_CELL,
} from '../support/stored-rows.ts';
import type { SqliteRow, StoredCells, StoredDelta } from '../support/stored-rows.ts';
import { WRITE_DEPARTURES } from './write-departures.ts';
import type { WriteDeparture, WriteExpectation, WriteWorld } from './write-departures.ts';
import { createWriteTally, writeCompatibilityPage } from './write-compatibility-page.ts';
import type { WriteTally, WriteVariant } from './write-compatibility-page.ts';
import { otherRequest, readWriteVectors, requestOf } from './write-vectors.ts';
import type { RecordedDelta, WriteRequest, WriteVector } from './write-vectors.ts';

const PROJECT = 'ingest';

const PAGE = 'docs/write-compatibility.md';

const VARIANTS: readonly WriteVariant[] = [
  { name: 'redis', store: 'redis', skipStale: true },
  { name: 'redis_ttl', store: 'redis', skipStale: true },
  { name: 'redis_skip_dedup', store: 'redis', skipStale: true },
  { name: 'redis_ekv2', store: 'redis', skipStale: true },
  { name: 'sqlite', store: 'sqlite', skipStale: false },
  { name: 'sqlite', store: 'sqlite', skipStale: true },
];

/** A server on an empty store, and ways to look into that store. */
interface Bench {
  readonly server: RunningServer;
  readonly client: Client;
  readonly snapshot: RegistrySnapshot;
  readonly world: WriteWorld;
  clear(): Promise<void>;
  cells(): Promise<StoredCells>;
  recorded(delta: RecordedDelta): StoredDelta;
  /** Seconds that every key still lives; -1 = for ever. */
  ttls(): Promise<readonly number[]>;
  close(): Promise<void>;
}

describeWithShared('recorded writes', () => {
  const tally = createWriteTally();
  let redis: RedisServer;
  let admin: Redis;
  beforeAll(async () => {
    redis = await startRedis();
    admin = adminClient(redis.port);
    await admin.connect();
  });
  afterAll(async () => {
    admin?.disconnect();
    await redis?.stop();
  });

  it.each(VARIANTS)('end as in Feast: $name, older rows left out: $skipStale', async (variant) => {
    const bench = await openBench(variant, redis, admin);
    try {
      const vectors = readWriteVectors(variant.name);
      for (const protocol of ['as recorded', 'over the other protocol'] as const) {
        await replay(bench, variant, tally, vectors, protocol);
      }
      if (variant.store === 'redis') {
        const ttls = await bench.ttls();
        const expected = variant.name === 'redis_ttl' ? 3600 : -1;
        expect(ttls.every((ttl) => Math.abs(ttl - expected) < 60)).toBe(true);
      }
    } finally {
      await bench.close();
    }
  });

  // After all of the above, which count.
  it('depart from Feast in vectors that show it', () => {
    for (const { point, vectors } of WRITE_DEPARTURES) {
      expect([...tally.vectorsOf(point)].sort(), point).toEqual([...vectors].sort());
    }
  });

  it(`${PAGE} says so (UPDATE_DOCS=1 writes it)`, () => {
    const page = writeCompatibilityPage(tally, VARIANTS);
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page);
    expect(existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '').toBe(page);
  });
});

async function replay(
  bench: Bench,
  variant: WriteVariant,
  tally: WriteTally,
  vectors: readonly WriteVector[],
  protocol: 'as recorded' | 'over the other protocol',
): Promise<void> {
  let replayed = 0;
  let isBehind = false;
  for (const vector of vectors) {
    if (vector.store_cleared_before) {
      await bench.clear();
      isBehind = false;
    }
    const recorded = requestOf(vector);
    const request =
      recorded === undefined || protocol === 'as recorded' ? recorded : otherRequest(recorded);
    // What follows a request that could not be sent builds on what it left.
    isBehind ||= request === undefined;
    if (request === undefined || isBehind) continue;
    const before = await bench.cells();
    const reply = await send(bench, request);
    const delta = deltaBetween(before, await bench.cells());
    const { expected, departures } = expectationOf(vector, bench, request);
    tally.count(variant, request.protocol, vector, departures);
    const where = `${variant.name} ${vector.id} ${vector.note}, ${protocol}: ${reply.text}`;
    const { delta: expectedDelta, grpc, http, feastClass } = expected;
    const status = request.protocol === 'grpc' ? grpc : String(http);
    expect(reply.status, where).toBe(status);
    if (request.protocol === 'http') {
      expect(reply.feastClass, where).toBe(feastClass);
      if (vector.via === 'http' && http === vector.reply.status && http < 500) {
        expectBody(reply.text, vector.reply.body!, where);
      }
    }
    expect(Object.fromEntries(delta), where).toEqual(Object.fromEntries(expectedDelta));
    replayed++;
  }
  expect(replayed).toBeGreaterThan(protocol === 'as recorded' ? 125 : 80);
}

function expectBody(text: string, feast: string, where: string): void {
  // The class is compared on its own, and where ours is a subclass its text is our own.
  if (feast.includes('FeastObjectNotFoundException')) return;
  // Feast's errors are JSON inside of a JSON string.
  const parsed = (body: string): unknown => {
    const outer: unknown = body === '' ? body : JSON.parse(body);
    return typeof outer === 'string' && outer.startsWith('{') ? JSON.parse(outer) : outer;
  };
  expect(parsed(text), where).toEqual(parsed(feast));
}

/** What Feast did, changed by the departures that concern the vector. */
function expectationOf(
  vector: WriteVector,
  bench: Bench,
  request: WriteRequest,
): { readonly expected: WriteExpectation; readonly departures: readonly WriteDeparture[] } {
  const { reply } = vector;
  const name = vector.id.slice('writes-'.length);
  const isDone = reply.ok === true || reply.code === 'OK' || reply.status === 200;
  let expected: WriteExpectation = {
    grpc: isDone ? 'OK' : 'INVALID_ARGUMENT',
    http: isDone ? 200 : (reply.status ?? 422),
    ...(reply.body?.includes('PushSourceNotFoundException') === true || name === 'w106'
      ? { feastClass: 'PushSourceNotFoundException' }
      : {}),
    delta: bench.recorded(vector.delta),
  };
  if (isDone && request.protocol === 'http' && expected.http !== 200) {
    expected = { ...expected, http: 200 };
  }
  const departures: WriteDeparture[] = [];
  for (const departure of WRITE_DEPARTURES) {
    const changed = departure.vectors.includes(name)
      ? departure.apply(expected, name, bench.world)
      : undefined;
    if (changed === undefined) continue;
    expected = changed;
    departures.push(departure);
  }
  return { expected, departures };
}

/** The newest row of the batch in place of the last one. */
function newestOfBatch(vector: WriteVector, delta: StoredDelta): StoredDelta {
  const { df } = JSON.parse(vector.request.body!) as {
    df: { readonly event_timestamp: readonly string[]; readonly trips: readonly number[] };
  };
  const times = df.event_timestamp.map((text) => Date.parse(text) / 1000);
  const newest = times.lastIndexOf(Math.max(...times));
  return new Map(
    [...delta].map(([name, value]) => {
      const cell = JSON.parse(value!) as Record<string, unknown>;
      cell['event_ts'] = times[newest];
      if (name.endsWith(' trips')) {
        const trips = df.trips[newest]!;
        cell['value'] = Buffer.of(0x20, trips).toString('base64');
        cell['value_text'] = String(trips);
      }
      return [name, JSON.stringify(cell)];
    }),
  );
}

interface Reply {
  /** Name of the gRPC code, or the HTTP status. */
  readonly status: string;
  readonly text: string;
  readonly feastClass: string | undefined;
}

async function send(bench: Bench, request: WriteRequest): Promise<Reply> {
  if (request.protocol === 'http') {
    const response = await fetch(`http://127.0.0.1:${bench.server.address.port}${request.path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: request.body,
    });
    const text = await response.text();
    const feastClass = /\\"class\\":\s?\\"(\w+)\\"/.exec(text)?.[1];
    return { status: String(response.status), text, feastClass };
  }
  const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  return new Promise((resolve) => {
    const message = Buffer.from(request.message);
    bench.client.makeUnaryRequest(request.method, same, same, message, (error, reply) => {
      const text = error?.details ?? Buffer.from(reply ?? []).toString('hex');
      if (error === null) expect(text).toBe('0801');
      resolve({ status: GrpcStatus[error?.code ?? 0] ?? '', text, feastClass: undefined });
    });
  });
}

async function openBench(variant: WriteVariant, redis: RedisServer, admin: Redis): Promise<Bench> {
  const scenario = (file: string): string => sharedPath('golden', 'scenarios', 'writes', file);
  const repoPath = mkdtempSync(join(tmpdir(), 'sideboard-writes-'));
  const yaml = readFileSync(scenario(`feature_store.${variant.name}.yaml`), 'utf8');
  writeFileSync(
    join(repoPath, 'feature_store.yaml'),
    yaml.replace('127.0.0.1:6379', `127.0.0.1:${redis.port}`),
  );
  copyFileSync(scenario(`registry.${variant.name}.db`), join(repoPath, 'registry.db'));
  const online = join(repoPath, 'online.db');
  if (variant.store === 'sqlite') copyFileSync(scenario('online.sqlite.db'), online);
  const config = loadConfig({
    repoPath,
    overrides: {
      port: 0,
      admin_port: 0,
      log_level: 'silent',
      sqlite_skip_stale: variant.skipStale,
    },
    env: {},
  });
  const registry = await readRegistryFile(join(repoPath, 'registry.db'));
  const snapshot = buildRegistrySnapshot(registry!, { project: PROJECT, versioningEnabled: false });
  const names = fieldNames(snapshot);
  const version = config.entityKeySerializationVersion;
  const server = await startServer(config);
  const client = new Client(`127.0.0.1:${server.address.port}`, credentials.createInsecure());
  const recorded = (delta: RecordedDelta): StoredDelta =>
    new Map([
      ...[...(delta.added ?? []), ...(delta.changed ?? [])].flatMap(({ key_b64, fields }) =>
        fields.map(({ field_b64, value_b64, after_b64 }) => {
          const value = value_b64 ?? after_b64 ?? null;
          return redisCell(
            names,
            PROJECT,
            Buffer.from(key_b64, 'base64'),
            Buffer.from(field_b64, 'base64'),
            value === null ? null : Buffer.from(value, 'base64'),
          );
        }),
      ),
      ...(delta.rows_written ?? []).map((row) => {
        const { table, ...rest } = row as unknown as SqliteRow & { readonly table: string };
        return sqliteCell(table.slice(PROJECT.length + 1), rest);
      }),
    ]);
  const vectors = new Map(readWriteVectors(variant.name).map((vector) => [vector.id, vector]));
  const dummyKey = Buffer.concat([
    compileEntityKeyPrefix(['__dummy_id'], version),
    serializeEntityValue({ type: ValueType.STRING, value: '' }, '__dummy_id'),
  ]).toString('hex');
  return {
    server,
    client,
    snapshot,
    recorded,
    world: {
      store: variant.store,
      skipsStale: variant.skipStale,
      newestOf: (id, delta) => newestOfBatch(vectors.get(`writes-${id}`)!, delta),
      deltaOf: (id) => recorded(vectors.get(`writes-${id}`)!.delta),
      movedTo: (delta, unixSeconds) =>
        mapCells(delta, (feature, value) => {
          if (variant.store === 'sqlite') return changeRow(value, { event_ts: unixSeconds });
          const encoded = encodeTimestamp(BigInt(unixSeconds) * 1_000_000_000n);
          return feature === TIMESTAMP_CELL ? Buffer.from(encoded).toString('base64') : value;
        }),
      withValue: (delta, changed, bytes) =>
        mapCells(delta, (feature, value) => {
          if (feature !== changed) return value;
          const encoded = Buffer.from(bytes).toString('base64');
          return variant.store === 'sqlite' ? changeRow(value, { value: encoded }) : encoded;
        }),
      underDummyKey: (delta) =>
        new Map(
          [...delta].map(([name, value]) => [name.replace(/ [0-9a-f]* /, ` ${dummyKey} `), value]),
        ),
      withoutCreated: (delta) =>
        mapCells(delta, (_feature, value) => changeRow(value, { created_ts: null })),
    },
    async clear() {
      if (variant.store === 'redis') {
        await admin.flushall();
        return;
      }
      const database = new DatabaseSync(online);
      for (const view of snapshot.views.keys()) {
        database.exec(`DELETE FROM "${PROJECT}_${view}"`);
      }
      database.close();
    },
    cells: () =>
      variant.store === 'redis'
        ? redisCells(admin, names, PROJECT)
        : Promise.resolve(sqliteCells(online, PROJECT, snapshot.views.keys())),
    async ttls() {
      const keys = await admin.keysBuffer('*');
      return Promise.all(keys.map((key) => admin.ttl(key)));
    },
    async close() {
      client.close();
      await server.close();
      rmSync(repoPath, { recursive: true, force: true });
    },
  };
}

function mapCells(
  delta: StoredDelta,
  change: (feature: string, value: string) => string,
): StoredDelta {
  return new Map(
    [...delta].map(([name, value]) => [
      name,
      change(name.slice(name.lastIndexOf(' ') + 1), value!),
    ]),
  );
}

function changeRow(cell: string, changes: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...(JSON.parse(cell) as object), ...changes });
}
