import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { openSqliteOnlineStore } from '../../src/online-store/sqlite-online-store.ts';
import { describeOnlineStore } from './contract.ts';
import {
  entityKey,
  int64,
  NEW_YEAR_NS,
  openView,
  row,
  SECOND_NS,
  soon,
  text,
} from './store-fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'sideboard-sqlite-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newPath = (): string => join(folder, `store${files++}`, 'online.db');

describeOnlineStore('SQLite', async () => {
  const store = openSqliteOnlineStore({ path: newPath(), writerUtcOffsetSeconds: 0 });
  return { store, stop: async () => {} };
});

describe('event timestamps in SQLite', () => {
  it.each([
    ['INTEGER', 1_735_689_600, NEW_YEAR_NS],
    ['REAL', 1_735_689_600.5, NEW_YEAR_NS + SECOND_NS / 2n],
    ['TEXT', '2025-01-01 00:00:00', NEW_YEAR_NS],
    ['TEXT with a fraction', '2025-01-01 00:00:00.250000', NEW_YEAR_NS + SECOND_NS / 4n],
    ['TEXT with an offset', '2025-01-01T01:00:00+01:00', NEW_YEAR_NS],
  ])('reads %s', async (_, stored, expected) => {
    const path = newPath();
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const view = await openView(store);
    await view.write([row(entityKey(1), 0n, int64(1), int64(1))]);
    const other = new DatabaseSync(path);
    other.prepare(`UPDATE ${view.project}_stats SET event_ts = ?`).run(stored);
    other.close();
    expect(await view.timestampOf(entityKey(1))).toBe(expected);
    await store.close();
  });

  it('says that a row without a moment is damaged', async () => {
    const path = newPath();
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const view = await openView(store);
    await view.write([row(entityKey(1), 0n, int64(1), int64(1))]);
    const other = new DatabaseSync(path);
    other.exec(`UPDATE ${view.project}_stats SET event_ts = 'yesterday'`);
    other.close();
    await expect(view.read([entityKey(1)])).rejects.toMatchObject({ code: 'CORRUPT_STORED_VALUE' });
    await store.close();
  });

  it('takes the UTC offset of the writer into account, both ways', async () => {
    const path = newPath();
    // A Feast process in Los Angeles stores 2025-01-01T00:00:00Z as 1735718400.
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: -8 * 3600 });
    const view = await openView(store);
    await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
    expect(await view.timestampOf(entityKey(1))).toBe(NEW_YEAR_NS);
    const other = new DatabaseSync(path);
    const stored = other.prepare(`SELECT event_ts FROM ${view.project}_stats`).get();
    expect(stored?.['event_ts']).toBe(1_735_718_400);
    other.close();
    await store.close();
  });
});

