import { describe, expect, it, test } from 'vitest';
import { parseFloatText } from '../../src/ingestion/text-scalars.ts';

describe('parseFloatText', () => {
  it.each([
    ['1', 1],
    [' -1.5 ', -1.5],
    ['+1.', 1],
    ['.5e-1', 0.05],
    ['1E3', 1000],
    ['1.25e+2', 125],
    ['-Infinity', -Infinity],
    ['NaN', Number.NaN],
  ])('reads %s', (text, value) => {
    expect(parseFloatText(text)).toBe(value);
  });

  it.each(['', '.', 'e1', '1e', '1..2', '1.2.3', '1_0', '0x1', '--1', '1 2'])(
    'does not read %j',
    (text) => {
      expect(parseFloatText(text)).toBeUndefined();
    },
  );

  test('many digits that are no number in the end are looked at once', () => {
    expect(parseFloatText(`${'9'.repeat(4_000_000)}x`)).toBeUndefined();
    expect(parseFloatText(`.${'9'.repeat(4_000_000)}x`)).toBeUndefined();
    expect(parseFloatText(`9.${'9'.repeat(4_000_000)}e`)).toBeUndefined();
  });
});
