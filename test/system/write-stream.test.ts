import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { Client, credentials, status, type ClientDuplexStream } from '@grpc/grpc-js';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DataSource_SourceType } from '../../gen/feast/core/DataSource_pb.ts';
import { FeatureViewSchema } from '../../gen/feast/core/FeatureView_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import {
  WriteRequestSchema,
  WriteResponseSchema,
  type WriteResponse,
} from '../../gen/sideboard/v1/ingest_pb.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { startServer, type RunningServer } from '../../src/server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { createRepository, type TestRepository } from './materialize-fixture.ts';

const COLUMNS = ['user', 'score', 'ts'];
const ROWS_PER_BATCH = 500;

describe('sideboard.v1.IngestService over gRPC', () => {
  let repository: TestRepository;
  let server: RunningServer;
  let client: Client;

  beforeAll(async () => {
    repository = await createRepository({
      project: 'p',
      onlineStore: 'type: sqlite\npath: online.db',
      registry: create(RegistrySchema, {
        entities: [
          { spec: { name: 'user', joinKey: 'user', project: 'p', valueType: ValueType.INT64 } },
        ],
        featureViews: [
          create(FeatureViewSchema, {
            spec: {
              name: 'scores',
              project: 'p',
              entities: ['user'],
              entityColumns: [{ name: 'user', valueType: ValueType.INT64 }],
              features: [{ name: 'score', valueType: ValueType.INT64 }],
              online: true,
              batchSource: {
                name: 'batch',
                type: DataSource_SourceType.BATCH_FILE,
                timestampField: 'ts',
                options: { case: 'fileOptions', value: { uri: 'data/none.parquet' } },
              },
            },
            meta: {},
          }),
        ],
        projects: [{ spec: { name: 'p' } }],
      }),
    });
    const database = new DatabaseSync(join(repository.path, 'online.db'));
    database.exec(
      `CREATE TABLE p_scores (entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, vector_value BLOB,
         event_ts timestamp, created_ts timestamp, PRIMARY KEY(entity_key, feature_name))`,
    );
    database.close();
    await startAgain();
  });

  afterEach(() => client.close());
  afterAll(async () => {
    await server?.close();
    await repository?.remove();
  });

  async function startAgain(): Promise<void> {
    await server?.close();
    server = await startServer(
      loadConfig({
        repoPath: repository.path,
        overrides: {
          port: 0,
          admin_port: 0,
          log_level: 'silent',
          default_deadline_ms: 500,
          http2_window_bytes: 262_144,
        },
        env: {},
      }),
    );
  }

  interface Stream {
    readonly call: ClientDuplexStream<Uint8Array, Uint8Array>;
    readonly responses: WriteResponse[];
    readonly ended: Promise<{ code: number; details: string }>;
  }

  function open(): Stream {
    client = new Client(`127.0.0.1:${server.address.port}`, credentials.createInsecure());
    const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
    const call = client.makeBidiStreamRequest('/sideboard.v1.IngestService/Write', same, same);
    const responses: WriteResponse[] = [];
    call.on('data', (bytes: Uint8Array) => responses.push(fromBinary(WriteResponseSchema, bytes)));
    const ended = new Promise<{ code: number; details: string }>((resolve) => {
      call.on('error', () => {});
      call.on('status', resolve);
    });
    const name = { case: 'featureView' as const, value: 'scores' };
    const target = { kind: { case: 'target' as const, value: { name, columns: COLUMNS } } };
    call.write(toBinary(WriteRequestSchema, create(WriteRequestSchema, target)));
    return { call, responses, ended };
  }

  function rows(id: number, first: number): Uint8Array {
    const users = Array.from({ length: ROWS_PER_BATCH }, (_, i) => first + i);
    const int64 = (value: number) => ({
      val: { case: 'int64Val' as const, value: BigInt(value) },
    });
    const ts = { val: { case: 'unixTimestampVal' as const, value: 1_735_689_600n } };
    const columns = [users.map(int64), users.map((user) => int64(user * 2)), users.map(() => ts)];
    const value = { id: BigInt(id), columns: columns.map((val) => ({ val })) };
    return toBinary(
      WriteRequestSchema,
      create(WriteRequestSchema, { kind: { case: 'rows', value } }),
    );
  }

  function storedCount(): number {
    const database = new DatabaseSync(join(repository.path, 'online.db'), { readOnly: true });
    const { count } = database.prepare('SELECT count(*) AS count FROM p_scores').get() as {
      count: number;
    };
    database.close();
    return count;
  }

  it('acknowledges what is in the store, in fewer responses than requests', async () => {
    const { call, responses, ended } = open();
    const batches = 60;
    for (let id = 1; id <= batches; id++) call.write(rows(id, id * ROWS_PER_BATCH));
    call.end();
    expect(await ended).toMatchObject({ code: status.OK });
    expect(responses.at(-1)!.acknowledgedId).toBe(BigInt(batches));
    const written = responses.reduce((sum, response) => sum + Number(response.writtenCount), 0);
    expect(written).toBe(batches * ROWS_PER_BATCH);
    expect(storedCount()).toBe(written);
    expect(responses.length).toBeLessThan(batches);
  });

  it('stays open for longer than a call without a deadline', async () => {
    const { call, responses, ended } = open();
    call.write(rows(1, 0));
    await waitUntil(() => responses.length === 1, { what: 'the first acknowledgement' });
    await new Promise((resolve) => setTimeout(resolve, 700));
    call.write(rows(2, 0));
    await waitUntil(() => responses.length === 2, { what: 'the second acknowledgement' });
    call.end();
    expect(await ended).toMatchObject({ code: status.OK });
  });

  it('holds a client back that sends faster than the store takes', async () => {
    const lock = new DatabaseSync(join(repository.path, 'online.db'));
    lock.exec('BEGIN IMMEDIATE');
    const { call, responses, ended } = open();
    let sent = 0;
    try {
      // More than all buffers on the way: flow control has to stop it.
      while (sent < 6000) {
        sent++;
        if (!call.write(rows(sent, sent))) {
          const isFlowing = await Promise.race([
            new Promise<boolean>((resolve) => call.once('drain', () => resolve(true))),
            new Promise<boolean>((resolve) => setTimeout(resolve, 500, false)),
          ]);
          if (!isFlowing) break;
        }
      }
      expect(sent).toBeLessThan(6000);
      expect(responses).toEqual([]);
    } finally {
      lock.exec('ROLLBACK');
      lock.close();
    }
    call.end();
    expect(await ended).toMatchObject({ code: status.OK });
    expect(responses.at(-1)!.acknowledgedId).toBe(BigInt(sent));
  });

  it('ends with INVALID_ARGUMENT at what is no request', async () => {
    const { call, ended } = open();
    call.write(Uint8Array.of(0xff));
    expect(await ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/WriteRequest/),
    });
  });

  it('ends with UNAVAILABLE when the server stops', async () => {
    const { call, responses, ended } = open();
    call.write(rows(1, 0));
    await waitUntil(() => responses.length === 1, { what: 'the acknowledgement' });
    const restarted = startAgain();
    expect(await ended).toMatchObject({ code: status.UNAVAILABLE });
    await restarted;
  });
});
