import { toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ValueSchema, ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { encodeRequest, requestBody, valueMessage } from '../support/encode-request.ts';
import type { GoldenAnswer } from '../support/golden-answer.ts';
import { connectGoldenClients, type GoldenClients } from '../support/golden-clients.ts';
import { serveFromSqlite } from '../support/made-repository.ts';
import type { RepositoryServer } from '../support/repository-server.ts';

const INT64 = ValueType_Enum.INT64;
const FEATURES = Array.from({ length: 6 }, (_, i) => `v:f${i}`);

/** One more than a limit allows is refused, naming the limit; what it allows is answered. */
describe('limits of a request', () => {
  let server: RepositoryServer;
  let clients: GoldenClients;
  beforeAll(async () => {
    const entityKey = serializeEntityKey(['id'], [{ type: INT64, value: 1n }], 3);
    const value = toBinary(ValueSchema, valueMessage('stringVal', 'x'.repeat(1000)));
    server = await serveFromSqlite(
      {
        project: 'limits',
        entityKeyVersion: 3,
        views: [
          {
            name: 'v',
            joinKeys: new Map([['id', INT64]]),
            featureNames: FEATURES.map((reference) => reference.slice(2)),
          },
        ],
      },
      [{ viewName: 'v', featureName: 'f0', entityKey, value }],
      {
        max_rows: 8,
        max_features: 5,
        max_cells: 16,
        max_request_bytes: 4000,
        max_response_bytes: 2000,
      },
    );
    clients = connectGoldenClients(server.port);
  });
  afterAll(async () => {
    clients?.close();
    await server?.close();
  });

  interface Question {
    readonly features: readonly string[];
    readonly ids: readonly number[];
    /** Under a column that nobody asks for. */
    readonly ballast?: number;
  }

  const ask = (
    protocol: 'gRPC' | 'JSON',
    { features, ids, ballast = 0 }: Question,
  ): Promise<GoldenAnswer> => {
    const text = 'x'.repeat(ballast);
    if (protocol === 'gRPC') {
      const entities = {
        id: ids.map((id) => valueMessage('int64Val', BigInt(id))),
        ballast: ids.map(() => valueMessage('stringVal', text)),
      };
      const bytes = encodeRequest(features, entities);
      return clients.grpc('/GrpcFeatureServer/GetOnlineFeatures', bytes, false);
    }
    const columns = { id: ids.map(String), ballast: ids.map(() => JSON.stringify(text)) };
    const body = requestBody(features, columns);
    return clients.http({ method: 'POST', path: '/get-online-features', body }, false);
  };

  const rows = (count: number, first = 2): readonly number[] =>
    Array.from({ length: count }, (_, i) => first + i);

  const TOO_MUCH = { grpc: 'INVALID_ARGUMENT', http: '400' };
  const TOO_LARGE = { grpc: 'RESOURCE_EXHAUSTED', http: '413' };

  interface Case {
    readonly limit: string;
    readonly allowed: Question;
    readonly beyond: Question;
    readonly codes: typeof TOO_MUCH;
    readonly says: RegExp;
  }
  const cases: readonly Case[] = [
    {
      limit: 'max_rows',
      allowed: { features: ['v:f1'], ids: rows(8) },
      beyond: { features: ['v:f1'], ids: rows(11) },
      codes: TOO_MUCH,
      says: /asks for 11 rows, 3 more than the 8 allowed \(setting max_rows\)/,
    },
    {
      limit: 'max_features',
      allowed: { features: FEATURES.slice(0, 5), ids: rows(1) },
      beyond: { features: FEATURES, ids: rows(1) },
      codes: TOO_MUCH,
      says: /asks for 6 features, 1 more than the 5 allowed \(setting max_features\)/,
    },
    {
      limit: 'max_cells',
      allowed: { features: FEATURES.slice(0, 4), ids: rows(4) },
      beyond: { features: FEATURES.slice(0, 4), ids: rows(5) },
      codes: TOO_MUCH,
      says: /asks for 20 values \(rows × features\), 4 more than the 16 allowed \(setting max_cells\)/,
    },
    {
      limit: 'max_request_bytes',
      allowed: { features: ['v:f1'], ids: rows(1), ballast: 3800 },
      beyond: { features: ['v:f1'], ids: rows(1), ballast: 4000 },
      codes: TOO_LARGE,
      says: /the request (?:message|body) has 4\d\d\d bytes, .*4000 .*max_request_bytes/,
    },
    {
      limit: 'max_response_bytes',
      allowed: { features: ['v:f0'], ids: [1] },
      beyond: { features: ['v:f0'], ids: [1, 1] },
      codes: TOO_LARGE,
      says: /the response has 20\d\d bytes, \d+ more than the 2000 allowed \(setting max_response_bytes\)/,
    },
  ];

  for (const protocol of ['gRPC', 'JSON'] as const) {
    it.each(cases)(`$limit over ${protocol}`, async ({ allowed, beyond, codes, says }) => {
      expect(await ask(protocol, allowed)).toMatchObject({ kind: 'features' });
      const refused = await ask(protocol, beyond);
      const status = protocol === 'gRPC' ? codes.grpc : codes.http;
      expect(refused).toMatchObject({ kind: 'refused', status });
      expect(refused.kind === 'refused' && refused.text).toMatch(says);
      // And it harms nobody else.
      expect(await ask(protocol, allowed)).toMatchObject({ kind: 'features' });
    });
  }
});
