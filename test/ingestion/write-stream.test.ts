import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { WriteRequestSchema } from '../../gen/sideboard/v1/ingest_pb.ts';
import { CallerAbort } from '../../src/call/caller-signal.ts';
import { onlineStoreUnavailable } from '../../src/errors.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeVarint } from '../../src/feast-encoding/varint.ts';
import { createFeatureWriter } from '../../src/ingestion/feature-writer.ts';
import { createWriteStream } from '../../src/ingestion/write-stream.ts';
import type { Acknowledgement } from '../../src/ingestion/write-stream.ts';
import type { OnlineStore, WriteBatch } from '../../src/online-store/online-store.ts';
import { waitUntil } from '../support/wait-until.ts';
import { registryOf, snapshotOf, viewOf } from './write-fixture.ts';

const stats = viewOf({
  name: 'stats',
  joinKeys: [['id', ValueType.INT64]],
  features: [['trips', ValueType.INT64]],
});
const rates = viewOf({
  name: 'rates',
  joinKeys: [['id', ValueType.INT64]],
  features: [['rate', ValueType.DOUBLE]],
});
const SNAPSHOT = snapshotOf([stats, rates], { live: ['stats', 'rates'] });
const COLUMNS = ['id', 'trips', 'event_timestamp'];

const int64 = (value: number) => ({ val: { case: 'int64Val' as const, value: BigInt(value) } });
const text = (value: string) => ({ val: { case: 'stringVal' as const, value } });

function target(featureView = 'stats', columns: readonly string[] = COLUMNS): Uint8Array {
  const name = { case: 'featureView' as const, value: featureView };
  return encode({ case: 'target', value: { name, columns: [...columns] } });
}

type Kind = NonNullable<Parameters<typeof create<typeof WriteRequestSchema>>[1]>['kind'];

function encode(kind: Kind): Uint8Array {
  return toBinary(WriteRequestSchema, create(WriteRequestSchema, { kind: kind! }));
}

/** Rows `id, trips` as of one moment. */
function rows(id: number, ...entities: readonly number[]): Uint8Array {
  const columns = [
    { val: entities.map(int64) },
    { val: entities.map((entity) => int64(entity * 10)) },
    { val: entities.map(() => text('2025-01-01')) },
  ];
  return encode({ case: 'rows', value: { id: BigInt(id), columns } });
}

/** A stream into a store whose writes wait until the test lets them go. */
function open(options: { readonly instant?: boolean; readonly onNames?: () => void } = {}) {
  const views = new Map(SNAPSHOT.views);
  views.keys = () => {
    options.onNames?.();
    return SNAPSHOT.views.keys();
  };
  const writes: { batch: WriteBatch; finish(error?: Error): void }[] = [];
  const store: Pick<OnlineStore, 'write'> = {
    write(batch) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const finish = (error?: Error): void => (error === undefined ? resolve() : reject(error));
      writes.push({ batch, finish });
      if (options.instant === true) finish();
      return promise.then(() => ({ written: batch.rows.length, stale: 0 }));
    },
  };
  const acknowledged: Acknowledgement[] = [];
  const held: boolean[] = [];
  const ends: unknown[] = [];
  const signal = new CallerAbort();
  const stream = createWriteStream({
    writer: createFeatureWriter({
      registry: registryOf({ ...SNAPSHOT, views }),
      store: store as OnlineStore,
      entityKeyVersion: 3,
      maxPendingBytes: 1_000_000,
    }),
    acknowledge: (acknowledgement) => acknowledged.push(acknowledgement),
    hold: (isHeld) => held.push(isHeld),
    end: (error) => ends.push(error),
    signal,
    deadlineAtMs: Infinity,
    call: undefined,
  });
  return { stream, writes, acknowledged, held, ends, signal };
}

