import { getHeapSpaceStatistics } from 'node:v8';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamTable } from '../../src/http2/stream-table.ts';

interface Entry {
  readonly id: number;
}

/** Numbers that often belong to one place: a table of 8 slots has two steps of 16 between them. */
const ids = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((n) => 2 * n + 1),
  fc.integer({ min: 0, max: 40 }).map((n) => 16 * n + 1),
  fc.integer({ min: 1, max: 2 ** 31 - 1 }),
);

function idsOf(entries: Iterable<Entry>): number[] {
  return [...entries].map(({ id }) => id).sort((a, b) => a - b);
}

describe('the table of streams', () => {
  it('holds what a map would hold, whatever is added and deleted in whatever order', () => {
    const steps = fc.array(fc.record({ id: ids, adds: fc.boolean() }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (sequence) => {
        const table = new StreamTable<Entry>();
        const model = new Map<number, Entry>();
        for (const { id, adds } of sequence) {
          if (adds && !model.has(id)) {
            const entry = { id };
            table.add(entry);
            model.set(id, entry);
          } else if (!adds) {
            table.delete(id);
            model.delete(id);
          }
          expect(table.size).toBe(model.size);
          expect(table.get(id)).toBe(model.get(id));
        }
        expect(idsOf(table.values())).toEqual(idsOf(model.values()));
        for (const [id, entry] of model) expect(table.get(id)).toBe(entry);
      }),
      { numRuns: 300 },
    );
  });

  it('lets all be deleted while they are looked at', () => {
    const table = new StreamTable<Entry>();
    for (let id = 1; id < 2000; id += 2) table.add({ id });
    for (const { id } of table.values()) table.delete(id);
    expect(table.size).toBe(0);
    expect(table.values()).toEqual([]);
  });

  it('stays as it is when streams come and go', () => {
    const table = new StreamTable<Entry>();
    for (let id = 1; id < 20_001; id += 2) {
      table.add({ id });
      if (id >= 9) table.delete(id - 8);
    }
    expect(idsOf(table.values())).toEqual([19_993, 19_995, 19_997, 19_999]);
    expect(table.size).toBe(4);
  });

  it('makes none old that come after those which are over', () => {
    const table = new StreamTable<Entry>();
    for (let id = 1; id <= 41; id += 2) table.add(entryOf(id));
    // A while in which nothing comes, and the collector does: what the table is made of becomes old.
    for (let i = 0; i < 2_000_000; i++) entryOf(i);
    const usedBefore = oldSpaceBytes();
    let mostUsed = usedBefore;
    for (let id = 43; id < 1_000_000; id += 2) {
      table.add(entryOf(id));
      table.delete(id - 42);
      if (id % 20_000 === 1) mostUsed = Math.max(mostUsed, oldSpaceBytes());
    }
    // With a `Map` several times as much.
    expect(mostUsed - usedBefore).toBeLessThan(8e6);
  });
});

/** As large as a stream. */
function entryOf(id: number): Entry {
  return { id, rest: Array.from({ length: 20 }, () => id) } as Entry;
}

function oldSpaceBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')!
    .space_used_size;
}
