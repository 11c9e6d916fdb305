import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JOIN_KEY, references, storedValue } from '../../bench/official-layout.ts';
import { fillStore, makeRepo, type SeededRepo } from '../../bench/seed.ts';
import { interopPath, runProgram } from '../support/python.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';

const ENTITIES = 500;

/** See test/interop/go/client/main.go. */
interface GoCall {
  readonly service?: 'ServingService' | 'GrpcFeatureServer';
  readonly method?: 'GetFeastServingInfo';
  readonly request?: object;
  readonly gzip?: boolean;
  readonly timeoutMicros?: number;
  readonly parallel?: number;
}

interface GoOutcome {
  readonly code: string;
  readonly message?: string;
  readonly different: number;
  readonly response?: {
    readonly version?: string;
    readonly metadata?: { readonly featureNames: { readonly val: readonly string[] } };
    readonly results?: readonly { readonly values: readonly { readonly int64Val: string }[] }[];
  };
}

let redis: RedisServer;
let repo: SeededRepo;
let server: SideboardProcess;

beforeAll(async () => {
  redis = await startRedis();
  repo = await makeRepo(redis.port, 25);
  await fillStore(repo, ENTITIES);
  server = await startSideboard({ repoPath: repo.path });
});

afterAll(async () => {
  await server?.stop();
  await redis?.stop();
  if (repo !== undefined) await rm(repo.path, { recursive: true });
});

/** All calls go over one connection of grpc-go. */
async function callByGo(calls: readonly GoCall[]): Promise<GoOutcome[]> {
  const input = calls.map((call) => `${JSON.stringify(call)}\n`).join('');
  const args = [`127.0.0.1:${server.port}`];
  const output = await runProgram(interopPath('bin/feature-client'), args, { input });
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as GoOutcome);
}

const ids = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const request = (features: readonly string[], rows: number): object => ({
  features: { val: features },
  entities: { [JOIN_KEY]: { val: ids(rows).map((id) => ({ int64Val: String(id) })) } },
});

/** Every value of a response, checked against the formula of the seed. */
function expectStored({ response }: GoOutcome, features: readonly string[], rows: number): void {
  expect(response?.metadata?.featureNames.val).toEqual([
    JOIN_KEY,
    ...features.map((reference) => reference.split(':')[1]),
  ]);
  for (const [index, reference] of features.entries()) {
    const feature = Number(reference.split('feature_').at(-1));
    const values = response?.results?.[index + 1]?.values.map(({ int64Val }) => int64Val);
    expect(values).toEqual(ids(rows).map((id) => String(storedValue(id, feature))));
  }
}

describe('a client of grpc-go with stubs generated from our contracts', () => {
  test('reads features through both services', async () => {
    const features = references(30);
    const outcomes = await callByGo(
      (['ServingService', 'GrpcFeatureServer'] as const).map((service) => ({
        service,
        request: request(features, 20),
      })),
    );
    for (const outcome of outcomes) {
      expect(outcome.code).toBe('OK');
      expectStored(outcome, features, 20);
    }
  });

  test('compresses with gzip', async () => {
    const features = references(250);
    const [outcome] = await callByGo([{ request: request(features, 100), gzip: true }]);
    expect(outcome?.code).toBe('OK');
    expectStored(outcome!, features, 100);
  });

  test('gets 400 answers at once on one connection, all alike', async () => {
    const features = references(50);
    const [outcome] = await callByGo([{ request: request(features, 10), parallel: 400 }]);
    expect(outcome).toMatchObject({ code: 'OK', different: 0 });
    expectStored(outcome!, features, 10);
  });

  test('reads a reply of more than its flow-control window', async () => {
    const features = references(250);
    const [outcome] = await callByGo([{ request: request(features, ENTITIES) }]);
    expect(outcome?.code).toBe('OK');
    expectStored(outcome!, features, ENTITIES);
  });

  test('is told about the server', async () => {
    const [outcome] = await callByGo([{ method: 'GetFeastServingInfo' }]);
    expect(outcome?.response?.version).toMatch(/^\d+\.\d+\.\d+/);
  });

  test('gets the status that names its mistake, and goes on', async () => {
    const [unknown, reference, fine] = await callByGo([
      { request: request(['nowhere:f'], 1) },
      { request: request(['no_colon'], 1) },
      { request: request(references(1), 1) },
    ]);
    expect(unknown).toMatchObject({ code: 'NotFound' });
    expect(unknown?.message).toContain('nowhere');
    expect(reference).toMatchObject({ code: 'InvalidArgument' });
    expect(fine).toMatchObject({ code: 'OK' });
  });

  test('has its deadline honoured', async () => {
    const [late, fine] = await callByGo([
      { request: request(references(250), ENTITIES), timeoutMicros: 3000 },
      { request: request(references(1), 1) },
    ]);
    expect(late).toMatchObject({ code: 'DeadlineExceeded' });
    expect(fine).toMatchObject({ code: 'OK' });
  });
});
