import { Client, credentials } from '@grpc/grpc-js';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataSource_SourceType } from '../../gen/feast/core/DataSource_pb.ts';
import { FeatureViewSchema } from '../../gen/feast/core/FeatureView_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { PushRequestSchema } from '../../gen/feast/serving/GrpcServer_pb.ts';
import {
  GetOnlineFeaturesRequestSchema,
  GetOnlineFeaturesResponseSchema,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import {
  adminClient,
  startRedisCluster,
  type RedisClusterServers,
  type RedisServer,
} from '../support/redis-server.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { createRepository, type TestRepository } from './materialize-fixture.ts';

const SHARDS = 3;
const ENTITIES = 24;
const WRITERS = 6;
const READERS = 3;
const FEATURES = ['a', 'b', 'c', 'd'];
const START_SECONDS = 1_735_689_600;
const CALL_TIMEOUT_MS = 3_000;
const PHASE_MS = Number(process.env['WRITE_LOSS_PHASE_MS'] ?? 1_500);

/** What a primary writes from now on reaches none of its replicas until they connect again. */
async function cutReplicas({ port }: RedisServer): Promise<void> {
  const admin = adminClient(port);
  await admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
  admin.disconnect();
}

type StoredRow = readonly (bigint | string | undefined)[];

/**
 * Version `n` of an entity: every feature says n. Writers own entities, so that the last version whose push was answered
 * with success is known; whatever is stored must be of one version, and no older than that.
 */
describe('acknowledged writes', () => {
  let cluster: RedisClusterServers;
  let repository: TestRepository;
  let server: SideboardProcess;
  let client: Client;
  const acknowledged = new Int32Array(ENTITIES);
  const attempted = new Int32Array(ENTITIES);
  const problems: string[] = [];
  let pushes = 0;
  let failures = 0;
  let reads = 0;

  beforeAll(async () => {
    cluster = await startRedisCluster({ shards: SHARDS, replicas: 1 });
    repository = await createRepository({
      project: 'p',
      onlineStore: `type: redis\nredis_type: redis_cluster\nconnection_string: ${cluster.nodes
        .map(({ port }) => `127.0.0.1:${port}`)
        .join(',')}`,
      registry: create(RegistrySchema, {
        entities: [
          { spec: { name: 'user', joinKey: 'user', project: 'p', valueType: ValueType.INT64 } },
        ],
        featureViews: ['versions', 'copies'].map((name) =>
          create(FeatureViewSchema, {
            spec: {
              name,
              project: 'p',
              entities: ['user'],
              entityColumns: [{ name: 'user', valueType: ValueType.INT64 }],
              features: FEATURES.map((feature) => ({
                name: feature,
                valueType: feature === 'd' ? ValueType.STRING : ValueType.INT64,
              })),
              online: true,
              streamSource: {
                name: 'live',
                type: DataSource_SourceType.PUSH_SOURCE,
                options: { case: 'pushOptions', value: {} },
              },
              batchSource: {
                name: 'batch',
                type: DataSource_SourceType.BATCH_FILE,
                timestampField: 'at',
                options: { case: 'fileOptions', value: { uri: 'data/none.parquet' } },
              },
            },
            meta: {},
          }),
        ),
        projects: [{ spec: { name: 'p' } }],
      }),
    });
    await startServer();
  });

  afterAll(async () => {
    client?.close();
    await server?.stop();
    await cluster?.stop();
    await repository?.remove();
  });

  async function startServer(): Promise<void> {
    server = await startSideboard({
      repoPath: repository.path,
      env: { SIDEBOARD_REDIS_WAIT_REPLICAS: '1', SIDEBOARD_LOG_LEVEL: 'info' },
    });
    client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  }

  function call(path: string, message: Uint8Array): Promise<Uint8Array> {
    const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
    const deadline = Date.now() + CALL_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        same,
        same,
        Buffer.from(message),
        { deadline },
        (error, reply) => (error === null ? resolve(reply!) : reject(error)),
      );
    });
  }

  async function push(entity: number, version: number): Promise<void> {
    const int64 = (value: number) => ({
      val: { case: 'int64Val' as const, value: BigInt(value) },
    });
    const request = create(PushRequestSchema, {
      streamFeatureView: 'live',
      to: 'online',
      allowRegistryCache: true,
      typedFeatures: {
        user: int64(entity),
        a: int64(version),
        b: int64(version),
        c: int64(version),
        d: { val: { case: 'stringVal', value: `${version} `.repeat(200) } },
        at: { val: { case: 'unixTimestampVal', value: BigInt(START_SECONDS + version) } },
      },
    });
    await call('/GrpcFeatureServer/Push', toBinary(PushRequestSchema, request));
  }

  async function read(entities: readonly number[]): Promise<readonly StoredRow[]> {
    const request = create(GetOnlineFeaturesRequestSchema, {
      kind: {
        case: 'features',
        value: {
          val: ['versions', 'copies'].flatMap((view) => FEATURES.map((name) => `${view}:${name}`)),
        },
      },
      fullFeatureNames: true,
      entities: {
        user: {
          val: entities.map((id) => ({ val: { case: 'int64Val' as const, value: BigInt(id) } })),
        },
      },
    });
    const reply = await call(
      '/feast.serving.ServingService/GetOnlineFeatures',
      toBinary(GetOnlineFeaturesRequestSchema, request),
    );
    const { results } = fromBinary(GetOnlineFeaturesResponseSchema, reply);
    return entities.map((_, row) =>
      results.slice(1).map(({ values }) => values[row]!.val.value as bigint | string | undefined),
    );
  }

  /** Notes what is torn, or older than what was acknowledged before the read began. */
  function check(entity: number, row: StoredRow, known: number, when: string): void {
    for (const [v, view] of ['versions', 'copies'].entries()) {
      const [a, b, c, d] = row.slice(v * FEATURES.length, (v + 1) * FEATURES.length);
      if (a === undefined && known === 0) continue;
      const isWhole = a === b && a === c && d === `${String(a)} `.repeat(200);
      if (!isWhole)
        problems.push(`${when}: ${view} of ${entity} is torn: ${String(a)} ${String(b)}`);
      if (Number(a) < known) {
        problems.push(`${when}: ${view} of ${entity} is ${String(a)}, ${known} was acknowledged`);
      }
    }
  }

  async function writeUntil(stopped: () => boolean, writer: number): Promise<void> {
    for (let turn = 0; !stopped(); turn++) {
      const entity = writer + WRITERS * (turn % (ENTITIES / WRITERS));
      const version = (attempted[entity]! += 1);
      try {
        await push(entity, version);
        acknowledged[entity] = version;
        pushes++;
      } catch {
        failures++;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  async function readUntil(stopped: () => boolean, when: () => string): Promise<void> {
    const all = Array.from({ length: ENTITIES }, (_, id) => id);
    while (!stopped()) {
      const known = [...acknowledged];
      const rows = await read(all).catch(() => undefined);
      if (rows === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      reads++;
      for (const [id, row] of rows.entries()) check(id, row, known[id]!, when());
    }
  }

  it('survive the end of the server and of a primary, and are never seen in parts', async () => {
    let isOver = false;
    let phase = 'all well';
    const stopped = (): boolean => isOver;
    const workers = [
      ...Array.from({ length: WRITERS }, (_, writer) => writeUntil(stopped, writer)),
      ...Array.from({ length: READERS }, () => readUntil(stopped, () => phase)),
    ];
    const pass = async (name: string): Promise<void> => {
      phase = name;
      const before = pushes;
      await new Promise((resolve) => setTimeout(resolve, PHASE_MS));
      await waitUntil(() => pushes > before + WRITERS, {
        what: `pushes while ${name}`,
        timeoutMs: 30_000,
      });
    };
    await pass('all is well');

    process.kill(server.pid, 'SIGKILL');
    client.close();
    await startServer();
    await pass('the server is back');

    // What the replica has not heard of must not have been acknowledged when its primary dies.
    const replica = cluster.nodes[SHARDS]!;
    replica.pause();
    await cutReplicas(cluster.masters[0]!);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await cluster.masters[0]!.kill();
    replica.resume();
    await pass('a primary is gone');
    const all = Array.from({ length: ENTITIES }, (_, id) => id);
    await waitUntil(async () => (await read(all)).length === ENTITIES, {
      what: 'its replica to take over',
      timeoutMs: 30_000,
    });
    // The shard that lost a copy has nobody left to confirm; the others go on.
    await pass('a replica has taken over');

    isOver = true;
    await Promise.all(workers);
    const rows = await read(all);
    for (const [id, row] of rows.entries()) check(id, row, acknowledged[id]!, 'in the end');
    expect(problems.slice(0, 10)).toEqual([]);
    expect(failures).toBeGreaterThan(0);
    expect(reads).toBeGreaterThan(20);
    expect(Math.min(...acknowledged)).toBeGreaterThan(0);
  });
});
