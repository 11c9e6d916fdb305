import { toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ValueSchema, ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { goldenLines } from '../feast-encoding/golden-lines.ts';
import type { GoldenAnswer } from '../support/golden-answer.ts';
import { encodeRequest, requestBody, valueMessage } from '../support/encode-request.ts';
import { connectGoldenClients } from '../support/golden-clients.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { describeWithShared } from '../support/shared.ts';
import { serveFromRedis } from '../support/made-repository.ts';

/** A line of `hash_fields.jsonl`. */
interface FieldVector {
  readonly view: string;
  readonly feature: string;
  readonly field_hex: string;
  readonly timestamp_field_b64: string;
}

const PROJECT = 'fields';
const ENTITY_KEY = serializeEntityKey(['id'], [{ type: 4, value: 1n }], 3);

describeWithShared('hash fields that Feast wrote', () => {
  const vectors = goldenLines<FieldVector>('hash_fields.jsonl');
  const views = [...new Set(vectors.map(({ view }) => view))];
  let redis: RedisServer;
  let server: RepositoryServer;
  beforeAll(async () => {
    redis = await startRedis();
    const key = Buffer.concat([ENTITY_KEY, Buffer.from(PROJECT)]);
    const features = vectors.map(({ field_hex }, i) => ({
      field: Buffer.from(field_hex, 'hex'),
      value: toBinary(ValueSchema, valueMessage('int64Val', BigInt(i))),
    }));
    const timestamps = vectors.map(({ view, timestamp_field_b64 }) => ({
      field: Buffer.from(timestamp_field_b64, 'base64'),
      value: encodeTimestamp(BigInt(views.indexOf(view)) * 1_000_000_000n),
    }));
    server = await serveFromRedis(
      {
        project: PROJECT,
        entityKeyVersion: 3,
        views: views.map((name) => ({
          name,
          joinKeys: new Map([['id', ValueType_Enum.INT64]]),
          featureNames: vectors.filter(({ view }) => view === name).map(({ feature }) => feature),
        })),
      },
      [...features, ...timestamps].map((field) => ({ key, ...field })),
      redis.port,
    );
  });
  afterAll(async () => {
    await server?.close();
    await redis?.stop();
  });

  it.each(['gRPC', 'JSON'])(
    'are where features and event timestamps are read from: %s',
    async (protocol) => {
      const clients = connectGoldenClients(server.port);
      const references = vectors.map(({ view, feature }) => `${view}:${feature}`);
      let answer: GoldenAnswer;
      if (protocol === 'gRPC') {
        const entities = { id: [valueMessage('int64Val', 1n)] };
        const bytes = encodeRequest(references, entities, { fullFeatureNames: true });
        answer = await clients.grpc('/GrpcFeatureServer/GetOnlineFeatures', bytes, false);
      } else {
        const body = requestBody(references, { id: ['1'] }, { fullFeatureNames: true });
        answer = await clients.http({ method: 'POST', path: '/get-online-features', body }, false);
      }
      clients.close();
      const columns = answer.kind === 'features' ? answer.columns.slice(1) : [];
      expect(columns).toEqual(
        vectors.map(({ view, feature }, i) => ({
          name: `${view}__${feature}`,
          cells: [
            {
              value: protocol === 'gRPC' ? `{val:{case:"int64Val",value:${i}n}}` : String(i),
              status: 'PRESENT',
              timestamp: `${views.indexOf(view)}.000000000`,
            },
          ],
        })),
      );
    },
  );
});
