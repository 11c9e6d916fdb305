import { describe, expect, it } from 'vitest';
import { onlineStoreUnavailable } from '../../src/errors.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { createFeatureWriter } from '../../src/ingestion/feature-writer.ts';
import type { FeatureWriter } from '../../src/ingestion/feature-writer.ts';
import type { PlainValue } from '../../src/ingestion/plain-value.ts';
import { PlainColumn } from '../../src/ingestion/plain-column.ts';
import type { WriteFrame } from '../../src/ingestion/write-frame.ts';
import type { OnlineStore, WriteBatch } from '../../src/online-store/online-store.ts';
import { registryOf, snapshotOf, viewOf, type TestRegistry } from './write-fixture.ts';

const stats = viewOf({ name: 'stats', features: [['trips', ValueType.INT64]] });
const rates = viewOf({ name: 'rates', features: [['rate', ValueType.DOUBLE]] });
const computed = viewOf({
  name: 'computed',
  kind: 'on_demand_feature_view',
  features: [['x', ValueType.INT64]],
});
const SNAPSHOT = snapshotOf([stats, rates, computed], { live: ['stats', 'rates'] });
const NO_CACHE = { allowRegistryCache: false, deadlineAtMs: Infinity };
const CACHE = { allowRegistryCache: true, deadlineAtMs: Infinity };

function frame(columns: Readonly<Record<string, PlainValue>>): WriteFrame {
  const entries = Object.entries({ event_timestamp: '2025-01-01', ...columns });
  return {
    rowCount: 1,
    columns: new Map(entries.map(([name, value]) => [name, new PlainColumn([value])])),
  };
}

const BOTH = frame({ trips: 1n, rate: 0.5 });

interface Bench {
  readonly writer: FeatureWriter;
  readonly registry: TestRegistry;
  readonly batches: WriteBatch[];
}

function open(options: {
  readonly write?: (batch: WriteBatch) => Promise<void>;
  readonly maxPendingBytes?: number;
  readonly authorize?: () => void;
}): Bench {
  const registry = registryOf(SNAPSHOT);
  const batches: WriteBatch[] = [];
  const store: Pick<OnlineStore, 'write'> = {
    async write(batch) {
      batches.push(batch);
      await options.write?.(batch);
      return { written: batch.rows.length, stale: 0 };
    },
  };
  const writer = createFeatureWriter({
    registry,
    store: store as OnlineStore,
    entityKeyVersion: 3,
    maxPendingBytes: options.maxPendingBytes ?? 1_000_000,
    authorize: options.authorize,
  });
  return { writer, registry, batches };
}

describe('a push', () => {
  it('writes every view of its source', async () => {
    const { writer, batches } = open({});
    const result = await writer.push({ pushSourceName: 'live', frame: BOTH, to: 'online' }, CACHE);
    expect(result).toEqual({ written: 2, stale: 0 });
    expect(batches.map(({ project, view }) => [project, view])).toEqual([
      ['rides', { storedName: 'stats', featureNames: ['trips'] }],
      ['rides', { storedName: 'rates', featureNames: ['rate'] }],
    ]);
  });

  it('of many rows lets others have their turns, and is all rows or none', async () => {
    const { writer, batches } = open({ maxPendingBytes: 1e9 });
    const rowCount = 25_000;
    const many = (last: PlainValue): WriteFrame => ({
      rowCount,
      columns: new Map(
        Object.entries({ event_timestamp: '2025-01-01', trips: 1n, rate: 0.5 }).map(
          ([name, value]) => {
            const values: PlainValue[] = Array.from({ length: rowCount }, () => value);
            if (name === 'trips') values[rowCount - 1] = last;
            return [name, new PlainColumn(values)];
          },
        ),
      ),
    });
    const push = (frame: WriteFrame) =>
      writer.push({ pushSourceName: 'live', frame, to: 'online' }, CACHE);
    let turns = 0;
    const count = (): void => {
      turns++;
      if (batches.length === 0) setImmediate(count);
    };
    setImmediate(count);
    expect(await push(many(2n))).toEqual({ written: 2 * rowCount, stale: 0 });
    // Three turns for each of two views.
    expect(turns).toBeGreaterThanOrEqual(6);
    await expect(push(many('x'))).rejects.toThrow(/stats: row 24999: trips.*written all the same/);
    expect(batches.map(({ view, rows }) => [view.storedName, rows.length])).toEqual([
      ['stats', rowCount],
      ['rates', rowCount],
      ['rates', rowCount],
    ]);
  });

  it('of many rows is refused beside others of as many, before it takes any room', async () => {
    const { writer, batches } = open({ maxPendingBytes: 600_000 });
    const write = (rowCount: number) => {
      const values = { event_timestamp: '2025-01-01', trips: 1n };
      const columns = Object.entries(values).map(
        ([name, value]) =>
          [name, new PlainColumn(Array.from({ length: rowCount }, () => value))] as const,
      );
      const many = { rowCount, columns: new Map(columns) };
      return writer.write({ viewName: 'stats', frame: many, transformOnWrite: true }, CACHE);
    };
    const refused: unknown[] = [];
    const large = Array.from({ length: 10 }, () =>
      write(14_000).catch((error) => refused.push(error)),
    );
    await Promise.resolve();
    expect(await write(1)).toEqual({ written: 1, stale: 0 });
    expect([refused.length, batches.length]).toEqual([9, 1]);
    for (const error of refused) expect(error).toMatchObject({ code: 'OVERLOADED' });
    await Promise.all(large);
    expect(batches.map(({ rows }) => rows.length)).toEqual([1, 14_000]);
    expect(await write(14_000)).toEqual({ written: 14_000, stale: 0 });
  });

  it('writes the views that take it and tells of the first that does not', async () => {
    const { writer, batches } = open({});
    const push = { pushSourceName: 'live', frame: frame({ trips: 'x', rate: 1 }), to: 'online' };
    await expect(writer.push(push, CACHE)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: 'feature view stats: row 0: trips is no INT64; written all the same: rates',
    });
    expect(batches.map(({ view }) => view.storedName)).toEqual(['rates']);
  });

  it('waits for every view before it tells of a failure', async () => {
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
    const { writer, batches } = open({
      write: ({ view }) =>
        view.storedName === 'stats' ? Promise.reject(onlineStoreUnavailable('gone')) : gate,
    });
    let isOver = false;
    const push = writer
      .push({ pushSourceName: 'live', frame: BOTH, to: 'online' }, CACHE)
      .finally(() => {
        isOver = true;
      });
    await Promise.resolve();
    expect([isOver, batches.length]).toEqual([false, 2]);
    openGate();
    await expect(push).rejects.toMatchObject({
      code: 'ONLINE_STORE_UNAVAILABLE',
      message: 'online store unavailable: gone; written all the same: rates',
    });
  });

  it.each([
    ['offline', 'OFFLINE_WRITE_UNSUPPORTED'],
    ['online_and_offline', 'OFFLINE_WRITE_UNSUPPORTED'],
    ['ONLINE', 'INVALID_REQUEST'],
    ['', 'INVALID_REQUEST'],
  ])('to %j writes nothing', async (to, code) => {
    const { writer, batches } = open({});
    const push = writer.push({ pushSourceName: 'live', frame: BOTH, to }, CACHE);
    await expect(push).rejects.toMatchObject({ code });
    expect(batches).toEqual([]);
  });
});

