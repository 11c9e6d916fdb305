import { describe, expect, it } from 'vitest';
import { doubleJson, floatText } from '../../src/http/json-numbers.ts';

describe('floatText', () => {
  it.each([
    [0, '0.0'],
    [-0, '-0.0'],
    [1, '1.0'],
    [-17, '-17.0'],
    [0.1, '0.1'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [0.000123, '0.000123'],
    [0.0000123, '1.23e-05'],
    [9999999999999998, '9999999999999998.0'],
    [1e15, '1000000000000000.0'],
    [1e16, '1e+16'],
    [1.5e16, '1.5e+16'],
    [1e21, '1e+21'],
    [1e22, '1e+22'],
    [-1e22, '-1e+22'],
    [1e100, '1e+100'],
    [5e-324, '5e-324'],
    [Math.fround(0.1), '0.10000000149011612'],
  ])('writes %d as %s', (value, text) => {
    expect(floatText(value)).toBe(text);
  });

  it('reads back as the same double and never looks like an integer', () => {
    for (let i = 0; i < 5000; i++) {
      const value = (Math.random() - 0.5) * 10 ** Math.floor(Math.random() * 80 - 40);
      const text = floatText(value);
      expect(Number(text)).toBe(value);
      expect(text).toMatch(/[.e]/);
    }
  });
});

describe('doubleJson', () => {
  it('has a text for what JSON has no number for', () => {
    expect([NaN, Infinity, -Infinity].map((value) => doubleJson(value, 'string'))).toEqual([
      '"NaN"',
      '"Infinity"',
      '"-Infinity"',
    ]);
    expect(doubleJson(NaN, 'null')).toBe('null');
  });
});
