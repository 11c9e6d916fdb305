import { BinaryReader } from '@bufbuild/protobuf/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import { murmur3 } from '../../src/feast-encoding/murmur3.ts';
import { goldenLines } from '../feast-encoding/golden-lines.ts';
import { encodeRequest, requestBody, valueMessage } from '../support/encode-request.ts';
import { connectGoldenClients, type GoldenClients } from '../support/golden-clients.ts';
import { canonicalJson, elements, member, parseExactJson } from '../support/golden-json.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { describeWithShared } from '../support/shared.ts';
import { serveFromRedis, serveFromSqlite } from '../support/made-repository.ts';

/** A line of `values.jsonl`. */
interface ValueVector {
  readonly id: string;
  readonly note: string;
  readonly kind: 'encode' | 'decode';
  readonly bytes_b64: string;
  readonly accepted?: boolean;
  readonly http_json_text?: string;
}

const REPOSITORY = {
  project: 'values',
  entityKeyVersion: 3,
  views: [
    {
      name: 'held',
      joinKeys: new Map([['id', ValueType_Enum.INT64]]),
      featureNames: ['value'],
    },
  ],
};

describeWithShared('values that Feast wrote, or read', () => {
  const vectors = goldenLines<ValueVector>('values.jsonl');
  const accepted = vectors.filter(
    ({ kind, accepted: isAccepted }) => kind === 'encode' || isAccepted,
  );
  const rejected = vectors.filter(
    ({ kind, accepted: isAccepted }) => kind === 'decode' && !isAccepted,
  );
  const cells = vectors.map(({ bytes_b64 }, row) => ({
    viewName: 'held',
    featureName: 'value',
    entityKey: entityKey(row),
    value: Buffer.from(bytes_b64, 'base64'),
  }));
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  const starts = {
    Redis: () =>
      serveFromRedis(
        REPOSITORY,
        cells.map(({ entityKey: key, value }) => ({
          key: Buffer.concat([key, Buffer.from(REPOSITORY.project)]),
          field: hashFeatureField('held', 'value'),
          value,
        })),
        redis.port,
      ),
    SQLite: () => serveFromSqlite(REPOSITORY, cells),
  };

  describe.each(['Redis', 'SQLite'] as const)('from %s', (store) => {
    let server: RepositoryServer;
    let clients: GoldenClients;
    beforeAll(async () => {
      server = await starts[store]();
      clients = connectGoldenClients(server.port);
    });
    afterAll(async () => {
      clients?.close();
      await server?.close();
    });

    it('come back over gRPC as the bytes that are stored', async () => {
      const rows = accepted.map((vector) => vectors.indexOf(vector));
      const message = await clients.grpcBytes('/GrpcFeatureServer/GetOnlineFeatures', asked(rows));
      const values = valuesOf(message).map((bytes) => Buffer.from(bytes).toString('base64'));
      expect(values).toEqual(accepted.map(({ bytes_b64 }) => bytes_b64));
    });

    it("come back over JSON as Feast's server writes them", async () => {
      const rows = accepted.map((vector) => vectors.indexOf(vector));
      const { status, body } = await clients.httpReply(json(rows));
      expect(status).toBe(200);
      const [, column] = elements(member(parseExactJson(body), 'results'));
      const problems = elements(member(column, 'values')).flatMap((value, i) => {
        const { id, note } = accepted[i]!;
        const expected = expectedJson(accepted[i]!);
        const isAsExpected =
          typeof expected === 'string'
            ? canonicalJson(value) === expected
            : expected.test(canonicalJson(value));
        return isAsExpected
          ? []
          : [`${id} ${note}: expected ${String(expected)}, got ${canonicalJson(value)}`];
      });
      expect(problems).toEqual([]);
    });

    it('are DATA_LOSS where they are no values, and never an answer', async () => {
      const problems: string[] = [];
      for (const vector of rejected) {
        const row = vectors.indexOf(vector);
        const grpc = await clients.grpc(
          '/GrpcFeatureServer/GetOnlineFeatures',
          asked([row]),
          false,
        );
        const http = await clients.http(json([row]), false);
        const suffix = store === 'Redis' ? REPOSITORY.project : '';
        const hash = murmur3(Buffer.concat([entityKey(row), Buffer.from(suffix)]));
        const says = `feature value of feature view held is damaged (entity key hash ${hash.toString(16).padStart(8, '0')})`;
        for (const [answer, status] of [
          [grpc, 'DATA_LOSS'],
          [http, '500'],
        ] as const) {
          if (
            answer.kind !== 'refused' ||
            answer.status !== status ||
            !answer.text.includes(says)
          ) {
            problems.push(`${vector.id} ${vector.note}: ${JSON.stringify(answer)}`);
          }
        }
      }
      expect(problems).toEqual([]);
    });
  });
});

/** Feast's text; where it has none, or one that parsers disagree about, what ours looks like. */
function expectedJson({ note, http_json_text: text }: ValueVector): string | RegExp {
  // Feast answers HTTP 500 for years that Python's dates do not reach.
  if (text === undefined) return /^"\+0\d{5}-\d\d-\d\dT[^"]+"$/;
  // The parser under Python drops such an entry, others keep it.
  if (note === 'map entry with unknown field') return /^\{"/;
  return canonicalJson(parseExactJson(text));
}

function entityKey(row: number): Uint8Array {
  return serializeEntityKey(['id'], [{ type: 4, value: BigInt(row) }], 3);
}

function asked(rows: readonly number[]): Uint8Array {
  const ids = rows.map((row) => valueMessage('int64Val', BigInt(row)));
  return encodeRequest(['held:value'], { id: ids });
}

function json(rows: readonly number[]): Parameters<GoldenClients['http']>[0] {
  const body = requestBody(['held:value'], { id: rows.map(String) });
  return { method: 'POST', path: '/get-online-features', body };
}

/** The bytes of each `Value` of the last column of an encoded `GetOnlineFeaturesResponse`. */
function valuesOf(message: Uint8Array): readonly Uint8Array[] {
  return fieldsOf(fieldsOf(message, 2).at(-1)!, 1);
}

/** The payloads of a length-delimited field, in their order. */
function fieldsOf(message: Uint8Array, fieldNumber: number): readonly Uint8Array[] {
  const reader = new BinaryReader(message);
  const payloads: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === fieldNumber) payloads.push(reader.bytes());
    else reader.skip(wireType, number);
  }
  return payloads;
}
