import { expect, test } from 'vitest';
import { closestWord, didYouMean } from '../../src/config/did-you-mean.ts';

const WORDS = ['path', 'cache_ttl_seconds', 'connection_string', 'type', 'redis'];

test.each([
  ['pth', 'path'],
  ['paht', 'path'],
  ['paths', 'path'],
  ['PATH', 'path'],
  ['cache-ttl-seconds', 'cache_ttl_seconds'],
  ['cache_ttl_secs', 'cache_ttl_seconds'],
  ['conectionstring', 'connection_string'],
  ['rediss', 'redis'],
  ['tpye', 'type'],
  ['host', undefined],
  ['ttl', undefined],
  ['', undefined],
])('%j is most likely %s', (word, meant) => {
  expect(closestWord(word, WORDS)).toBe(meant);
});

test('a hint is a sentence, or nothing', () => {
  expect(didYouMean('tpye', WORDS)).toBe('; did you mean type?');
  expect(didYouMean('colour', WORDS)).toBe('');
  expect(didYouMean('x', [])).toBe('');
});
