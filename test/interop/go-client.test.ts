import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JOIN_KEY, references, storedValue } from '../../bench/data/official-layout.ts';
import { fillStore, makeRepo, type SeededRepo } from '../../bench/data/seed.ts';
import { interopPath } from '../support/python.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { InteropClient } from './interop-client.ts';

const ENTITY = 7;

let redis: RedisServer;
let repo: SeededRepo;
let server: SideboardProcess;
let client: InteropClient;

beforeAll(async () => {
  redis = await startRedis();
  repo = await makeRepo(redis.port, 25);
  await fillStore(repo, ENTITY);
  server = await startSideboard({ repoPath: repo.path });
  client = new InteropClient([interopPath('bin/feature-client')], server.port);
});

afterAll(async () => {
  await client?.close();
  await server?.stop();
  await redis?.stop();
  if (repo !== undefined) await rm(repo.path, { recursive: true });
});

// What clients of gRPC have in common is tested in grpc-clients.test.ts.
describe('a client of grpc-go with stubs generated from our contracts', () => {
  test.each(['ServingService', 'GrpcFeatureServer'])(
    'reads features through %s',
    async (service) => {
      const features = references(30);
      const request = {
        features: { val: features },
        entities: { [JOIN_KEY]: { val: [{ int64Val: String(ENTITY) }] } },
      };
      const { code, response } = await client.ask({ service, request });
      expect(code).toBe('OK');
      const values = response?.results?.slice(1).map((each) => each.values[0]?.int64Val);
      expect(values).toEqual(features.map((_, feature) => String(storedValue(ENTITY, feature))));
    },
  );

  test('is told about the server', async () => {
    const { response } = await client.ask({ method: 'GetFeastServingInfo', request: {} });
    expect(response?.version).toMatch(/^\d+\.\d+\.\d+/);
  });
});
