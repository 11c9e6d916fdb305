import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OnlineStore } from '../../src/online-store/online-store.ts';
import type { RedisOnlineStoreOptions } from '../../src/online-store/redis-online-store.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import { waitUntil } from '../support/wait-until.ts';
import type { OpenedStore } from './contract.ts';
import {
  entityKey,
  int64,
  NEW_YEAR_NS,
  openView,
  row,
  SECOND_NS,
  type ViewFixture,
} from './store-fixture.ts';
import { readCells } from '../support/stored-cells.ts';

/** Settings of a Redis store in these tests; `nodes` and `kind` are the caller's. */
export const REDIS_DEFAULTS = {
  database: 0,
  tls: false,
  sentinelMaster: 'mymaster',
  keyTtlSeconds: undefined,
  skipDedup: false,
  connectTimeoutMs: 2_000,
  commandTimeoutMs: 5_000,
} as const;

/** What Feast's Redis store does beyond the contract: staleness, time to live, and its encoding of moments. */
export function describeRedisWrites(
  name: string,
  open: () => Promise<OpenedStore & { readonly options: RedisOnlineStoreOptions }>,
): void {
  describe(`${name}: writes to Redis`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let store: OnlineStore;
    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(async () => {
      await store?.close();
      await opened?.stop();
    });
    const openWith = (changes: Partial<RedisOnlineStoreOptions>): Promise<OnlineStore> =>
      openOnlineStore({ ...opened.options, ...changes });
    describeStaleness(() => store);
    describeOptions(() => store, openWith);
  });
}

