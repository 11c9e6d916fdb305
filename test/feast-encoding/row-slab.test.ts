import { Buffer } from 'node:buffer';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { RowSlab, type SlabRow } from '../../src/feast-encoding/row-slab.ts';

const bytes = fc.uint8Array({ maxLength: 300 });
/** Of the years 1 to 9999. */
const moment = fc.bigInt({ min: -62_135_596_800n * 10n ** 9n, max: 253_402_300_799n * 10n ** 9n });

function rowOf(width: number): fc.Arbitrary<SlabRow> {
  return fc.record({
    entityKey: bytes,
    eventTimestampNs: moment,
    createdTimestampNs: fc.option(moment, { nil: undefined }),
    values: fc.array(fc.option(bytes, { nil: undefined }), { minLength: width, maxLength: width }),
  });
}

const slabs = fc
  .nat(5)
  .chain((width) => fc.tuple(fc.constant(width), fc.array(rowOf(width), { maxLength: 90 })));

/** Rows as one compares them, whatever kind of bytes they are made of. */
function plain(rows: readonly SlabRow[]): unknown {
  const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');
  return rows.map(({ entityKey, eventTimestampNs, createdTimestampNs, values }) => ({
    entityKey: hex(entityKey),
    eventTimestampNs,
    createdTimestampNs,
    values: values.map((value) => (value === undefined ? undefined : hex(value))),
  }));
}

it('gives back the rows that were put into it, also when it is used again', () => {
  fc.assert(
    fc.property(slabs, ([width, rows]) => {
      const slab = RowSlab.of(rows, width);
      expect(plain(slab.rows())).toEqual(plain(rows));
      expect(slab.isPartial).toBe(rows.some(({ values }) => values.includes(undefined)));
      slab.clear();
      expect(slab.length).toBe(0);
      expect(slab.isPartial).toBe(false);
      const again = rows.toReversed();
      for (const row of again) slab.add(row);
      expect(plain(slab.rows())).toEqual(plain(again));
      for (const [i, { entityKey, values }] of again.entries()) {
        expect(slab.keyBytes(i)).toBe(entityKey.length);
        expect(slab.valueBytes(i)).toBe(values.reduce((sum, v) => sum + (v?.length ?? 0), 0));
      }
    }),
    { numRuns: 50 },
  );
});

it('forgets a row that is begun again', () => {
  const row = { entityKey: Buffer.from('k'), eventTimestampNs: 1n, values: [Buffer.from('v')] };
  const slab = RowSlab.of([row], 1);
  slab.beginRow();
  slab.beginCell(1);
  slab.out.put(Buffer.from('what does not fit'));
  slab.beginRow();
  expect(slab.length).toBe(1);
  slab.add(row);
  expect(plain(slab.rows())).toEqual(
    plain([row, row].map((each) => ({ ...each, createdTimestampNs: undefined }))),
  );
  expect(slab.out.at).toBe(4);
});

it('gives the last row another moment', () => {
  const row = { entityKey: Buffer.from('k'), eventTimestampNs: 1n, values: [] };
  const slab = RowSlab.of([row, row], 0);
  slab.dateLastRow(-1_000_000_001n);
  expect(slab.rows().map((each) => [each.eventTimestampNs, each.createdTimestampNs])).toEqual([
    [1n, undefined],
    [-1_000_000_001n, -1_000_000_001n],
  ]);
});
