import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { appendValue } from '../../src/http/json-values.ts';
import { JsonWriter } from '../../src/http/json-writer.ts';

function written(value: Uint8Array): string | undefined {
  const json = new JsonWriter(0);
  json.text('x'.repeat(60));
  // It stands somewhere between other bytes.
  const around = Buffer.concat([Buffer.from([0x20, 0x81]), value, Buffer.from([0x81, 0x22])]);
  const isValue = json.value(around, 2, 2 + value.length, 'string');
  const text = json.written().toString('utf8').slice(60);
  if (!isValue) expect(text).toBe('');
  return isValue ? text : undefined;
}

/** Without the shorter ways that the writer has for most values. */
function appended(value: Uint8Array): string | undefined {
  const json = new JsonWriter(0);
  const isValue = appendValue(json, value, 0, value.length, 'string');
  return isValue ? json.written().toString('utf8') : undefined;
}

describe('a value in JSON', () => {
  const limits = [0, 1, 9, 10, 99, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152];
  limits.push(99_999_999, 100_000_000, 268_435_455, 268_435_456, 2_147_483_647);
  test.each(limits.flatMap((limit) => [limit, -limit]))('is the integer %i', (number) => {
    const expected = String(number === 0 ? 0 : number);
    expect(written(writeValue(ValueType.INT64, BigInt(number)))).toBe(expected);
    expect(written(writeValue(ValueType.INT32, number === 0 ? 0 : number))).toBe(expected);
  });

  test.each([
    '',
    'plain',
    '~',
    ' ',
    'x'.repeat(127),
    'x'.repeat(128),
    'x'.repeat(300),
    'a "quoted" word',
    'back\\slash',
    'line\nend',
    'delete \u007F',
    'Zürich',
    '鰯',
    '\u2028',
    'ü'.repeat(63),
    '\u0000',
  ])('is the string %j', (text) => {
    expect(written(writeValue(ValueType.STRING, text))).toBe(JSON.stringify(text));
  });

  test('is what appendValue makes of it, whatever the bytes', () => {
    const size = Number(process.env['JSON_WRITER_CASES'] ?? 20_000);
    let state = 7;
    const next = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (state >>> 8) % below;
    };
    let values = 0;
    for (let i = 0; i < size; i++) {
      const bytes = Buffer.from(Array.from({ length: next(9) }, () => next(256)));
      if (bytes.length > 1 && next(4) > 0) bytes[0] = [0x12, 0x18, 0x20, 0x2a][next(4)]!;
      if (bytes.length > 1 && next(2) > 0) bytes[1] = bytes.length - 2;
      const expected = appended(bytes);
      expect(written(bytes), bytes.toString('hex')).toBe(expected);
      if (expected !== undefined) values++;
    }
    // Enough of both kinds.
    expect(values).toBeGreaterThan(size / 20);
    expect(values).toBeLessThan(size - size / 20);
  });
});

test('grows as it has to, and keeps long texts', () => {
  const json = new JsonWriter(1);
  const parts = ['a', 'ü'.repeat(40), '鰯'.repeat(5_000), 'b'.repeat(100_000), '}'];
  for (const part of parts) json.text(part);
  json.bytes(Buffer.from('c'.repeat(1_000)));
  expect(json.written().toString('utf8')).toBe(parts.join('') + 'c'.repeat(1_000));
});
