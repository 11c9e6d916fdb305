import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  SERVING_PATH,
  encodeRequest,
  entityIds,
  references,
} from '../../bench/data/official-layout.ts';
import { fillStore, makeRepo, type SeededRepo } from '../../bench/data/seed.ts';
import { sumPromotedBytes } from '../../bench/load/gc-trace.ts';
import { openLoadClient } from '../../bench/load/load-client.ts';
import { runClosed } from '../../bench/load/paced-load.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';

const ENTITIES = 100;
/** Measured: 0.5. An object of a few fields that is kept for each request, or 2 kB for each collection, is more. */
const MOST_BYTES = 4;

let redis: RedisServer;
let repo: SeededRepo;
let server: SideboardProcess;

beforeAll(async () => {
  redis = await startRedis();
  repo = await makeRepo(redis.port, 5);
  await fillStore(repo, ENTITIES);
  server = await startSideboard({ repoPath: repo.path, nodeArguments: ['--trace-gc-nvp'] });
});

afterAll(async () => {
  await server?.stop();
  await redis?.stop();
  if (repo !== undefined) await rm(repo.path, { recursive: true });
});

it('what a request makes does not reach the old generation, where it would stay', async () => {
  const client = await openLoadClient({
    protocol: 'grpc',
    port: server.port,
    path: SERVING_PATH,
    messages: [encodeRequest(references(10), entityIds(1, 0, ENTITIES))],
    connections: 2,
  });
  try {
    // Until what lasts is where it stays: code, plans, buffers.
    await runClosed(client, { underWay: 8, seconds: 3 });
    const printed = server.log.length;
    const { calls } = await runClosed(client, { underWay: 8, seconds: 3 });
    const lines = server.log.slice(printed);
    expect(lines.filter((line) => line.includes(' gc=s ')).length).toBeGreaterThan(5);
    expect(sumPromotedBytes(lines) / calls).toBeLessThan(MOST_BYTES);
  } finally {
    client.close();
  }
});
