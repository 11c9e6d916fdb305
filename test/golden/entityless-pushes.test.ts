import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { goldenLines } from '../feast-encoding/golden-lines.ts';
import { connectGoldenClients } from '../support/golden-clients.ts';
import { scenarioFile } from '../support/golden-vectors.ts';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';
import { startRepositoryServer, type RepositoryServer } from '../support/repository-server.ts';
import { describeWithShared } from '../support/shared.ts';

/** What a recorded write left in the store. */
interface WriteVector {
  readonly id: string;
  readonly delta: {
    readonly added?: readonly {
      readonly key_b64: string;
      readonly fields: readonly { readonly field_b64: string; readonly value_b64: string }[];
    }[];
    readonly rows_written?: readonly {
      readonly table: string;
      readonly entity_key_hex: string;
      readonly feature_name: string;
      readonly value_b64: string;
      readonly event_ts: number;
    }[];
  };
}

/** Of the view `global_v`, which has no entity: `g` is 42, as of 2025. */
const PUSHED = 'writes-w080';

describeWithShared('views without entities that Feast pushed', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  const cases = [
    { store: 'redis', isRead: true, answer: '42 PRESENT 1735689600.000000000' },
    { store: 'redis', isRead: false, answer: 'null NOT_FOUND 0.000000000' },
    { store: 'sqlite', isRead: true, answer: '42 PRESENT 1735689600.000000000' },
    { store: 'sqlite', isRead: false, answer: 'null NOT_FOUND 0.000000000' },
  ] as const;
  it.each(cases)('$store, read_entityless_pushes: $isRead', async ({ store, isRead, answer }) => {
    const vectors = goldenLines<WriteVector>('scenarios', 'writes', `writes.${store}.jsonl`);
    const { delta } = vectors.find(({ id }) => id === PUSHED)!;
    const server = await serve(store, delta, isRead, redis.port);
    const clients = connectGoldenClients(server.port);
    const body = '{"features":["global_v:g"],"entities":{"anyone":[1]}}';
    const got = await clients.http({ method: 'POST', path: '/get-online-features', body }, false);
    clients.close();
    await server.close();
    const [column] = got.kind === 'features' ? got.columns : [];
    const { value, status, timestamp } = column!.cells[0]!;
    expect(`${value} ${status} ${timestamp}`).toBe(answer);
  });
});

async function serve(
  store: 'redis' | 'sqlite',
  delta: WriteVector['delta'],
  isRead: boolean,
  redisPort: number,
): Promise<RepositoryServer> {
  const recorded = (name: string): Buffer => readFileSync(scenarioFile('writes', name));
  const yaml = recorded(`feature_store.${store}.yaml`).toString();
  const files: Record<string, Uint8Array> = { 'registry.db': recorded(`registry.${store}.db`) };
  if (store === 'redis') await fillRedis(delta, redisPort);
  else files['online.db'] = filledTables(delta);
  return startRepositoryServer(
    { yaml: yaml.replace('127.0.0.1:6379', `127.0.0.1:${redisPort}`), files },
    { read_entityless_pushes: isRead },
  );
}

async function fillRedis({ added = [] }: WriteVector['delta'], port: number): Promise<void> {
  const client = adminClient(port);
  await client.flushall();
  for (const { key_b64, fields } of added) {
    for (const { field_b64, value_b64 } of fields) {
      const words = [key_b64, field_b64, value_b64].map((word) => Buffer.from(word, 'base64'));
      await client.hset(words[0]!, words[1]!, words[2]!);
    }
  }
  client.disconnect();
}

function filledTables({ rows_written: rows = [] }: WriteVector['delta']): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'sideboard-pushed-'));
  const path = join(folder, 'online.db');
  const database = new DatabaseSync(path);
  database.exec(
    `CREATE TABLE ingest_global_v (entity_key BLOB, feature_name TEXT, value BLOB, vector_value BLOB,
     event_ts timestamp, created_ts timestamp, PRIMARY KEY(entity_key, feature_name))`,
  );
  for (const row of rows) {
    database
      .prepare(`INSERT INTO "${row.table}" VALUES (?, ?, ?, NULL, ?, NULL)`)
      .run(
        Buffer.from(row.entity_key_hex, 'hex'),
        row.feature_name,
        Buffer.from(row.value_b64, 'base64'),
        row.event_ts,
      );
  }
  database.close();
  const contents = readFileSync(path);
  rmSync(folder, { recursive: true, force: true });
  return contents;
}
