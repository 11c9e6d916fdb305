import { expect, test } from 'vitest';
import { isSame } from '../../src/registry/is-same.ts';

const definition = () => ({
  name: 'v',
  features: [{ name: 'a', valueType: 4 }],
  byName: new Map([['a', { name: 'a', valueType: 4 }]]),
  actions: new Set(['READ_ONLINE']),
  untilNs: 5n,
});

test.each([
  ['equal objects', definition(), definition()],
  ['an absent key and an undefined one', { a: 1 }, { a: 1, b: undefined }],
  ['an undefined key and an absent one', { a: 1, b: undefined }, { a: 1 }],
])('%s are the same', (_, left, right) => {
  expect(isSame(left, right)).toBe(true);
});

test.each<[string, unknown, unknown]>([
  ['another value', definition(), { ...definition(), untilNs: 6n }],
  ['one key more', { a: 1, b: 2 }, { a: 1 }],
  ['one key less', { a: 1 }, { a: 1, b: 2 }],
  ['a longer list', [1, 2], [1]],
  ['a list in another order', [1, 2], [2, 1]],
  ['a list and an object', ['a'], { 0: 'a', length: 1 }],
  [
    'a map in another order',
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
    new Map([
      ['b', 2],
      ['a', 1],
    ]),
  ],
  ['a map with another value', new Map([['a', [1]]]), new Map([['a', [2]]])],
  ['a smaller map', new Map([['a', 1]]), new Map()],
  ['another set', new Set(['a']), new Set(['b'])],
  ['a larger set', new Set(['a', 'b']), new Set(['a'])],
  ['nothing', definition(), undefined],
  ['null', definition(), null],
])('%s is not', (_, left, right) => {
  expect(isSame(left, right)).toBe(false);
  expect(isSame(right, left)).toBe(false);
});

test('a tag that is named like a method of every object is a tag', () => {
  expect(isSame({}, { toString: 'x' })).toBe(false);
  expect(isSame({ valueOf: 'x' }, {})).toBe(false);
  expect(isSame({ a: 'x' }, { a: 'x', hasOwnProperty: 'y' })).toBe(false);
  expect(isSame({ toString: 'x' }, { toString: 'x' })).toBe(true);
  expect(isSame({ constructor: 'x' }, { constructor: 'x' })).toBe(true);
});
