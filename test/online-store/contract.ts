import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import type { OnlineStore } from '../../src/online-store/online-store.ts';
import {
  binaryEntityKey,
  entityKey,
  int64,
  NEW_YEAR_NS,
  openView,
  row,
  SECOND_NS,
  soon,
  text,
} from './store-fixture.ts';
import { readCells } from '../support/stored-cells.ts';

/** A store to put through the contract, opened once for all cases. */
export interface OpenedStore {
  readonly store: OnlineStore;
  /** Ends what was started for it. */
  stop(): Promise<void>;
}

const NOTHING = new Uint8Array(0);

/** What every online store does, whatever keeps the rows. */
export function describeOnlineStore(name: string, open: () => Promise<OpenedStore>): void {
  describe(`${name}: an online store`, () => {
    let opened: OpenedStore;
    let store: OnlineStore;
    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(async () => {
      await store?.close();
      await opened?.stop();
    });
    describeReading(() => store);
    describeKeys(() => store);
    describeLimits(() => store);
    describeWriting(() => store);
    describeOperation(() => store);
  });
}

function describeReading(store: () => OnlineStore): void {
  it('answers a missing entity and a missing field with nothing', async () => {
    const view = await openView(store());
    await view.write([row(entityKey(1), NEW_YEAR_NS, int64(7), undefined)]);
    expect(await view.valuesOf(entityKey(1))).toEqual([7n, undefined]);
    expect(await view.read([entityKey(2)])).toEqual([[null, null, null]]);
  });

  it('tells a stored null from nothing stored', async () => {
    const view = await openView(store());
    await view.write([row(entityKey(1), NEW_YEAR_NS, NOTHING, undefined)]);
    const [cells] = await view.read([entityKey(1)]);
    expect(cells![0]).toHaveLength(0);
    expect(cells![1]).toBeNull();
  });

  it('keeps event timestamps, epoch 0 among them', async () => {
    const view = await openView(store());
    const moments = [0n, SECOND_NS, NEW_YEAR_NS, 4_102_444_800n * SECOND_NS];
    await view.write(moments.map((moment, id) => row(entityKey(id), moment, int64(id), int64(id))));
    for (const [id, moment] of moments.entries()) {
      expect(await view.timestampOf(entityKey(id))).toBe(moment);
    }
  });

  it('returns every byte of a value of 1 MB', async () => {
    const view = await openView(store());
    const bytes = Buffer.alloc(1_000_000, 'x{}\r\n\0');
    const value = writeValue(ValueType.BYTES, bytes);
    await view.write([row(entityKey(1), NEW_YEAR_NS, value, int64(1))]);
    const [cells] = await view.read([entityKey(1)]);
    expect(Buffer.compare(cells![0]!, value)).toBe(0);
  });

  it('reads thousands of entities in one call, each in its place', async () => {
    const view = await openView(store());
    const ids = Array.from({ length: 3_000 }, (_, id) => id);
    await view.write(ids.map((id) => row(entityKey(id), NEW_YEAR_NS, int64(id), text(`v${id}`))));
    const asked = ids.toReversed().map((id) => entityKey(id % 2 === 0 ? id : id + 1_000_000));
    const rows = await view.read(asked);
    for (const [position, cells] of rows.entries()) {
      const id = ids.length - 1 - position;
      expect(asBytes(cells[0]!)).toEqual(id % 2 === 0 ? asBytes(int64(id)) : null);
      expect(asBytes(cells[1]!)).toEqual(id % 2 === 0 ? asBytes(text(`v${id}`)) : null);
    }
  });

  it('reads several groups of many views at once, in the order asked', async () => {
    const project = `wide_${process.pid}`;
    const views = Array.from({ length: 12 }, (_, i) => ({
      storedName: `view${i}`,
      featureNames: i === 3 ? [] : ['z', 'a', `f${i}`],
    }));
    await store().update(
      project,
      views.map((view) => view.storedName),
      [],
    );
    for (const [i, view] of views.entries()) {
      const written = { ...view, featureNames: ['z', 'a', `f${i}`] };
      const values = [int64(i), text(`a${i}`), int64(i * 10)];
      const rows = [row(entityKey(5), NEW_YEAR_NS + BigInt(i) * SECOND_NS, ...values)];
      await store().write({ project, joinKeys: ['id'], view: written, rows }, soon());
    }
    const prepared = store().prepare({ project, joinKeys: ['id'], views });
    expect(prepared.width).toBe(11 * 4 + 1);
    const key = Buffer.concat([entityKey(5), prepared.keySuffix]);
    const absent = Buffer.concat([entityKey(6), prepared.keySuffix]);
    const [first, second, none] = await readCells(
      store(),
      [
        { prepared, keys: [key] },
        { prepared, keys: [absent, key] },
        { prepared, keys: [] },
      ],
      soon(),
    );
    expect(first!.slice(0, 3).map(asBytes)).toEqual([int64(0), text('a0'), int64(0)].map(asBytes));
    // The view without features has its timestamp alone, right after the three views before it.
    expect(first![12]).not.toBeNull();
    expect(asBytes(first![15]!)).toEqual(asBytes(int64(40)));
    expect(second!.slice(0, prepared.width)).toEqual(Array(prepared.width).fill(null));
    expect(second!.slice(prepared.width)).toEqual(first);
    expect(none).toEqual([]);
  });

  it('reads the same view twice in one group', async () => {
    const { project, view, write } = await openView(store());
    await write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(2))]);
    const reversed = { ...view, featureNames: ['b', 'a'] };
    const prepared = store().prepare({ project, joinKeys: ['id'], views: [view, reversed] });
    const key = Buffer.concat([entityKey(1), prepared.keySuffix]);
    const [cells] = await readCells(store(), [{ prepared, keys: [key, key] }], soon());
    const values = [int64(1), int64(2), cells![2]!, int64(2), int64(1), cells![2]!].map(asBytes);
    expect(cells!.map((cell) => asBytes(cell))).toEqual([...values, ...values]);
  });

  it('answers a read of nothing', async () => {
    const { project, view } = await openView(store());
    const prepared = store().prepare({ project, joinKeys: ['id'], views: [view] });
    expect(await readCells(store(), [], soon())).toEqual([]);
    expect(await readCells(store(), [{ prepared, keys: [] }], soon())).toEqual([[]]);
  });
}

