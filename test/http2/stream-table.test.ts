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
});
