import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGoldenServer } from '../support/golden-server.ts';
import { goldenVariants, scenarioFile } from '../support/golden-vectors.ts';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { describeWithShared } from '../support/shared.ts';

/** Feature `a` of view `fast` in the recorded dump: `fast:a` as Feast hashes it. */
const FAST_A = Buffer.from('brXrGA==', 'base64');
const FAST_TIMESTAMP = '_ts:fast';
/** `Value { int64_val: 77 }`, which no row has. */
const OTHER_VALUE = Buffer.from([0x20, 77]);
/** One second after the epoch. */
const OTHER_MOMENT = Buffer.from([0x08, 0x01]);

describeWithShared('vectors that Feast precomputed', () => {
  const variant = goldenVariants().find(({ scenario }) => scenario === 'precompute')!;
  let redis: RedisServer;
  let server: RepositoryServer;
  beforeAll(async () => {
    redis = await startRedis();
    server = await startGoldenServer(variant, redis.port);
  });
  afterAll(async () => {
    await server?.close();
    await redis?.stop();
  });

  const read = async (service: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${server.port}/get-online-features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ feature_service: service, entities: { pid: [0, 1] } }),
    });
    const { results } = (await response.json()) as { results: { values: unknown }[] };
    return results[1]!.values;
  };
  /** Changes the row of the entity 0 behind the back of its vector. */
  const change = async (field: Buffer | string, value: Buffer): Promise<void> => {
    const dump = readFileSync(scenarioFile('precompute', 'redis_dump.redis.jsonl'), 'utf8');
    const { key_b64: key } = JSON.parse(dump.split('\n')[0]!) as { key_b64: string };
    const client = adminClient(redis.port);
    await client.hset(Buffer.from(key, 'base64'), field, value);
    client.disconnect();
  };

  test('are read while they agree with the rows, whatever these hold', async () => {
    await change(FAST_A, OTHER_VALUE);
    expect([await read('pre'), await read('normal')]).toEqual([
      [0, 1],
      [77, 1],
    ]);
  });

  /** What the metrics say became of the vectors of `pre`. */
  const counted = async (): Promise<unknown> => {
    const text = await (await fetch(`http://127.0.0.1:${server.adminPort}/metrics`)).text();
    const line =
      /^feature_server_precomputed_vectors_total\{feature_service="pre",result="(\w+)"\} (\d+)$/gm;
    return Object.fromEntries([...text.matchAll(line)].map(([, result, n]) => [result, Number(n)]));
  };

  test('give way to rows that were written later', async () => {
    expect(await counted()).toEqual({ used: 2 });
    await change(FAST_TIMESTAMP, OTHER_MOMENT);
    expect(await read('pre')).toEqual([77, 1]);
    expect(await counted()).toEqual({ used: 3, stale: 1 });
  });
});
