import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measureGhz } from '../../bench/parts/measure-ghz.ts';
import { JOIN_KEY, storedValue } from '../../bench/data/official-layout.ts';
import { loadScenarios } from '../../bench/data/scenario.ts';
import { fillStore, makeRepo, type SeededRepo } from '../../bench/data/seed.ts';
import { interopPath, runProgram } from '../support/python.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';

const ENTITIES = 300;
const REFLECTION = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];
const SERVICES = [
  'GrpcFeatureServer',
  'feast.serving.ServingService',
  'grpc.health.v1.Health',
  'sideboard.v1.IngestService',
];

let redis: RedisServer;
let repo: SeededRepo;
let server: SideboardProcess;
let address: string;

beforeAll(async () => {
  redis = await startRedis();
  repo = await makeRepo(redis.port, 25);
  await fillStore(repo, ENTITIES);
  server = await startSideboard({ repoPath: repo.path });
  address = `127.0.0.1:${server.port}`;
});

afterAll(async () => {
  await server?.stop();
  await redis?.stop();
  if (repo !== undefined) await rm(repo.path, { recursive: true });
});

const request = (id: number): string =>
  JSON.stringify({
    features: { val: ['feature_view_1:feature_13'] },
    entities: { [JOIN_KEY]: { val: [{ int64_val: id }] } },
  });

/** Runs a tool that is expected to fail; gives its exit code and what it said. */
async function failure(
  program: string,
  args: readonly string[],
): Promise<{ code: number; text: string }> {
  try {
    const stdout = await runProgram(interopPath(program), args);
    throw new Error(`${program} succeeded: ${stdout}`);
  } catch (error) {
    const { code, stderr, stdout } = error as { code?: unknown; stderr?: string; stdout?: string };
    if (typeof code !== 'number') throw error;
    return { code, text: `${stdout}${stderr}` };
  }
}

describe('grpcurl', () => {
  const grpcurl = (...args: string[]): Promise<string> =>
    runProgram(interopPath('bin/grpcurl'), ['-plaintext', '-max-time', '10', ...args]);

  test('lists every service by reflection', async () => {
    const listed = (await grpcurl(address, 'list')).trim().split('\n');
    expect(listed.sort()).toEqual([...SERVICES, ...REFLECTION].sort());
  });

  test('lists methods', async () => {
    expect(await grpcurl(address, 'list', 'feast.serving.ServingService')).toBe(
      'feast.serving.ServingService.GetFeastServingInfo\nfeast.serving.ServingService.GetOnlineFeatures\n',
    );
  });

  test('describes a service and a message with everything that it refers to', async () => {
    expect(await grpcurl(address, 'describe', 'GrpcFeatureServer')).toMatch(
      /rpc GetOnlineFeatures \( \.feast\.serving\.GetOnlineFeaturesRequest \) returns/,
    );
    expect(await grpcurl(address, 'describe', 'feast.types.Value')).toMatch(/int64 int64_val = 4;/);
    expect(
      await grpcurl(address, 'describe', 'feast.serving.GetOnlineFeaturesResponse.FeatureVector'),
    ).toMatch(/repeated \.google\.protobuf\.Timestamp event_timestamps = 3;/);
  });

  test.each(['feast.serving.ServingService', 'GrpcFeatureServer'])(
    'calls %s by reflection',
    async (service) => {
      const method = `${service}/GetOnlineFeatures`;
      const answer = JSON.parse(await grpcurl('-d', request(7), address, method)) as unknown;
      expect(answer).toMatchObject({
        metadata: { featureNames: { val: [JOIN_KEY, 'feature_13'] } },
        results: [
          { values: [{ int64Val: '7' }] },
          { values: [{ int64Val: String(storedValue(7, 13)) }], statuses: ['PRESENT'] },
        ],
      });
    },
  );

  test('calls with our .proto files instead of reflection', async () => {
    const proto = join(import.meta.dirname, '..', '..', 'proto');
    const files = ['-import-path', proto, '-proto', 'feast/serving/ServingService.proto'];
    const method = 'feast.serving.ServingService/GetFeastServingInfo';
    const answer = JSON.parse(await grpcurl(...files, address, method)) as { version: string };
    expect(answer.version).toMatch(/^\d+\.\d+\.\d+/);
  });

  test('shows the status and the message of a mistake', async () => {
    const data =
      '{"features":{"val":["nowhere:f"]},"entities":{"entity":{"val":[{"int64_val":1}]}}}';
    const method = 'feast.serving.ServingService/GetOnlineFeatures';
    const args = ['-plaintext', '-d', data, address, method];
    const { code, text } = await failure('bin/grpcurl', args);
    // grpcurl exits with 64 + the gRPC code.
    expect(code).toBe(64 + 5);
    expect(text).toMatch(/Code: NotFound\s+Message: .*nowhere/);
  });

  test('is told which method does not exist', async () => {
    const proto = join(import.meta.dirname, '..', '..', 'proto');
    const files = ['-import-path', proto, '-proto', 'feast/registry/RegistryServer.proto'];
    const method = 'feast.registry.RegistryServer/ListEntities';
    const args = ['-plaintext', ...files, address, method];
    const { code, text } = await failure('bin/grpcurl', args);
    expect(code).toBe(64 + 12);
    expect(text).toContain('Code: Unimplemented');
  });
});

describe('grpc-health-probe', () => {
  test.each(['', ...SERVICES.slice(0, 2)])('finds service "%s" healthy', async (service) => {
    const args = [`-addr=${address}`, `-service=${service}`];
    // It reports on its standard error and says all by its exit code.
    await runProgram(interopPath('bin/grpc-health-probe'), args);
  });

  test('is told that a service is unknown', async () => {
    const { code, text } = await failure('bin/grpc-health-probe', [
      `-addr=${address}`,
      '-service=no.such.Service',
    ]);
    expect(code).toBe(3);
    expect(text).toMatch(/NotFound/i);
  });
});

describe('ghz, by our wrapper', () => {
  test.each(['1x10', '64x10'])('%s: every call is answered', async (name) => {
    const [scenario] = loadScenarios([name]);
    const options = { seconds: 1, entities: ENTITIES, rounds: 2 };
    const figures = await measureGhz(server, scenario!, options);
    expect(figures.map(({ loop }) => loop)).toEqual(['closed', 'open']);
    for (const { errors, count, sent, corrected } of figures) {
      expect(errors).toBe(0);
      expect(count).toBeGreaterThan(30);
      expect(sent.p50Ms).toBeGreaterThan(0);
      expect(sent.p99Ms).toBeGreaterThanOrEqual(sent.p50Ms);
      // Put back are calls that waited less than the longest: quantiles may fall, neither number nor maximum does.
      expect(corrected.count).toBeGreaterThanOrEqual(sent.count);
      expect(corrected.maxMs).toBeGreaterThanOrEqual(sent.maxMs);
    }
    const open = figures[1]!;
    expect(open.corrected.p99Ms).toBeGreaterThanOrEqual(open.sent.p99Ms);
    // Two runs of a second, by the clock.
    expect(open).toMatchObject({ ratePerSecond: 100, rounds: 2 });
    expect(open.correction).toBe('from when each call was due, at 100/s');
    // Corrected by the timestamps that ghz gives, not by ones that could not be read.
    expect(open.corrected.maxMs).toBeLessThan(60_000);
  });
});
