import { toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ValueSchema, type Value, type ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import { valueTypeNumber } from '../../src/feast-encoding/value-type.ts';
import type { GoldenAnswer } from '../support/golden-answer.ts';
import { encodeRequest, requestBody, valueMessage } from '../support/encode-request.ts';
import { connectGoldenClients, type GoldenClients } from '../support/golden-clients.ts';
import { goldenLines } from '../feast-encoding/golden-lines.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { describeWithShared } from '../support/shared.ts';
import { serveFromRedis, serveFromSqlite, type MadeView } from '../support/made-repository.ts';

/** A line of `entity_keys.jsonl`. */
interface KeyVector {
  readonly id: string;
  readonly version: number | null;
  readonly project: string;
  readonly join_keys: readonly string[];
  readonly values: readonly { readonly type: string; readonly value: unknown }[];
  readonly serialized_hex?: string;
  readonly redis_key_b64?: string;
  readonly error?: unknown;
}

describeWithShared('entity keys that Feast wrote', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  const all = goldenLines<KeyVector>('entity_keys.jsonl');
  const vectors = all.filter(({ version }) => version === 2 || version === 3).filter(isAskable);

  it('are nearly all such as a request can ask for', () => {
    const supported = all.filter(({ version }) => version === 2 || version === 3);
    expect(vectors.length).toBeGreaterThan(400);
    // No join key, one without a name or a value, one given twice; `__dummy_id`, whose value nobody chooses.
    expect(supported.length - vectors.length).toBe(28);
  });

  for (const version of [2, 3]) {
    for (const project of new Set(vectors.map((vector) => vector.project))) {
      const some = vectors.filter((each) => each.project === project && each.version === version);
      const repository = { project, entityKeyVersion: version, views: some.map(viewOf) };

      describe(`version ${version}, project ${project}`, () => {
        it('are found in Redis', async () => {
          const fields = some.filter(hasKey).map((vector) => ({
            key: Buffer.from(vector.redis_key_b64!, 'base64'),
            field: hashFeatureField(vector.id, 'f'),
            value: markOf(vector),
          }));
          const server = await serveFromRedis(repository, fields, redis.port);
          await checkAll(server, some);
        });

        // Feast refuses projects with a dash for SQLite.
        it.skipIf(project.includes('-'))('are found in SQLite', async () => {
          const cells = some.filter(hasKey).map((vector) => ({
            viewName: vector.id,
            featureName: 'f',
            entityKey: Buffer.from(vector.serialized_hex!, 'hex'),
            value: markOf(vector),
          }));
          await checkAll(await serveFromSqlite(repository, cells), some);
        });
      });
    }
  }
});

function hasKey({ serialized_hex: serialized }: KeyVector): boolean {
  return serialized !== undefined;
}

function isAskable({ join_keys: joinKeys, values }: KeyVector): boolean {
  return (
    joinKeys.length > 0 &&
    !joinKeys.includes('') &&
    joinKeys.length === values.length &&
    new Set(joinKeys).size === joinKeys.length &&
    (!joinKeys.includes('__dummy_id') || (joinKeys.length === 1 && values[0]!.value === ''))
  );
}

/** Number of the declared type; a null is asked of an INT64. */
function declaredType(oneofMember: string): ValueType_Enum {
  if (oneofMember === 'unset' || oneofMember === 'null_val') return 4;
  return valueTypeNumber(oneofMember.replace(/_val$/, '').toUpperCase()) as ValueType_Enum;
}

/** A view of its own for each vector. */
function viewOf({ id, join_keys: joinKeys, values }: KeyVector): MadeView {
  const types = joinKeys.map((name, i) => [name, declaredType(values[i]!.type)] as const);
  return { name: id, joinKeys: new Map(types), featureNames: ['f'] };
}

/** The value that only this vector's key leads to. */
function markOf({ id }: KeyVector): Uint8Array {
  return toBinary(ValueSchema, valueMessage('stringVal', `found ${id}`));
}

async function checkAll(server: RepositoryServer, vectors: readonly KeyVector[]): Promise<void> {
  const clients = connectGoldenClients(server.port);
  try {
    const problems: string[] = [];
    for (const vector of vectors) {
      for (const protocol of ['gRPC', 'JSON'] as const) {
        const answer = await ask(clients, vector, protocol);
        const expected = expectedOutcome(vector, protocol);
        if (answer !== undefined && outcomeOf(answer) !== expected) {
          problems.push(`${vector.id} ${protocol}: expected ${expected}, got ${outcomeOf(answer)}`);
        }
      }
    }
    expect(problems).toEqual([]);
  } finally {
    clients.close();
    await server.close();
  }
}

/** `undefined` where the protocol cannot carry the value. */
async function ask(
  clients: GoldenClients,
  vector: KeyVector,
  protocol: 'gRPC' | 'JSON',
): Promise<GoldenAnswer | undefined> {
  const { id, join_keys: joinKeys, values } = vector;
  const columnsOf = <T>(valueOf: (value: KeyVector['values'][number]) => T): Record<string, T[]> =>
    Object.fromEntries(joinKeys.map((name, i) => [name, [valueOf(values[i]!)]]));
  if (protocol === 'gRPC') {
    const bytes = encodeRequest([`${id}:f`], columnsOf(messageValue));
    return clients.grpc('/GrpcFeatureServer/GetOnlineFeatures', bytes, false);
  }
  if (values.some((value) => jsonText(value) === undefined)) return undefined;
  const body = requestBody(
    [`${id}:f`],
    columnsOf((value) => jsonText(value)!),
  );
  return clients.http({ method: 'POST', path: '/get-online-features', body }, false);
}

function messageValue({ type, value }: KeyVector['values'][number]): Value {
  if (type === 'unset') return valueMessage(undefined, undefined);
  const kind = type.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return valueMessage(kind, heldValue(type, value));
}

function heldValue(type: string, value: unknown): unknown {
  switch (type) {
    case 'int64_val':
    case 'unix_timestamp_val':
      return BigInt(value as string);
    case 'bytes_val':
      return Buffer.from((value as { readonly $bytes: string }).$bytes, 'base64');
    case 'null_val':
      return 0;
    case 'string_list_val':
      return { val: value };
    case 'int64_list_val':
      return { val: (value as readonly (string | number)[]).map(BigInt) };
    default:
      return value;
  }
}

/** JSON has integers and text; the values that no key holds go over gRPC alone. */
function jsonText({ type, value }: KeyVector['values'][number]): string | undefined {
  switch (type) {
    case 'int32_val':
    case 'int64_val':
    case 'unix_timestamp_val':
      return String(value);
    case 'string_val':
      return JSON.stringify(value);
    case 'unset':
      return 'null';
    default:
      return undefined;
  }
}

function expectedOutcome(vector: KeyVector, protocol: 'gRPC' | 'JSON'): string {
  if (vector.error === undefined) return `found ${vector.id}`;
  // Decision 19: nobody is nowhere.
  if (vector.values.some(({ type }) => type === 'unset' || type === 'null_val')) return 'NOT_FOUND';
  return protocol === 'gRPC' ? 'INVALID_ARGUMENT' : '400';
}

function outcomeOf(answer: GoldenAnswer): string {
  if (answer.kind === 'refused') return answer.status;
  const cell = answer.kind === 'features' ? answer.columns.at(-1)?.cells[0] : undefined;
  return cell?.status === 'PRESENT'
    ? (/found ek-[\w-]+/.exec(cell.value)?.[0] ?? cell.value)
    : String(cell?.status);
}
