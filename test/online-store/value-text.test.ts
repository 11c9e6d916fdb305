import { expect, test } from 'vitest';
import { pythonFloat } from '../../src/online-store/value-text.ts';

test.each([
  [0, '0.0'],
  [-0, '-0.0'],
  [1, '1.0'],
  [-2.5, '-2.5'],
  [0.1, '0.1'],
  [0.0001, '0.0001'],
  [0.000_099_999_999_999_999_99, '9.999999999999999e-05'],
  [1e-5, '1e-05'],
  [-1.25e-7, '-1.25e-07'],
  [5e-324, '5e-324'],
  [123_456_789.125, '123456789.125'],
  [9_999_999_999_999_998, '9999999999999998.0'],
  [1e16, '1e+16'],
  [1.5e22, '1.5e+22'],
  [-1.797_693_134_862_315_7e308, '-1.7976931348623157e+308'],
  [Number.NaN, 'nan'],
  [Number.POSITIVE_INFINITY, 'inf'],
  [Number.NEGATIVE_INFINITY, '-inf'],
])('%d is %s, as Python prints it', (value, text) => {
  expect(pythonFloat(value)).toBe(text);
});
