import { describe, expect, it, test } from 'vitest';
import { isJson } from '../../src/ingestion/json-source.ts';

describe('isJson', () => {
  it.each([
    '{"a": [1, -Infinity, NaN, "NaN", "\\"Infinity"]}',
    'NaN',
    '[-Infinity]',
    '"text"',
    '["\\\\", NaN]',
  ])('takes %s, as Python does', (text) => {
    expect(isJson(text)).toBe(true);
  });

  it.each(['[+NaN]', 'nan', '"NaN', '["\\", NaN]', '[NaN"]', 'NaN Infinity', '{NaN: 1}', ''])(
    'does not take %s',
    (text) => {
      expect(isJson(text)).toBe(false);
    },
  );

  test('a string of escaped quotes that does not end is read once', () => {
    expect(isJson(`"${'\\"'.repeat(4_000_000)}`)).toBe(false);
    expect(isJson(`"${'\\"'.repeat(4_000_000)}\\`)).toBe(false);
  });
});