function describeKeys(store: () => OnlineStore): void {
  const awkward = [
    '{}',
    '{a}',
    '}{',
    '{',
    '{}x}',
    '{\r\n}',
    '\0',
    '\r\n',
    '*3\r\n$3',
    '',
    '\xff\xfe',
  ];

  it('keeps entities apart whose keys hold braces, line ends and zero bytes', async () => {
    const view = await openView(store());
    const keys = awkward.map((key) => binaryEntityKey(Buffer.from(key, 'latin1')));
    await view.write(keys.map((key, i) => row(key, NEW_YEAR_NS, int64(i), text(`${i}`))));
    for (const [i, key] of keys.entries()) {
      expect(await view.valuesOf(key)).toEqual([BigInt(i), `${i}`]);
    }
    const all = await view.read(keys);
    expect(all.map(([cell]) => asBytes(cell!))).toEqual(keys.map((_, i) => asBytes(int64(i))));
  });

  it('finds keys with every byte in them', async () => {
    const view = await openView(store());
    const keys = Array.from({ length: 256 }, (_, byte) =>
      binaryEntityKey(Buffer.of(byte, 0x7b, byte, 0x7d, byte)),
    );
    await view.write(keys.map((key, i) => row(key, NEW_YEAR_NS, int64(i), int64(-i))));
    const rows = await view.read(keys);
    expect(rows.map(([cell]) => asBytes(cell!))).toEqual(keys.map((_, i) => asBytes(int64(i))));
  });

  it('keeps projects apart', async () => {
    const one = await openView(store());
    const other = await openView(store());
    await one.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))]);
    expect(await other.valuesOf(entityKey(1))).toEqual([undefined, undefined]);
  });
}