function describeStaleness(store: () => OnlineStore): void {
  it('keeps nanoseconds', async () => {
    const view = await openView(store());
    const moment = NEW_YEAR_NS + 987_654_321n;
    await view.write([row(entityKey(1), moment, int64(1), int64(1))]);
    expect(await view.timestampOf(entityKey(1))).toBe(moment);
  });

  it.each([
    ['an older event', NEW_YEAR_NS, NEW_YEAR_NS - 1n, false],
    ['the same event', NEW_YEAR_NS, NEW_YEAR_NS, false],
    ['an event one nanosecond newer', NEW_YEAR_NS, NEW_YEAR_NS + 1n, true],
    [
      'an event in a later second with fewer nanoseconds',
      NEW_YEAR_NS + 5n,
      NEW_YEAR_NS + SECOND_NS,
      true,
    ],
    ['an event after epoch 0', 0n, 1n, true],
    ['epoch 0 again', 0n, 0n, true],
    ['an older event where one before 1970 is stored', -5n * SECOND_NS, -9n * SECOND_NS, true],
    ['an older event in the same second', NEW_YEAR_NS + 7n, NEW_YEAR_NS + 6n, false],
  ])('judges %s', async (_, stored, event, isWritten) => {
    const view = await openView(store());
    await view.write([row(entityKey(1), stored, int64(1), int64(1))]);
    const result = await view.write([row(entityKey(1), event, int64(2), int64(2))]);
    expect(result).toEqual(isWritten ? { written: 1, stale: 0 } : { written: 0, stale: 1 });
    expect(await view.valuesOf(entityKey(1))).toEqual(isWritten ? [2n, 2n] : [1n, 1n]);
    expect(await view.timestampOf(entityKey(1))).toBe(isWritten ? event : stored);
  });

  it('judges rows of one batch by each other, in their order', async () => {
    const view = await openView(store());
    const at = (seconds: number, value: number): ReturnType<typeof row> =>
      row(entityKey(1), NEW_YEAR_NS + BigInt(seconds) * SECOND_NS, int64(value), int64(value));
    expect(await view.write([at(1, 1), at(3, 3), at(2, 2), at(3, 4)])).toEqual({
      written: 2,
      stale: 2,
    });
    expect(await view.valuesOf(entityKey(1))).toEqual([3n, 3n]);
  });

  it('judges each row of a large batch, the same entity anywhere in it', async () => {
    const view = await openView(store());
    const ids = Array.from({ length: 130 }, (_, id) => id);
    const odd = ids.filter((id) => id % 2 === 1);
    await view.write(odd.map((id) => rowAt(id, 50)));
    const batch = [...ids.map((id) => rowAt(id, 40)), ...ids.map((id) => rowAt(id, 45))];
    expect(await view.write(batch)).toEqual({ written: 130, stale: 130 });
    for (const id of ids) {
      const newest = id % 2 === 1 ? 50 : 45;
      expect(await view.valuesOf(entityKey(id))).toEqual([BigInt(newest), BigInt(newest)]);
      expect(await view.timestampOf(entityKey(id))).toBe(NEW_YEAR_NS + BigInt(newest) * SECOND_NS);
    }
    // Nothing is written twice, and no field takes the place of another.
    expect(await view.write(batch)).toEqual({ written: 0, stale: 260 });
    const mixed = [
      row(entityKey(0), NEW_YEAR_NS + 60n * SECOND_NS, int64(1), int64(2)),
      row(entityKey(1), NEW_YEAR_NS + 60n * SECOND_NS, undefined, int64(4)),
      row(entityKey(2), NEW_YEAR_NS + 60n * SECOND_NS, int64(5), undefined),
    ];
    expect(await view.write(mixed)).toEqual({ written: 3, stale: 0 });
    expect(await view.valuesOf(entityKey(0))).toEqual([1n, 2n]);
    expect(await view.valuesOf(entityKey(1))).toEqual([50n, 4n]);
    expect(await view.valuesOf(entityKey(2))).toEqual([5n, 45n]);
  });

  it.each([1_000, 1_001])('writes several rows of %i features', async (count) => {
    const names = Array.from({ length: count }, (_, i) => `f${i}`);
    const view = await openView(store(), names);
    const values = (first: number) => names.map((_, i) => int64(first + i));
    await view.write([1, 2, 3].map((id) => row(entityKey(id), NEW_YEAR_NS, ...values(id))));
    for (const id of [1, 2, 3]) {
      expect(await view.valuesOf(entityKey(id))).toEqual(names.map((_, i) => BigInt(id + i)));
    }
  });

  it('judges a view by its own rows only', async () => {
    const { project, write, valuesOf } = await openView(store());
    const other = { storedName: 'other', featureNames: ['c'] };
    const late = [row(entityKey(1), NEW_YEAR_NS + SECOND_NS, int64(9))];
    await store().write(
      { project, joinKeys: ['id'], view: other, rows: late },
      { deadlineAtMs: Infinity },
    );
    await write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
    expect(await valuesOf(entityKey(1))).toEqual([1n, 1n]);
  });

  it('ends with the newest event however writers race', async () => {
    const view = await openView(store());
    const ids = Array.from({ length: 20 }, (_, id) => id);
    const writer = async (first: number): Promise<void> => {
      for (let step = 0; step < 20; step++) {
        const moment = (first * 7 + step * 13) % 101;
        await view.write(ids.map((id) => rowAt(id, moment)));
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, i) => writer(i)));
    const moments = Array.from({ length: 6 }, (_, i) => i).flatMap((i) =>
      Array.from({ length: 20 }, (_, step) => (i * 7 + step * 13) % 101),
    );
    const newest = Math.max(...moments);
    for (const id of ids) {
      expect(await view.valuesOf(entityKey(id))).toEqual([BigInt(newest), BigInt(newest)]);
      expect(await view.timestampOf(entityKey(id))).toBe(NEW_YEAR_NS + BigInt(newest) * SECOND_NS);
    }
  });

  it('writes rows of thousands of features', async () => {
    const names = Array.from({ length: 6_000 }, (_, i) => `f${i}`);
    const view = await openView(store(), names);
    await view.write([row(entityKey(1), NEW_YEAR_NS, ...names.map((_, i) => int64(i)))]);
    const values = await view.valuesOf(entityKey(1));
    expect(values).toEqual(names.map((_, i) => BigInt(i)));
  });
}