describe('writing to SQLite', () => {
  it('fills the text part as Feast does', async () => {
    const path = newPath();
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const texts: readonly [Uint8Array, string | null][] = [
      [int64(-5), '-5'],
      [text('Zürich'), 'Zürich'],
      [writeValue(ValueType.BOOL, true), 'True'],
      [writeValue(ValueType.DOUBLE, 1e22), '1e+22'],
      [writeValue(ValueType.DOUBLE, -0), '-0.0'],
      [writeValue(ValueType.DOUBLE, 1e-7), '1e-07'],
      [writeValue(ValueType.DOUBLE, 123_456_789_012_345_680), '1.2345678901234568e+17'],
      [writeValue(ValueType.DOUBLE, 0.0001), '0.0001'],
      [writeValue(ValueType.FLOAT, 0.1), '0.10000000149011612'],
      [writeValue(ValueType.BYTES, new Uint8Array(1)), null],
      [new Uint8Array(0), null],
    ];
    const names = texts.map((_, i) => `f${i}`);
    const view = await openView(store, names);
    const values = texts.map(([value]) => value);
    await view.write([
      { ...row(entityKey(1), NEW_YEAR_NS, ...values), createdTimestampNs: SECOND_NS },
    ]);
    const other = new DatabaseSync(path);
    const rows = other
      .prepare(`SELECT value_text, vector_value, event_ts, created_ts FROM ${view.project}_stats`)
      .all();
    expect(rows.map((stored) => stored['value_text'])).toEqual(
      texts.map(([, expected]) => expected),
    );
    expect(rows[0]).toMatchObject({ vector_value: null, event_ts: 1_735_689_600, created_ts: 1 });
    other.close();
    await store.close();
  });

  it('overwrites newer events by default and keeps them with skipStale', async () => {
    const path = newPath();
    const overwriting = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const view = await openView(overwriting);
    await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
    await view.write([row(entityKey(1), NEW_YEAR_NS - SECOND_NS, int64(2), int64(2))]);
    expect(await view.valuesOf(entityKey(1))).toEqual([2n, 2n]);
    await overwriting.close();

    const careful = openSqliteOnlineStore({
      path: newPath(),
      writerUtcOffsetSeconds: 0,
      skipStale: true,
    });
    const guarded = await openView(careful);
    const at = (seconds: bigint, value: number): ReturnType<typeof row> =>
      row(entityKey(1), NEW_YEAR_NS + seconds * SECOND_NS, int64(value), int64(value));
    expect(await guarded.write([at(0n, 1), at(2n, 2), at(1n, 3)])).toEqual({
      written: 2,
      stale: 1,
    });
    expect(await guarded.valuesOf(entityKey(1))).toEqual([2n, 2n]);
    await careful.close();
  });

  it.each([63, 64, 65, 130])('writes rows of %i features, and parts of them', async (count) => {
    const store = openSqliteOnlineStore({ path: newPath(), writerUtcOffsetSeconds: 0 });
    const names = Array.from({ length: count }, (_, i) => `f${i}`);
    const view = await openView(store, names);
    const first = names.map((_, i) => int64(i));
    const odd = names.map((_, i) => (i % 2 === 1 ? int64(-i) : undefined));
    await view.write([
      row(entityKey(2), NEW_YEAR_NS, ...first),
      row(entityKey(1), NEW_YEAR_NS, ...first),
      row(entityKey(2), NEW_YEAR_NS, ...odd),
    ]);
    expect(await view.valuesOf(entityKey(1))).toEqual(names.map((_, i) => BigInt(i)));
    expect(await view.valuesOf(entityKey(2))).toEqual(
      names.map((_, i) => BigInt(i % 2 === 1 ? -i : i)),
    );
    await store.close();
  });

  it('writes features of any name', async () => {
    const store = openSqliteOnlineStore({ path: newPath(), writerUtcOffsetSeconds: 0 });
    const names = ["it's", '"q"', 'a?1', 'x; --', 'nul\0and more', 'größe 🎉', ''];
    const view = await openView(store, names);
    const first = names.map((_, i) => int64(i));
    await view.write([row(entityKey(1), NEW_YEAR_NS, ...first)]);
    await view.write([row(entityKey(1), NEW_YEAR_NS, ...first.toReversed())]);
    expect(await view.valuesOf(entityKey(1))).toEqual([6n, 5n, 4n, 3n, 2n, 1n, 0n]);
    await store.close();
  });

  it('compares each row with what is stored, wherever its key lies', async () => {
    const store = openSqliteOnlineStore({
      path: newPath(),
      writerUtcOffsetSeconds: 0,
      skipStale: true,
    });
    const view = await openView(store);
    const newest = new Map<number, { second: number; value: number }>();
    let value = 0;
    for (let batch = 0; batch < 8; batch++) {
      // Ids jump, so that some keys lie before the last one of the table, some behind, some twice.
      const rows = Array.from({ length: 150 }, () => {
        value++;
        const id = (value * 7_919) % 401;
        const second = (value * 31) % 17;
        return { id, second, value };
      });
      let stale = 0;
      for (const each of rows) {
        const known = newest.get(each.id);
        if (known !== undefined && known.second > each.second) stale++;
        else newest.set(each.id, each);
      }
      const result = await view.write(
        rows.map(({ id, second, value: stored }) =>
          row(
            entityKey(id),
            NEW_YEAR_NS + BigInt(second) * SECOND_NS,
            int64(stored),
            int64(-stored),
          ),
        ),
      );
      expect(result).toEqual({ written: 150 - stale, stale });
    }
    expect(newest.size).toBe(401);
    for (const [id, expected] of newest) {
      const stored = BigInt(expected.value);
      expect(await view.valuesOf(entityKey(id))).toEqual([stored, -stored]);
    }
    await store.close();
  });

  it('lets the last row of an entity stay, wherever in a large batch it stands', async () => {
    const store = openSqliteOnlineStore({ path: newPath(), writerUtcOffsetSeconds: 0 });
    const view = await openView(store);
    const ids = Array.from({ length: 600 }, (_, i) => (i * 7) % 300);
    await view.write(ids.map((id, i) => row(entityKey(id), NEW_YEAR_NS, int64(i), int64(i))));
    for (const id of new Set(ids)) {
      const last = BigInt(ids.lastIndexOf(id));
      expect(await view.valuesOf(entityKey(id))).toEqual([last, last]);
    }
    await store.close();
  });

  it('writes to tables of older and of extended Feast stores', async () => {
    const path = newPath();
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const { project, view } = await openView(store);
    const other = new DatabaseSync(path);
    const columns =
      'entity_key BLOB, feature_name TEXT, value BLOB, event_ts timestamp, created_ts timestamp';
    const key = 'PRIMARY KEY(entity_key, feature_name)';
    other.exec(`DROP TABLE ${project}_stats`);
    other.exec(`CREATE TABLE ${project}_stats (${columns}, ${key})`);
    other.exec(
      `CREATE TABLE ${project}_more (${columns}, value_text TEXT, value_num REAL, ${key})`,
    );
    for (const storedName of ['stats', 'more']) {
      const rows = [row(entityKey(1), NEW_YEAR_NS, int64(7), text('x'))];
      const batch = { project, joinKeys: ['id'], view: { ...view, storedName }, rows };
      expect(await store.write(batch, soon())).toEqual({ written: 2 - 1, stale: 0 });
    }
    const numbers = other
      .prepare(`SELECT value_num FROM ${project}_more ORDER BY feature_name`)
      .all();
    expect(numbers.map((stored) => stored['value_num'])).toEqual([7, null]);
    other.close();
    await store.close();
  });
});

