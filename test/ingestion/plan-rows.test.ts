import { describe, expect, it } from 'vitest';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { RowSlab } from '../../src/feast-encoding/row-slab.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import type { PlainValue } from '../../src/ingestion/plain-value.ts';
import { PlainColumn } from '../../src/ingestion/plain-column.ts';
import { planRows } from '../../src/ingestion/plan-rows.ts';
import { TypedColumn } from '../../src/ingestion/typed-column.ts';
import type { FrameColumn, WriteFrame } from '../../src/ingestion/write-frame.ts';
import { compileWritePlan } from '../../src/ingestion/write-plan.ts';
import type { ViewDefinition } from '../../src/registry/registry-model.ts';
import { snapshotOf, viewOf } from './write-fixture.ts';

const NOW_NS = 1_800_000_000_000_000_000n;
const NEW_YEAR_NS = 1_735_689_600_000_000_000n;

const stats = viewOf({
  joinKeys: [
    ['driver_id', ValueType.INT64],
    ['city', ValueType.STRING],
  ],
  features: [
    ['trips', ValueType.INT64],
    ['note', ValueType.STRING],
  ],
  source: { timestampField: 'at', createdTimestampField: 'made', fieldMapping: { raw: 'trips' } },
});

function frame(columns: Readonly<Record<string, readonly PlainValue[]>>): WriteFrame {
  const entries = Object.entries(columns).map(([name, values]): [string, FrameColumn] => [
    name,
    new PlainColumn(values),
  ]);
  return { rowCount: Object.values(columns)[0]?.length ?? 0, columns: new Map(entries) };
}

const ROW = {
  driver_id: [7n],
  city: ['Oslo'],
  trips: [1n],
  note: ['x'],
  at: ['2025-01-01'],
  made: [null],
};

function rowsOf(rows: WriteFrame, view: ViewDefinition = stats, takesRemoteNames = false) {
  const plan = compileWritePlan(view, { snapshot: snapshotOf([view]), entityKeyVersion: 3 });
  const slab = new RowSlab(plan.features.length);
  planRows(plan, rows, { takesRemoteNames, nowNs: NOW_NS }, slab);
  return slab.rows();
}