function rowAt(id: number, seconds: number): ReturnType<typeof row> {
  const moment = NEW_YEAR_NS + BigInt(seconds) * SECOND_NS;
  return row(entityKey(id), moment, int64(seconds), int64(seconds));
}

function describeOptions(
  store: () => OnlineStore,
  openWith: (changes: Partial<RedisOnlineStoreOptions>) => Promise<OnlineStore>,
): void {
  it('lets the last writer win with skip_dedup', async () => {
    const careless = await openWith({ skipDedup: true });
    try {
      const view = await openView(careless);
      const older = row(entityKey(1), NEW_YEAR_NS - SECOND_NS, int64(2), int64(2));
      await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
      expect(await view.write([older])).toEqual({ written: 1, stale: 0 });
      expect(await view.valuesOf(entityKey(1))).toEqual([2n, 2n]);
      const several = [
        row(entityKey(2), NEW_YEAR_NS, int64(1), int64(1)),
        row(entityKey(3), NEW_YEAR_NS, int64(7), int64(7)),
        row(entityKey(2), NEW_YEAR_NS - SECOND_NS, int64(2), undefined),
      ];
      expect(await view.write(several)).toEqual({ written: 3, stale: 0 });
      expect(await view.valuesOf(entityKey(2))).toEqual([2n, 1n]);
      expect(await view.timestampOf(entityKey(2))).toBe(NEW_YEAR_NS - SECOND_NS);
    } finally {
      await careless.close();
    }
  });

  it.each([false, true])(
    'gives the whole hash its time to live (skip_dedup %s)',
    async (skipDedup) => {
      const shortLived = await openWith({ keyTtlSeconds: 1, skipDedup });
      try {
        const view = await openView(shortLived);
        await view.write([1, 2].map((id) => row(entityKey(id), NEW_YEAR_NS, int64(1), int64(1))));
        await view.write([row(entityKey(3), NEW_YEAR_NS, int64(1), int64(1))]);
        for (const id of [3, 2, 1]) {
          expect(await ttlOf(shortLived, view, id)).toMatch(/^[01]\.\d s$/);
        }
        for (const id of [1, 2, 3]) {
          await waitUntil(async () => (await view.valuesOf(entityKey(id)))[0] === undefined, {
            what: 'the hash to expire',
          });
        }
      } finally {
        await shortLived.close();
      }
    },
  );

  it('sets no time to live by default', async () => {
    const view = await openView(store());
    await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
    expect(await ttlOf(store(), view)).toBe('none');
  });

  it('leaves removed views alone without full_scan_for_deletion', async () => {
    const keeping = await openWith({ fullScanForDeletion: false });
    try {
      const view = await openView(keeping);
      await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
      await keeping.update(view.project, [], [view.view]);
      expect(await view.valuesOf(entityKey(1))).toEqual([1n, 1n]);
    } finally {
      await keeping.close();
    }
  });

  it('removes rows of this project only, however alike the keys are', async () => {
    const one = await openView(store());
    const other = await openView(store());
    await one.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
    // Its key ends with the other's project name as well.
    const project = `x${one.project}`;
    const rows = [row(entityKey(1), NEW_YEAR_NS, int64(5), int64(5))];
    const limits = { deadlineAtMs: Infinity };
    await store().write({ project, joinKeys: ['id'], view: one.view, rows }, limits);
    await other.write(rows);
    await store().update(one.project, [], [one.view]);
    expect(await one.valuesOf(entityKey(1))).toEqual([undefined, undefined]);
    expect(await other.valuesOf(entityKey(1))).toEqual([5n, 5n]);
    const prepared = store().prepare({ project, joinKeys: ['id'], views: [one.view] });
    const key = Buffer.concat([entityKey(1), prepared.keySuffix]);
    const [cells] = await readCells(store(), [{ prepared, keys: [key] }], limits);
    expect(cells![0]).not.toBeNull();
  });
}

async function ttlOf(store: OnlineStore, view: ViewFixture, id = 1): Promise<string | undefined> {
  const { place } = await store.inspect(view.project, entityKey(id));
  return place.find(([label]) => label === 'ttl')?.[1];
}
