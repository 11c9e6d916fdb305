import * as grpc from '@grpc/grpc-js';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  GetOnlineFeaturesRequestSchema,
  ServingService,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { loadConfig } from '../../src/config/load-config.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

/** What must not be found in what the server prints. */
const SECRETS = {
  password: 'pa55-of-redis',
  token: 'bearer-of-caller',
  entity: '811004711',
  entityText: 'no-number-of-driver',
  otherEntity: '811004722',
  value: '660033771188',
  damage: 'no-value-at-all',
} as const;

let redis: RedisServer;
let repository: ServedRepository;
let server: SideboardProcess;

beforeAll(async () => {
  redis = await startRedis({ password: SECRETS.password });
  repository = await makeServedRepository([], {
    onlineStore: [
      'type: redis',
      `connection_string: 127.0.0.1:${redis.port},password=${SECRETS.password}`,
    ],
  });
  await storeSecrets();
  server = await startSideboard({
    repoPath: repository.path,
    env: { SIDEBOARD_LOG_LEVEL: 'trace', SIDEBOARD_REDIS_COMMAND_TIMEOUT_MS: '300' },
  });
});

afterAll(async () => {
  await server?.stop();
  await redis?.stop();
  repository?.remove();
});

/** A value for one driver, and for another bytes that are none. */
async function storeSecrets(): Promise<void> {
  const config = loadConfig({ repoPath: repository.path, env: {} });
  const store = await openOnlineStore(config.onlineStore);
  const rows = [SECRETS.entity, SECRETS.otherEntity].map((id) => ({
    entityKey: keyOf(id),
    eventTimestampNs: 1_735_689_600_000_000_000n,
    values: [writeValue(ValueType.INT64, BigInt(SECRETS.value))],
  }));
  const view = { storedName: 'driver_stats', featureNames: ['trips'] };
  const batch = { project: config.project, joinKeys: ['driver_id'], view, rows };
  await store.write(batch, { deadlineAtMs: Infinity });
  await store.close();
  const admin = adminClient(redis.port, { password: SECRETS.password });
  const key = Buffer.concat([keyOf(SECRETS.otherEntity), Buffer.from(config.project)]);
  const field = Buffer.from(hashFeatureField('driver_stats', 'trips'));
  await admin.hset(key, field, SECRETS.damage);
  admin.disconnect();
}

function keyOf(id: string): Uint8Array {
  return serializeEntityKey(['driver_id'], [{ type: ValueType.INT64, value: BigInt(id) }], 3);
}

type Question = MessageInitShape<typeof GetOnlineFeaturesRequestSchema>;

function questionFor(id: string, feature = 'driver_stats:trips'): Question {
  const val = /^\d+$/.test(id)
    ? { case: 'int64Val' as const, value: BigInt(id) }
    : { case: 'stringVal' as const, value: id };
  return {
    kind: { case: 'features', value: { val: [feature] } },
    entities: { driver_id: { val: [{ val }] } },
  };
}

/** Asks over gRPC; the status code. */
function askGrpc(question: Question | Uint8Array): Promise<grpc.status> {
  const client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${SECRETS.token}`);
  const message =
    question instanceof Uint8Array
      ? question
      : toBinary(GetOnlineFeaturesRequestSchema, create(GetOnlineFeaturesRequestSchema, question));
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/feast.serving.ServingService/GetOnlineFeatures',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      Buffer.from(message),
      metadata,
      (error) => {
        client.close();
        resolve(error?.code ?? grpc.status.OK);
      },
    );
  });
}

async function askConnect(question: Question): Promise<string> {
  const transport = createConnectTransport({
    baseUrl: `http://127.0.0.1:${server.port}`,
    httpVersion: '1.1',
  });
  const headers = { authorization: `Bearer ${SECRETS.token}` };
  return createClient(ServingService, transport)
    .getOnlineFeatures(question, { headers })
    .then(
      () => 'answered',
      (error: unknown) => String(error),
    );
}

async function askJson(body: string): Promise<number> {
  const { status } = await fetch(`http://127.0.0.1:${server.port}/get-online-features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${SECRETS.token}` },
    body,
  });
  return status;
}

const jsonFor = (ids: string, feature = 'driver_stats:trips'): string =>
  `{"features":["${feature}"],"entities":{"driver_id":[${ids}]}}`;

it('at its most talkative the server prints no value of an entity or a feature, and no secret', async () => {
  const { entity, otherEntity, entityText } = SECRETS;
  // Answered, refused, damaged, broken: over each protocol.
  expect(await askGrpc(questionFor(entity))).toBe(grpc.status.OK);
  expect(await askConnect(questionFor(entity))).toBe('answered');
  expect(await askJson(jsonFor(entity))).toBe(200);
  expect(await askGrpc(questionFor(entityText))).toBe(grpc.status.INVALID_ARGUMENT);
  expect(await askConnect(questionFor(entityText))).toContain('invalid_argument');
  expect(await askJson(jsonFor(`"${entityText}"`))).toBe(400);
  expect(await askJson(jsonFor(`${entity}.5`))).toBe(400);
  expect(await askGrpc(questionFor(otherEntity))).toBe(grpc.status.DATA_LOSS);
  expect(await askConnect(questionFor(otherEntity))).toContain('data_loss');
  expect(await askJson(jsonFor(otherEntity))).toBe(500);
  expect(await askGrpc(questionFor(entity, 'driver_stats:nope'))).toBe(grpc.status.NOT_FOUND);
  expect(await askGrpc(Buffer.from(`\x0a\x7f${entityText}`))).toBe(grpc.status.INVALID_ARGUMENT);
  expect(await askJson(`{"entities":{"driver_id":[${entity},`)).toBe(422);
  expect(await askJson(`{"features":"${entityText}","entities":["${entityText}"]}`)).toBe(422);
  // The store hangs, then is gone.
  redis.pause();
  expect(await askGrpc(questionFor(entity))).not.toBe(grpc.status.OK);
  expect(await askJson(jsonFor(entity))).toBeGreaterThanOrEqual(500);
  redis.resume();
  await redis.kill();
  await waitUntil(async () => (await askGrpc(questionFor(entity))) === grpc.status.UNAVAILABLE, {
    what: 'the loss of Redis to show',
  });
  expect(await askJson(jsonFor(entity))).toBe(503);
  const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
  expect(await server.stop()).toBe(0);

  const printed = [...server.log, ...server.errorOutput].join('\n');
  expect(printed).toContain('"call failed"');
  expect(printed).toContain('"code":"DATA_LOSS"');
  expect(printed).toContain('"code":"UNAVAILABLE"');
  expect(printed).toContain('"password":"[redacted]"');
  expect(server.errorOutput).toEqual([]);
  for (const [name, secret] of Object.entries(SECRETS)) {
    const forms = [
      secret,
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('hex'),
    ];
    for (const form of forms) {
      expect([name, printed.includes(form) || metrics.includes(form)]).toEqual([name, false]);
    }
  }
});