describe('a write', () => {
  it('names views that are not there, and those that have to be computed', async () => {
    const { writer } = open({});
    const write = (viewName: string, transformOnWrite: boolean) =>
      writer.write({ viewName, frame: frame({ x: 1n }), transformOnWrite }, CACHE);
    await expect(write('nope', true)).rejects.toMatchObject({ code: 'FEATURE_VIEW_NOT_FOUND' });
    await expect(write('computed', true)).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' });
    await expect(write('computed', false)).resolves.toEqual({ written: 1, stale: 0 });
  });

  it('names what is near a wrong name, unless there are permissions', async () => {
    const refusals = async ({ writer }: Bench): Promise<readonly string[]> => {
      const rows = { frame: BOTH, to: 'online', transformOnWrite: true };
      const writes = [
        writer.write({ ...rows, viewName: 'stat' }, CACHE),
        writer.push({ ...rows, pushSourceName: 'life' }, CACHE),
      ];
      const outcomes = await Promise.allSettled(writes);
      return outcomes.map((outcome) =>
        outcome.status === 'rejected' ? (outcome.reason as Error).message : 'written',
      );
    };
    const sentences = [
      'Feature view stat does not exist in project rides',
      "Unable to find push source 'life'.",
    ];
    expect(await refusals(open({ authorize: () => undefined }))).toEqual(sentences);
    expect(await refusals(open({}))).toEqual([
      `${sentences[0]}; did you mean stats?`,
      `${sentences[1]} Did you mean 'live'?`,
    ]);
  });

  it('is refused while too much is on its way, unless it is alone', async () => {
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
    const { writer } = open({ write: () => gate, maxPendingBytes: 10 });
    const write = () =>
      writer.write(
        { viewName: 'stats', frame: frame({ trips: 1n }), transformOnWrite: true },
        CACHE,
      );
    const first = write();
    await expect(write()).rejects.toMatchObject({ code: 'OVERLOADED' });
    openGate();
    await first;
    await expect(write()).resolves.toEqual({ written: 1, stale: 0 });
  });
});

describe('a caller who allows no cache', () => {
  const added = viewOf({ name: 'added', features: [['x', ValueType.INT64]] });
  const NEXT = snapshotOf([added], { fresh: ['added'] });
  const push = { pushSourceName: 'fresh', frame: frame({ x: 1n }), to: 'online' };

  it('gets views that were applied a moment ago', async () => {
    const { writer, registry } = open({});
    registry.next = NEXT;
    await expect(writer.push(push, CACHE)).rejects.toMatchObject({ code: 'PUSH_SOURCE_NOT_FOUND' });
    expect(registry.refreshCount).toBe(0);
    await expect(writer.push(push, NO_CACHE)).resolves.toEqual({ written: 1, stale: 0 });
  });

  it('costs nothing while the copy is new, and no write while the registry is away', async () => {
    const { writer, registry } = open({});
    const known = { pushSourceName: 'live', frame: BOTH, to: 'online' };
    await writer.push(known, NO_CACHE);
    expect(registry.refreshCount).toBe(0);
    registry.age = 60_000;
    registry.refreshFails = true;
    await expect(writer.push(known, NO_CACHE)).resolves.toEqual({ written: 2, stale: 0 });
    expect(registry.refreshCount).toBe(1);
  });
});
