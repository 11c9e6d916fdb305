import { describe, expect, test } from 'vitest';
import { compileNamePattern } from '../../src/auth/compile-name-pattern.ts';

/** What Python 3.11's `re.fullmatch` says. */
describe('a name pattern', () => {
  test.each([
    ['driver_stats', ['driver_stats'], ['driver_stats2', 'xdriver_stats', 'Driver_stats', '']],
    ['driver_.*', ['driver_', 'driver_stats'], ['my_driver_stats', 'driver']],
    ['a|b', ['a', 'b'], ['ab', 'ac', 'xb']],
    ['^a$', ['a'], ['aa']],
    ['\\Aa\\Z', ['a'], ['aa']],
    ['(?i)driver', ['driver', 'DRIVER'], ['drivers']],
    ['[a-c]+', ['abc'], ['abd', '']],
    ['[^_]+', ['abc'], ['a_b']],
    ['[]x]+', [']x]'], ['[']],
    ['[^]x]+', ['ab'], [']']],
    ['[a[]b', ['ab', '[b'], ['a[b', ']b']],
    ['[\\[]x]', ['[x]'], ['[', 'x', ']']],
    ['\\w+', ['größe_1'], ['a-b', '']],
    ['[\\w-]+', ['a-b'], ['a b']],
    ['\\d{2}', ['12', '٣٤'], ['1', 'ab']],
    ['\\D', ['x'], ['1']],
    ['(?P<team>a|b)_x', ['a_x'], ['team_x']],
    ['(?:ab)+', ['abab'], ['aba']],
    ['(?!secret).*', ['public'], ['secret', 'secrets']],
    ['.*(?<!_raw)', ['clean'], ['clean_raw']],
    ['a\\.b', ['a.b'], ['axb']],
    ['a\\-b', ['a-b'], ['ab']],
    ['v_\\d+(_[a-z]+)?', ['v_1', 'v_1_x'], ['v_', 'v_1_']],
  ])('%s', (pattern, matching, others) => {
    const matches = compileNamePattern(pattern)!;
    expect(matching.filter((name) => !matches(name))).toEqual([]);
    expect(others.filter((name) => matches(name))).toEqual([]);
  });

  test.each([
    '(?x) a b',
    '(?L)a',
    'a(?i)b',
    '(?>a)b',
    '(?P=team)',
    '(?#note)a',
    'a++',
    'a{,3}',
    '(a',
    'a)',
    '[a',
    '*',
    '\\',
    '\\bfoo\\b.*',
    '\\p{L}',
    '\\k<a>',
    '[\\W]',
    '\\cA',
  ])('%s, which JavaScript reads otherwise or not at all, matches nothing', (pattern) => {
    expect(compileNamePattern(pattern)).toBeUndefined();
  });
});