describe('planRows', () => {
  it('makes the key in order of the join keys, and values in order of the features', () => {
    const [row] = rowsOf(frame({ ...ROW, other: [true] }));
    const key = serializeEntityKey(
      ['driver_id', 'city'],
      [
        { type: ValueType.INT64, value: 7n },
        { type: ValueType.STRING, value: 'Oslo' },
      ],
      3,
    );
    expect(Buffer.from(row!.entityKey)).toEqual(Buffer.from(key));
    expect(row!.eventTimestampNs).toBe(NEW_YEAR_NS);
    expect(row!.createdTimestampNs).toBeUndefined();
    expect(row!.values.map((bytes) => readValue(bytes!).value)).toEqual([1n, 'x']);
  });

  it('takes the name of the source for that of the feature, but not both', () => {
    const { trips: raw, ...rest } = ROW;
    expect(rowsOf(frame({ ...rest, raw }))[0]!.values).toEqual(rowsOf(frame(ROW))[0]!.values);
    expect(() => rowsOf(frame({ ...ROW, raw }))).toThrow(/raw and trips are the same/);
  });

  it('takes the names that the remote online store sends, where that is allowed', () => {
    const { at: event_timestamp, made: created, ...rest } = ROW;
    const remote = frame({ ...rest, event_timestamp, created });
    expect(rowsOf(remote, stats, true)).toEqual(rowsOf(frame(ROW)));
    expect(() => rowsOf(remote)).toThrow(/columns at, made are missing; there are .*created/);
  });

  it('has nothing to write without rows, or with nothing but nulls', () => {
    expect(rowsOf(frame({}))).toEqual([]);
    expect(rowsOf(frame({ trips: [] }))).toEqual([]);
    expect(rowsOf(frame({ ...ROW, trips: [Number.NaN], note: [null] }))).toEqual([]);
    expect(rowsOf(frame({ ...ROW, trips: [null] }))).toHaveLength(1);
  });

  it('looks at nothing else where there is nothing to write', () => {
    const nulls = { trips: [null], note: [null] };
    expect(rowsOf(frame({ driver_id: [7n], ...nulls }))).toEqual([]);
    const { trips: _, ...unmapped } = { ...ROW, note: [null] };
    expect(rowsOf(frame({ ...unmapped, raw: [null], at: ['soon'] }))).toEqual([]);
    // A feature that is missing is no feature of nulls.
    expect(() => rowsOf(frame({ driver_id: [7n], trips: [null] }))).toThrow(/note, at/);
  });

  it('takes the text that pandas has for no time', () => {
    const [row] = rowsOf(frame({ ...ROW, made: ['NaT'] }));
    expect(row!.createdTimestampNs).toBeUndefined();
    expect(row!.eventTimestampNs).toBe(NEW_YEAR_NS);
    expect(() => rowsOf(frame({ ...ROW, at: ['NaT'] }))).toThrow(/row 0: at is null/);
  });

  it('names every column and row that does not fit, and no value', () => {
    const times = ['2025-01-01', 'secret', null, 1n, '2025-02-30', '2025-01-01', '2025-01-01'];
    const many = frame({
      driver_id: [1n, 1n, 1n, 1n, 1n, null, 1.5],
      city: ['a', 'a', 'a', 'a', 'a', 'a', 'a'],
      trips: Array.from({ length: 7 }, () => 'secret'),
      note: Array.from({ length: 7 }, () => 'b'),
      at: times,
      made: ['secret', null, null, null, null, null, null],
    });
    expect(() => rowsOf(many)).toThrow(
      expect.objectContaining({
        code: 'INVALID_REQUEST',
        message: expect.stringMatching(
          /^feature view stats: row 0: made is no moment.*; rows 0, 1, 2, 3, 4 \(and 2 more\): trips is no INT64; rows 1, 4: at is no moment.*; row 2: at is null; row 5: join key driver_id is null; row 6: join key driver_id is no INT64$/,
        ) as string,
      }),
    );
    expect(() => rowsOf(many)).not.toThrow(/secret/);
  });

  it.each<[PlainValue, bigint]>([
    ['2025-01-01T10:00:00.123456789', NEW_YEAR_NS + 36_000_123_456_000n],
    ['2025-01-01T00:00:00-07:30', NEW_YEAR_NS + 27_000_000_000_000n],
    [1_735_689_600n, 1_735_689_000n],
    [1_735_689_600.5, 1_735_689_000n],
    [-1n, -1000n],
    ['2500-01-01', 16_725_225_600_000_000_000n],
  ])('reads the moment %s as Feast does', (at, expected) => {
    expect(rowsOf(frame({ ...ROW, at: [at] }))[0]!.eventTimestampNs).toBe(expected);
  });

  it('adds nothing of a frame with a bad row, and leaves the rows before it alone', () => {
    const plan = compileWritePlan(stats, { snapshot: snapshotOf([stats]), entityKeyVersion: 3 });
    const slab = new RowSlab(plan.features.length);
    const add = (columns: Readonly<Record<string, readonly PlainValue[]>>): void =>
      planRows(plan, frame(columns), { takesRemoteNames: false, nowNs: NOW_NS }, slab);
    add(ROW);
    const twice = Object.entries(ROW).map(([name, [value]]) => [name, [value!, value!]] as const);
    expect(() => add({ ...Object.fromEntries(twice), trips: [2n, 'x'] })).toThrow(/row 1: trips/);
    add({ ...ROW, trips: [3n] });
    const trips = slab.rows().map(({ values }) => readValue(values[0]!).value);
    expect([trips, slab.length]).toEqual([[1n, 3n], 2]);
  });

  it('reads unix_timestamp_val as seconds', () => {
    const typed = new Map(frame(ROW).columns);
    const seconds = writeValue(ValueType.UNIX_TIMESTAMP, 1_735_689_600n);
    typed.set('at', TypedColumn.of([seconds]));
    expect(rowsOf({ rowCount: 1, columns: typed })[0]!.eventTimestampNs).toBe(NEW_YEAR_NS);
    typed.set('at', TypedColumn.of([writeValue(ValueType.UNIX_TIMESTAMP, 2n ** 60n)]));
    expect(() => rowsOf({ rowCount: 1, columns: typed })).toThrow(/at is no moment/);
  });

  it('writes views without entities under the key that reads use', () => {
    const global = viewOf({ joinKeys: [], features: [['g', ValueType.INT64]] });
    const key = serializeEntityKey(['__dummy_id'], [{ type: ValueType.STRING, value: '' }], 3);
    const [row] = rowsOf(frame({ g: [1n], event_timestamp: ['2025-01-01'] }), global);
    expect(Buffer.from(row!.entityKey)).toEqual(Buffer.from(key));
  });

  it('stamps computed rows with now and takes null for what they lack', () => {
    const view = viewOf({
      kind: 'on_demand_feature_view',
      joinKeys: [['driver_id', ValueType.INT64]],
      features: [
        ['a', ValueType.INT64],
        ['b', ValueType.INT64],
      ],
    });
    const [row] = rowsOf(frame({ driver_id: [1n], a: [2n] }), view);
    expect(row!.eventTimestampNs).toBe(NOW_NS);
    expect(row!.values.map((bytes) => readValue(bytes!).value)).toEqual([2n, null]);
  });

  it('stores versions under names of their own', () => {
    const snapshot = { ...snapshotOf([stats]), versioningEnabled: true };
    const context = { snapshot, entityKeyVersion: 3 } as const;
    expect(compileWritePlan(stats, context).layout.storedName).toBe('stats');
    const second = { ...stats, versionNumber: 2 };
    expect(compileWritePlan(second, context).layout.storedName).toBe('stats_v2');
  });

  it('refuses views that cannot be written', () => {
    const timeless = viewOf({ features: [['a', ValueType.INT64]], source: { timestampField: '' } });
    expect(() => rowsOf(frame(ROW), timeless)).toThrow(/names no timestamp_field/);
    const odd = viewOf({
      joinKeys: [['k', ValueType.DOUBLE]],
      features: [['a', ValueType.INT64]],
    });
    expect(() => rowsOf(frame(ROW), odd)).toThrow(/join key k is declared as DOUBLE/);
  });
});
