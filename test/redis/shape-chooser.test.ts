import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import type { ShapeMeasurement } from '../../src/redis/measure-shapes.ts';
import { ShapeChooser } from '../../src/redis/shape-chooser.ts';

const KEYS = Array.from({ length: 20 }, (_, i) => Buffer.from(`key ${i}`));

/** A chooser whose measurements a test decides, and a clock that it moves. */
function open() {
  let next: Partial<ShapeMeasurement> | undefined | Error;
  const asked: (readonly Uint8Array[])[] = [];
  let nowMs = 0;
  const chooser = new ShapeChooser(async (keys) => {
    asked.push(keys);
    if (next instanceof Error) throw next;
    return next === undefined
      ? undefined
      : { hmgetMs: 0.1, hgetallMs: 0.1, storedFields: 100, encoding: 'listpack', ...next };
  });
  return {
    chooser,
    asked,
    /** Offers keys after so many milliseconds, the measurement being this. */
    async look(afterMs: number, measurement: typeof next): Promise<void> {
      next = measurement;
      nowMs += afterMs;
      chooser.offer(KEYS, nowMs);
      await new Promise(setImmediate);
    },
  };
}

const WHOLE = { hmgetMs: 0.15, hgetallMs: 0.05 };
const FIELDS = { hmgetMs: 0.02, hgetallMs: 0.06 };

describe('the shape of reads', () => {
  test('begins with HMGET and looks at the first keys that are read', async () => {
    const { chooser, asked, look } = open();
    expect(chooser.shape).toBe('hmget');
    await look(0, FIELDS);
    expect(asked).toHaveLength(1);
    expect(asked[0]!.length).toBeGreaterThan(1);
    expect(asked[0]!.length).toBeLessThanOrEqual(8);
    expect(chooser.shape).toBe('hmget');
  });

  test('changes when the other is better twice in a row, a second apart', async () => {
    const { chooser, look } = open();
    await look(0, WHOLE);
    expect(chooser.shape).toBe('hmget');
    await look(999, WHOLE);
    expect(chooser.shape).toBe('hmget');
    await look(1, WHOLE);
    expect(chooser).toMatchObject({ shape: 'hgetall', switches: 1 });
  });

  test('is found although the first look saw code that was not compiled yet', async () => {
    const { chooser, look } = open();
    await look(0, { hmgetMs: 0.15, hgetallMs: 0.9 });
    await look(1_000, WHOLE);
    await look(1_000, WHOLE);
    expect(chooser.shape).toBe('hgetall');
  });

  test('stays where one measurement was a mistake', async () => {
    const { chooser, look } = open();
    for (let i = 0; i < 3; i++) await look(1_000, FIELDS);
    for (let i = 0; i < 10; i++) {
      await look(30_000, { hmgetMs: 0.08, hgetallMs: 0.05 });
      await look(30_000, FIELDS);
      await look(30_000, FIELDS);
    }
    expect(chooser).toMatchObject({ shape: 'hmget', switches: 0 });
  });

  test.each([
    ['hardly better', { hmgetMs: 0.1, hgetallMs: 0.09 }],
    ['better by nothing that counts', { hmgetMs: 0.005, hgetallMs: 0.002 }],
  ])('stays where the other is %s', async (_, measurement) => {
    const { chooser, look } = open();
    for (let i = 0; i < 10; i++) await look(30_000, measurement);
    expect(chooser.shape).toBe('hmget');
  });

  test('changes back when hashes have changed', async () => {
    const { chooser, look } = open();
    for (let i = 0; i < 3; i++) await look(1_000, WHOLE);
    expect(chooser.shape).toBe('hgetall');
    for (let i = 0; i < 10; i++) await look(30_000, FIELDS);
    expect(chooser).toMatchObject({ shape: 'hmget', switches: 2 });
  });

  test('is looked at now and then once it is decided, not with each read', async () => {
    const { asked, look } = open();
    for (let i = 0; i < 3; i++) await look(1_000, FIELDS);
    for (let i = 0; i < 29; i++) await look(1_000, FIELDS);
    expect(asked).toHaveLength(3);
    await look(1_000, FIELDS);
    expect(asked).toHaveLength(4);
  });

  test('outlives failures, and hashes that do not exist', async () => {
    const { chooser, asked, look } = open();
    await look(0, new Error('away'));
    await look(30_000, undefined);
    await look(1_000, WHOLE);
    await look(1_000, WHOLE);
    expect(asked).toHaveLength(4);
    expect(chooser.shape).toBe('hgetall');
  });
});
