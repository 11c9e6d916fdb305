import { describe, expect, test } from 'vitest';
import {
  pythonDecimal,
  pythonFloat,
  pythonFloat32,
  pythonJson,
} from '../../src/ingestion/python-text.ts';

// Expected texts are what CPython 3.11 and NumPy 2.4 print.
describe('pythonFloat', () => {
  test.each([
    [0, '0.0'],
    [-0, '-0.0'],
    [1, '1.0'],
    [-1.5, '-1.5'],
    [0.1, '0.1'],
    [100, '100.0'],
    [123456789012345.6, '123456789012345.6'],
    [1e15, '1000000000000000.0'],
    [9999999999999998, '9999999999999998.0'],
    [1e16, '1e+16'],
    [1.5e16, '1.5e+16'],
    [1e22, '1e+22'],
    [1e100, '1e+100'],
    [1e-4, '0.0001'],
    [0.00012345, '0.00012345'],
    [1e-5, '1e-05'],
    [-2.5e-10, '-2.5e-10'],
    [5e-324, '5e-324'],
    [Number.NaN, 'nan'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
  ])('%d is %s', (value, text) => {
    expect(pythonFloat(value)).toBe(text);
  });
});

describe('pythonFloat32', () => {
  test.each([
    [0.1, '0.1'],
    [1, '1.0'],
    [0.3, '0.3'],
    [999999, '999999.0'],
    [1e6, '1e+06'],
    [1234567, '1.234567e+06'],
    [16777216, '1.6777216e+07'],
    [3.4e38, '3.4e+38'],
    [0.00012345, '0.00012345'],
    [1e-4, '1e-04'],
    [1e-5, '1e-05'],
    [1.401298464324817e-45, '1e-45'],
  ])('%d is %s', (value, text) => {
    expect(pythonFloat32(Math.fround(value))).toBe(text);
  });
});

describe('pythonDecimal', () => {
  test.each([
    [1250n, 2, '12.50'],
    [-120n, 2, '-1.20'],
    [0n, 2, '0.00'],
    [5n, 0, '5'],
    [1n, 6, '0.000001'],
    [1n, 7, '1E-7'],
    [0n, 8, '0E-8'],
    [-10n, 8, '-1.0E-7'],
    [12n, 10, '1.2E-9'],
    [123456789012345678901234567890n, 0, '123456789012345678901234567890'],
  ])('%d of scale %d is %s', (value, scale, text) => {
    expect(pythonDecimal(value, scale)).toBe(text);
  });
});

test('pythonJson spells as json.dumps does', () => {
  const tree = {
    entries: [
      ['a', 1n],
      ['b', [1.5, 2, true, null, Number.NaN, -Infinity]],
      ['c', 'ü"\\\n\u007f\u{1F600}'],
      ['d', { entries: [] }],
      ['e', []],
    ],
  } as const;
  expect(pythonJson(tree)).toBe(
    '{"a": 1, "b": [1.5, 2.0, true, null, NaN, -Infinity], "c": "\\u00fc\\"\\\\\\n\\u007f\\ud83d\\ude00", "d": {}, "e": []}',
  );
});
