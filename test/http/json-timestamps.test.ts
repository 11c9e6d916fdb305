import { create, toBinary } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it, vi } from 'vitest';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { timestampText, zonedTimestampJson } from '../../src/http/json-timestamps.ts';

describe('timestampText', () => {
  it.each([
    [0n, '1970-01-01T00:00:00Z'],
    [1n, '1970-01-01T00:00:00.000000001Z'],
    [1_000n, '1970-01-01T00:00:00.000001Z'],
    [1_000_000n, '1970-01-01T00:00:00.001Z'],
    [1_735_689_600_120_000_000n, '2025-01-01T00:00:00.120Z'],
    [1_735_689_600_000_120_000n, '2025-01-01T00:00:00.000120Z'],
    [-1n, '1969-12-31T23:59:59.999999999Z'],
    [-1_000_000_000n, '1969-12-31T23:59:59Z'],
    [-62_135_596_800_000_000_000n, '0001-01-01T00:00:00Z'],
    [253_402_300_799_999_999_999n, '9999-12-31T23:59:59.999999999Z'],
    [253_402_300_800_000_000_000n, '+010000-01-01T00:00:00Z'],
  ])('prints %d ns as %s', (ns, text) => {
    expect(timestampText(encodeTimestamp(ns))).toBe(text);
  });

  it.each([
    [1n, -1, '1970-01-01T00:00:00.999999999Z'],
    [0n, -1_500_000_000, '1969-12-31T23:59:58.500Z'],
    [-1n, 2_000_000_001, '1970-01-01T00:00:01.000000001Z'],
  ])('carries what somebody wrote as %d s and %d ns', (seconds, nanos, text) => {
    expect(
      timestampText(toBinary(TimestampSchema, create(TimestampSchema, { seconds, nanos }))),
    ).toBe(text);
  });

  it('prints any instant as a date does, to the second', () => {
    for (let seconds = -8_640_000_000_000; seconds <= 8_640_000_000_000; seconds += 7_919_001_017) {
      const text = timestampText(encodeTimestamp(BigInt(seconds) * 1_000_000_000n));
      expect(text).toBe(new Date(seconds * 1000).toISOString().replace('.000', ''));
    }
  });

  it('refuses bytes that are no timestamp and instants beyond every calendar', () => {
    expect(timestampText(Buffer.from('0880', 'hex'))).toBeUndefined();
    expect(timestampText(encodeTimestamp(10n ** 25n))).toBeUndefined();
    expect(timestampText(encodeTimestamp(-(2n ** 63n) * 1_000_000_000n))).toBeUndefined();
    expect(timestampText(encodeTimestamp(8_640_000_000_001n * 1_000_000_000n))).toBeUndefined();
  });
});

describe('zonedTimestampJson', () => {
  it('makes one formatter of a zone, however it is written, and none of a text', () => {
    const made = vi.spyOn(Intl, 'DateTimeFormat');
    try {
      const name = 'Africa/Ouagadougou';
      for (let i = 0; i < 1000; i++) {
        const zone = Array.from(name, (letter, at) =>
          (i >> at) & 1 ? letter.toUpperCase() : letter,
        );
        expect(zonedTimestampJson(0n, zone.join(''))).toBe('"1970-01-01T00:00:00+00:00"');
        expect(zonedTimestampJson(0n, `${'x'.repeat(1000)}${i}`)).toBe(
          '"1970-01-01T00:00:00+00:00"',
        );
      }
      expect(made.mock.calls.length).toBeLessThanOrEqual(1);
    } finally {
      made.mockRestore();
    }
  });

  it('prints before the year 1 and beyond every calendar without guessing', () => {
    expect(zonedTimestampJson(-62_167_219_201n, 'Europe/London')).toBe(
      '"-000001-12-31T23:58:44-00:01:15"',
    );
    expect(zonedTimestampJson(8_640_000_000_001n, '')).toBeUndefined();
    expect(zonedTimestampJson(8_640_000_000_000n, '+00:01')).toBeUndefined();
  });
});
