import { toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ValueSchema, ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { encodeRequest, requestBody, valueMessage } from '../support/encode-request.ts';
import type { FeaturesAnswer, GoldenAnswer } from '../support/golden-answer.ts';
import { connectGoldenClients, type GoldenClients } from '../support/golden-clients.ts';
import {
  serveFromRedis,
  serveFromSqlite,
  type MadeCell,
  type MadeRepository,
} from '../support/made-repository.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import type { RepositoryServer } from '../support/repository-server.ts';

const PROJECT = 'sizes';
const ID = new Map([['id', ValueType_Enum.INT64]]);
const names = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `f${i}`);

/** A view with many features, one with rows of 100, one whose values are long. */
const REPOSITORY: MadeRepository = {
  project: PROJECT,
  entityKeyVersion: 3,
  views: [
    {
      name: 'wide',
      joinKeys: ID,
      featureNames: names(2e3),
    },
    {
      name: 'deep',
      joinKeys: ID,
      featureNames: names(100),
    },
    {
      name: 'long',
      joinKeys: ID,
      featureNames: ['text'],
    },
  ],
};

const MEGABYTE = 'ä'.repeat(2 ** 19);

/** What row `id` has for its `i`th feature: a number that tells both. */
const numberOf = (id: number, i: number): bigint => BigInt(id) * 10_000n + BigInt(i);
const int64 = (value: bigint): Uint8Array => toBinary(ValueSchema, valueMessage('int64Val', value));

function cellsOf(deepRows: number): readonly MadeCell[] {
  const row = (viewName: string, id: number, count: number): readonly MadeCell[] =>
    names(count).map((featureName, i) => ({
      viewName,
      featureName,
      entityKey: entityKey(id),
      value: int64(numberOf(id, i)),
    }));
  return [
    ...row('wide', 1, 2000),
    ...Array.from({ length: deepRows }, (_, id) => row('deep', id, 100)).flat(),
    {
      viewName: 'long',
      featureName: 'text',
      entityKey: entityKey(1),
      value: toBinary(ValueSchema, valueMessage('stringVal', MEGABYTE)),
    },
  ];
}

function entityKey(id: number): Uint8Array {
  return serializeEntityKey(['id'], [{ type: ValueType_Enum.INT64, value: BigInt(id) }], 3);
}

async function startOnRedis(cells: readonly MadeCell[], port: number): Promise<RepositoryServer> {
  const fields = cells.map(({ viewName, featureName, entityKey: key, value }) => ({
    key: Buffer.concat([key, Buffer.from(PROJECT)]),
    field: hashFeatureField(viewName, featureName),
    value,
  }));
  const times = cells
    .filter(({ featureName }) => featureName === 'f0' || featureName === 'text')
    .map(({ viewName, entityKey: key }) => ({
      key: Buffer.concat([key, Buffer.from(PROJECT)]),
      field: timestampField(viewName),
      value: encodeTimestamp(1_000_000_000n),
    }));
  return serveFromRedis(REPOSITORY, [...fields, ...times], port);
}

describe.each(['Redis', 'SQLite'] as const)('large requests from %s', (store) => {
  // SQLite is not there for batches of this size; filling it would be most of the test.
  const deepRows = store === 'Redis' ? 5000 : 500;
  let redis: RedisServer | undefined;
  let server: RepositoryServer;
  let clients: GoldenClients;
  beforeAll(async () => {
    const cells = cellsOf(deepRows);
    redis = store === 'Redis' ? await startRedis() : undefined;
    server =
      redis === undefined
        ? await serveFromSqlite(REPOSITORY, cells)
        : await startOnRedis(cells, redis.port);
    clients = connectGoldenClients(server.port);
  });
  afterAll(async () => {
    clients?.close();
    await server?.close();
    await redis?.stop();
  });

  const ask = async (
    protocol: 'gRPC' | 'JSON',
    features: readonly string[],
    ids: readonly number[],
  ): Promise<GoldenAnswer> => {
    if (protocol === 'JSON') {
      const body = requestBody(features, { id: ids.map(String) });
      return clients.http({ method: 'POST', path: '/get-online-features', body }, false);
    }
    const entities = { id: ids.map((id) => valueMessage('int64Val', BigInt(id))) };
    const bytes = encodeRequest(features, entities);
    return clients.grpc('/feast.serving.ServingService/GetOnlineFeatures', bytes, false);
  };

  describe.each(['gRPC', 'JSON'] as const)('over %s', (protocol) => {
    const text = (value: bigint): string =>
      protocol === 'JSON' ? String(value) : `{val:{case:"int64Val",value:${value}n}}`;

    it.each([
      ['wide', 1, 2000],
      ['deep', deepRows, 100],
    ])('view %s: %i rows of %i features', async (view, rowCount, featureCount) => {
      const references = names(featureCount).map((name) => `${view}:${name}`);
      const first = view === 'wide' ? 1 : 0;
      const ids = Array.from({ length: rowCount }, (_, row) => row + first);
      const { columns } = (await ask(protocol, references, ids)) as FeaturesAnswer;
      expect(columns.map(({ name }) => name)).toEqual(['id', ...names(featureCount)]);
      let different = 0;
      for (const [i, { cells }] of columns.slice(1).entries()) {
        expect(cells).toHaveLength(rowCount);
        for (const [row, cell] of cells.entries()) {
          const isRight =
            cell.value === text(numberOf(ids[row]!, i)) &&
            cell.status === 'PRESENT' &&
            cell.timestamp === '1.000000000';
          if (!isRight) different++;
        }
      }
      expect(different).toBe(0);
    });

    it('a value of a megabyte', async () => {
      const { columns } = (await ask(protocol, ['long:text'], [1])) as FeaturesAnswer;
      expect(columns[1]!.cells[0]!.value).toContain(MEGABYTE);
    });

    it('no rows', async () => {
      const answer = (await ask(protocol, ['deep:f0', 'long:text'], [])) as FeaturesAnswer;
      expect(answer.columns).toEqual(['id', 'f0', 'text'].map((name) => ({ name, cells: [] })));
    });

    it('no features', async () => {
      const status = protocol === 'JSON' ? '400' : 'INVALID_ARGUMENT';
      const answer = await ask(protocol, [], [1]);
      expect(answer).toMatchObject({ kind: 'refused', status });
      expect(answer.kind === 'refused' && answer.text).toContain('No features specified');
    });
  });
});