function describeLimits(store: () => OnlineStore): void {
  it('rejects with DEADLINE_EXCEEDED when the time is up', async () => {
    const view = await openView(store());
    await expect(view.read([entityKey(1)], soon(-1))).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
  });

  it('rejects with CANCELLED when the caller has gone', async () => {
    const view = await openView(store());
    const signal = AbortSignal.abort();
    await expect(view.read([entityKey(1)], { ...soon(), signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(await view.valuesOf(entityKey(1))).toEqual([undefined, undefined]);
  });

  it('rejects with CANCELLED when the caller goes during the read', async () => {
    const view = await openView(store());
    const keys = Array.from({ length: 5_000 }, (_, id) => entityKey(id));
    const abort = new AbortController();
    const reading = view.read(keys, { ...soon(), signal: abort.signal });
    abort.abort();
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
    // What was under way does not show up in a later answer.
    await view.write([row(entityKey(3), NEW_YEAR_NS, int64(3), int64(4))]);
    expect(await view.valuesOf(entityKey(3))).toEqual([3n, 4n]);
  });
}

function describeWriting(store: () => OnlineStore): void {
  it('merges features written at different times', async () => {
    const view = await openView(store());
    await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(2))]);
    await view.write([row(entityKey(1), NEW_YEAR_NS + SECOND_NS, undefined, int64(3))]);
    expect(await view.valuesOf(entityKey(1))).toEqual([1n, 3n]);
    expect(await view.timestampOf(entityKey(1))).toBe(NEW_YEAR_NS + SECOND_NS);
  });

  it('overwrites with a null', async () => {
    const view = await openView(store());
    await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(2))]);
    await view.write([row(entityKey(1), NEW_YEAR_NS + SECOND_NS, NOTHING, NOTHING)]);
    expect(await view.valuesOf(entityKey(1))).toEqual([null, null]);
  });

  it('writes a batch of no rows, and of more rows than go at once', async () => {
    const view = await openView(store());
    expect(await view.write([])).toEqual({ written: 0, stale: 0 });
    const rows = Array.from({ length: 2_500 }, (_, id) =>
      row(entityKey(id), NEW_YEAR_NS, int64(id), int64(0)),
    );
    expect(await view.write(rows)).toEqual({ written: 2_500, stale: 0 });
    expect(await view.valuesOf(entityKey(2_499))).toEqual([2_499n, 0n]);
  });

  it('forgets the rows of a removed view and no others', async () => {
    const { project, view, write } = await openView(store());
    const other = { storedName: 'other', featureNames: ['c'] };
    await store().update(project, ['stats', 'other'], []);
    await write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(2))]);
    await write([row(entityKey(2), NEW_YEAR_NS, int64(1), int64(2))]);
    const rows = [row(entityKey(1), NEW_YEAR_NS, int64(9))];
    await store().write({ project, joinKeys: ['id'], view: other, rows }, soon());

    await store().update(project, ['other'], [view]);
    await store().update(project, ['stats', 'other'], []);
    const prepared = store().prepare({ project, joinKeys: ['id'], views: [view, other] });
    const keys = [1, 2].map((id) => Buffer.concat([entityKey(id), prepared.keySuffix]));
    const [cells] = await readCells(store(), [{ prepared, keys }], soon());
    expect(cells!.slice(0, 3)).toEqual([null, null, null]);
    expect(asBytes(cells![3]!)).toEqual(asBytes(int64(9)));
    expect(cells![4]).not.toBeNull();
    expect(cells!.slice(5)).toEqual([null, null, null, null, null]);
  });
}

function describeOperation(store: () => OnlineStore): void {
  it('answers a ping and finds nothing wrong with itself', async () => {
    await store().ping(soon());
    await openView(store());
    const findings = await store().check();
    expect(findings.length).toBeGreaterThan(0);
    expect(findings.filter((finding) => finding.level === 'error')).toEqual([]);
  });

  it('shows what it holds for an entity', async () => {
    const { project, write } = await openView(store());
    await write([row(entityKey(1), NEW_YEAR_NS, int64(41), text('x'))]);
    const stored = await store().inspect(project, entityKey(1));
    const values = stored.fields.map((field) => asBytes(field.value));
    expect(values).toContainEqual(asBytes(int64(41)));
    expect(values).toContainEqual(asBytes(text('x')));
    expect(stored.place.length).toBeGreaterThan(1);
    expect((await store().inspect(project, entityKey(2))).fields).toEqual([]);
  });
}

/** Whatever kind of bytes a store returns, as one kind for comparing. */
function asBytes(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}