/** A tag and the length of what follows. */
function lengthOf(tag: number, length: number): Buffer {
  const bytes = Buffer.alloc(6, tag);
  return bytes.subarray(0, writeVarint(bytes, 1, length));
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a stream of rows', () => {
  it('gathers what comes while a batch is being written, and acknowledges it together', async () => {
    const { stream, writes, acknowledged, ends } = open();
    stream.onRequest(target());
    stream.onRequest(rows(1, 1, 2));
    await turn();
    for (const id of [2, 3, 4]) stream.onRequest(rows(id, id));
    await turn();
    expect(writes.map(({ batch }) => batch.rows.length)).toEqual([2]);
    writes[0]!.finish();
    await turn();
    expect(writes.map(({ batch }) => batch.rows.length)).toEqual([2, 3]);
    stream.onEnd();
    expect(ends).toEqual([]);
    writes[1]!.finish();
    await turn();
    expect(acknowledged).toEqual([
      { acknowledgedId: 1n, written: 2, stale: 0, rejections: [] },
      { acknowledgedId: 4n, written: 3, stale: 0, rejections: [] },
    ]);
    expect([ends, stream.rowCount]).toEqual([[undefined], 5]);
  });

  it('rejects rows that do not fit, and writes the others', async () => {
    const { stream, writes, acknowledged } = open({ instant: true });
    stream.onRequest(target());
    stream.onRequest(rows(1, 1));
    const columns = [{ val: [int64(1)] }, { val: [text('x')] }, { val: [text('2025-01-01')] }];
    stream.onRequest(encode({ case: 'rows', value: { id: 2n, columns } }));
    stream.onRequest(encode({ case: 'rows', value: { id: 3n, columns: columns.slice(1) } }));
    stream.onRequest(target('nope'));
    stream.onRequest(rows(4, 1));
    stream.onRequest(target());
    stream.onRequest(rows(5, 2));
    await turn();
    expect(writes.map(({ batch }) => batch.rows.length)).toEqual([2]);
    expect(acknowledged).toMatchObject([
      {
        acknowledgedId: 5n,
        written: 2,
        rejections: [
          { id: 2n, error: { message: 'feature view stats: row 0: trips is no INT64' } },
          { id: 3n, error: { code: 'INVALID_REQUEST' } },
          { id: 4n, error: { code: 'FEATURE_VIEW_NOT_FOUND' } },
        ],
      },
    ]);
  });

  it('goes on when the store fails, and says which rows it did not take', async () => {
    const { stream, writes, acknowledged, ends } = open();
    stream.onRequest(target());
    stream.onRequest(rows(1, 1));
    stream.onRequest(rows(2, 2));
    await turn();
    stream.onRequest(rows(3, 3));
    writes[0]!.finish(onlineStoreUnavailable('gone'));
    await turn();
    writes[1]!.finish();
    await turn();
    expect(acknowledged).toMatchObject([
      {
        acknowledgedId: 2n,
        rejections: [
          { id: 1n, error: { code: 'ONLINE_STORE_UNAVAILABLE' } },
          { id: 2n, error: { code: 'ONLINE_STORE_UNAVAILABLE' } },
        ],
      },
      { acknowledgedId: 3n, written: 1, rejections: [] },
    ]);
    expect(ends).toEqual([]);
  });

  it('writes rows of a push source to all its views', async () => {
    const { stream, writes, acknowledged } = open({ instant: true });
    const name = { case: 'pushSource' as const, value: 'live' };
    const columns = ['id', 'trips', 'rate', 'event_timestamp'];
    stream.onRequest(encode({ case: 'target', value: { name, columns } }));
    const values = [int64(1), int64(2), text('0.5'), text('2025-01-01')];
    const rowColumns = values.map((value) => ({ val: [value] }));
    stream.onRequest(encode({ case: 'rows', value: { id: 1n, columns: rowColumns } }));
    await turn();
    expect(writes.map(({ batch }) => batch.view.storedName)).toEqual(['stats', 'rates']);
    expect(acknowledged).toMatchObject([{ written: 2, rejections: [] }]);
  });

  it('holds the client back while much waits', async () => {
    const { stream, writes, held } = open();
    stream.onRequest(target());
    const many = Array.from({ length: 20_000 }, (_, i) => i);
    stream.onRequest(rows(1, ...many));
    await turn();
    expect(held).toEqual([]);
    for (let id = 2; id < 6; id++) stream.onRequest(rows(id, ...many));
    expect(held).toEqual([true]);
    for (let i = 0; i < 3; i++) {
      await waitUntil(() => writes.length > i, { what: 'the next write' });
      writes[i]!.finish();
      await turn();
    }
    expect(held).toEqual([true, false]);
  });

  it('takes requests that say little a few thousand at a time, others between them', async () => {
    const { stream, acknowledged, held } = open({ instant: true });
    stream.onRequest(target());
    for (let id = 1; id <= 10_000; id++) {
      stream.onRequest(encode({ case: 'rows', value: { id: BigInt(id) } }));
    }
    expect(held).toEqual([true]);
    await turn();
    expect(acknowledged.length).toBeGreaterThan(1);
    const counts = acknowledged.map(({ rejections }) => rejections.length);
    expect(Math.max(...counts)).toBeLessThan(5_000);
    expect(counts.reduce((sum, count) => sum + count)).toBe(10_000);
  });

  it('makes many rows in turns', async () => {
    const { stream, writes } = open({ instant: true });
    stream.onRequest(target());
    stream.onRequest(rows(1, ...Array.from({ length: 40_000 }, (_, i) => i)));
    stream.onRequest(rows(2, 1));
    await Promise.resolve();
    await Promise.resolve();
    expect(writes).toEqual([]);
    await waitUntil(() => writes.length > 0, { what: 'a write' });
    expect(writes.map(({ batch }) => batch.rows.length)).toEqual([40_000, 1]);
  });

  it('names a few of very many columns, and those in short', async () => {
    const { stream, acknowledged } = open({ instant: true });
    const names = Array.from({ length: 10_000 }, (_, i) => `column ${i} ${'x'.repeat(1000)}`);
    stream.onRequest(target('stats', names));
    stream.onRequest(rows(1, 1));
    stream.onRequest(target('stats', ['id', 'x'.repeat(100_000)]));
    stream.onRequest(encode({ case: 'rows', value: { id: 2n, columns: [{}, {}] } }));
    stream.onRequest(encode({ case: 'rows', value: { id: 3n, columns: [{ val: [int64(1)] }] } }));
    await turn();
    const messages = acknowledged.flatMap(({ rejections }) =>
      rejections.map(({ error }) => error.message),
    );
    expect(messages[0]).toMatch(/^the rows have 3 columns, .* and 9980 more$/);
    expect(Math.max(...messages.map(({ length }) => length))).toBeLessThan(5_000);
  });

  it('refuses a target of very many columns', () => {
    const { stream } = open();
    const names = Array.from({ length: 1_000_000 }, (_, i) => `c${i}`);
    const message = target('stats', names);
    expect(() => stream.onRequest(message)).toThrow('there are more than 10000 columns');
  });

  it('rejects very many rows at once', async () => {
    const { stream, acknowledged } = open({ instant: true });
    stream.onRequest(target('stats', ['id']));
    const values = Buffer.alloc(2 * 1_000_001, '0a00', 'hex');
    const column = Buffer.concat([lengthOf(0x12, values.length), values]);
    const message = Buffer.concat([Buffer.of(0x08, 1), column]);
    stream.onRequest(Buffer.concat([lengthOf(0x12, message.length), message]));
    await turn();
    expect(acknowledged).toMatchObject([{ rejections: [{ error: { code: 'INVALID_REQUEST' } }] }]);
    expect(acknowledged[0]!.rejections[0]!.error.message).toContain('there are 1000001 rows');
  });

  it('looks once for what a misspelt name may mean', async () => {
    let looks = 0;
    const { stream, acknowledged } = open({ instant: true, onNames: () => looks++ });
    stream.onRequest(target('stat'));
    for (let id = 1; id <= 100; id++) stream.onRequest(rows(id, 1));
    await turn();
    expect(acknowledged.flatMap(({ rejections }) => rejections).length).toBe(100);
    expect(looks).toBe(1);
  });

  it.each<[string, Uint8Array[], RegExp]>([
    ['rows without a target', [rows(1, 1)], /first request has to name/],
    [
      'ids that do not grow',
      [target(), rows(2, 1), rows(2, 1)],
      /ids have to grow: 2 came after 2/,
    ],
    ['a column twice', [target('stats', ['id', 'id'])], /names column id twice/],
    ['nothing', [new Uint8Array(0)], /a target or rows/],
    ['what is no message', [Uint8Array.of(0x0a, 0x05, 0x01)], /not a valid/],
    ['a target without a name', [encode({ case: 'target', value: {} })], /a push source or/],
  ])('ends at %s', (_what, requests, text_) => {
    const { stream } = open();
    expect(() => {
      for (const request of requests) stream.onRequest(request);
    }).toThrow(text_);
  });

  it('writes and acknowledges nothing more once the caller is gone', async () => {
    const { stream, writes, acknowledged, ends, signal } = open();
    stream.onRequest(target());
    stream.onRequest(rows(1, 1));
    await turn();
    stream.onRequest(rows(2, 2));
    signal.abort();
    writes[0]!.finish();
    await turn();
    expect([writes.length, acknowledged, ends]).toEqual([1, [], []]);
  });
});