describe('a SQLite file shared with others', () => {
  it('waits while another process holds the lock, until the deadline', async () => {
    const path = newPath();
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const view = await openView(store);
    const other = new DatabaseSync(path);
    other.exec('PRAGMA journal_mode = DELETE');
    other.exec('BEGIN EXCLUSIVE');
    const startedAtMs = performance.now();
    await expect(view.read([entityKey(1)], soon(150))).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    expect(performance.now() - startedAtMs).toBeLessThan(2_000);
    const waiting = view.read([entityKey(1)]);
    other.exec('COMMIT');
    expect(await waiting).toEqual([[null, null, null]]);
    other.close();
    await store.close();
  });

  it('says how to make a missing table', async () => {
    const path = newPath();
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const prepared = store.prepare({
      project: 'p',
      joinKeys: ['id'],
      views: [{ storedName: 'nothing', featureNames: ['a'] }],
    });
    // Callers see the message; where the file is, is for the log.
    await expect(store.read([{ prepared, keys: [entityKey(1)] }], soon())).rejects.toMatchObject({
      code: 'ONLINE_STORE_UNAVAILABLE',
      message:
        'online store unavailable: SQLite has no table p_nothing: create it with sideboard apply (or feast apply), then materialize',
      cause: { message: expect.stringContaining(path) as string },
    });
    await store.close();
  });

  it.each([false, true])(
    'says so to who writes as well, comparing or not: %s',
    async (skipStale) => {
      const store = openSqliteOnlineStore({
        path: newPath(),
        writerUtcOffsetSeconds: 0,
        skipStale,
      });
      const view = { storedName: 'nothing', featureNames: ['a'] };
      const rows = [row(entityKey(1), NEW_YEAR_NS, int64(1))];
      await expect(
        store.write({ project: 'p', joinKeys: ['id'], view, rows }, soon()),
      ).rejects.toThrow('SQLite has no table p_nothing: create it with sideboard apply');
      await store.close();
    },
  );

  it('says that SQLite writes beside its file even where it only reads', async () => {
    const path = newPath();
    const writer = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const { project } = await openView(writer);
    await writer.close();
    // As in a folder that may not be written to: the file that it needs cannot be made.
    mkdirSync(`${path}-wal`);
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const reading = store.inspect(project, entityKey(1));
    await expect(reading).rejects.toThrow(
      /unable to open database file.* allowed to write to the folder/,
    );
    await store.close();
  });

  it('says what is wrong with a file that is no database', async () => {
    const path = newPath();
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    await store.close();
    copyFileSync(import.meta.filename, path);
    const broken = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    await expect(broken.ping(soon())).rejects.toMatchObject({
      code: 'ONLINE_STORE_UNAVAILABLE',
      message: 'online store unavailable: SQLite: file is not a database',
      cause: { message: expect.stringContaining(path) as string },
    });
    expect(await broken.check()).toMatchObject([{ level: 'error' }]);
    await broken.close();
  });

  it('goes over to a file that was put in its place', async () => {
    const path = newPath();
    const store = openSqliteOnlineStore({ path, writerUtcOffsetSeconds: 0 });
    const view = await openView(store);
    await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
    const replacement = `${path}.new`;
    const writer = openSqliteOnlineStore({ path: replacement, writerUtcOffsetSeconds: 0 });
    await writer.update(view.project, ['stats'], []);
    const rows = [row(entityKey(1), NEW_YEAR_NS, int64(2), int64(2))];
    await writer.write({ project: view.project, joinKeys: ['id'], view: view.view, rows }, soon());
    await writer.close();
    rmSync(path);
    rmSync(`${path}-wal`, { force: true });
    rmSync(`${path}-shm`, { force: true });
    copyFileSync(replacement, path);
    await expect.poll(() => view.valuesOf(entityKey(1)), { timeout: 5_000 }).toEqual([2n, 2n]);
    await store.close();
  });
});
