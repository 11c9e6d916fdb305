import { describe, expect, test } from 'vitest';
import {
  formatMoment,
  incrementalWindow,
  materializationWindow,
  parseMoment,
} from '../../src/ingestion/materialization-window.ts';
import { viewOf } from './source-fixture.ts';

const DAY_NS = 86_400_000_000_000n;

describe('parseMoment', () => {
  test.each([
    ['1970-01-01', 0n],
    ['1970-01-02', DAY_NS],
    ['2021-07-16T19:20:01', 1_626_463_201_000_000_000n],
    ['2021-07-16 19:20:01', 1_626_463_201_000_000_000n],
    ['2021-07-16T19:20', 1_626_463_200_000_000_000n],
    ['2021-07-16T19:20:01Z', 1_626_463_201_000_000_000n],
    ['2021-07-16T21:20:01+02:00', 1_626_463_201_000_000_000n],
    ['2021-07-16T21:20:01+0200', 1_626_463_201_000_000_000n],
    ['2021-07-16T12:20:01-07', 1_626_463_201_000_000_000n],
    ['1970-01-01T00:00:00.5', 500_000_000n],
    ['1970-01-01T00:00:00.123456', 123_456_000n],
    ['1970-01-01T00:00:00.123456789', 123_456_000n],
    ['1969-12-31T23:59:59.999999', -1000n],
    ['2024-02-29', 1_709_164_800_000_000_000n],
  ])('reads %s', (text, expected) => {
    expect(parseMoment(text, 'START')).toBe(expected);
  });

  test.each([
    '',
    'yesterday',
    '2023-02-29',
    '2021-04-31',
    '2021-13-01',
    '2021-07-16T25:00:00',
    '1626463201',
    '2021-07-16T24:00:00',
  ])('refuses %j and says how it should look', (text) => {
    expect(() => parseMoment(text, 'START')).toThrow(/^START has to be a moment in ISO 8601/);
  });

  test('formatMoment is its inverse', () => {
    for (const text of [
      '1970-01-01T00:00:00Z',
      '1969-12-31T23:59:59.999999Z',
      '2262-04-12T01:02:03.000001Z',
    ]) {
      expect(formatMoment(parseMoment(text, 'END'))).toBe(text);
    }
  });
});

describe('materializationWindow', () => {
  test('refuses a start after the end and takes a start at the end', () => {
    expect(() => materializationWindow(1_000_000_000n, 0n)).toThrow(
      'the start 1970-01-01T00:00:01Z is after the end 1970-01-01T00:00:00Z',
    );
    expect(materializationWindow(5n, 5n)).toEqual({ startNs: 5n, endNs: 5n });
  });
});

describe('incrementalWindow', () => {
  const endNs = parseMoment('2024-06-01', 'END');
  const nowNs = parseMoment('2024-06-02', 'now');

  test('starts where the last run ended', () => {
    const materializedUntilNs = parseMoment('2024-05-30', 'last');
    const view = viewOf({ ttlSeconds: 60, materialization: { materializedUntilNs } });
    expect(incrementalWindow(view, endNs, nowNs)).toEqual({ startNs: materializedUntilNs, endNs });
  });

  test('starts one TTL before now where there was no run', () => {
    const view = viewOf({ ttlSeconds: 10 * 86_400 });
    expect(incrementalWindow(view, endNs, nowNs)?.startNs).toBe(nowNs - 10n * DAY_NS);
  });

  test('starts 52 weeks before now where there is no TTL either', () => {
    expect(incrementalWindow(viewOf({ ttlSeconds: 0 }), endNs, nowNs)?.startNs).toBe(
      nowNs - 364n * DAY_NS,
    );
  });

  test('is nothing where the view is materialized beyond the end', () => {
    const view = viewOf({ materialization: { materializedUntilNs: endNs + 1n } });
    expect(incrementalWindow(view, endNs, nowNs)).toBeUndefined();
    const upTo = viewOf({ materialization: { materializedUntilNs: endNs } });
    expect(incrementalWindow(upTo, endNs, nowNs)).toEqual({ startNs: endNs, endNs });
  });
});
