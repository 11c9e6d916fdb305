import { expect, test } from 'vitest';
import { closestWord, didYouMean, isMeantToBe } from '../src/did-you-mean.ts';

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

test('given names are asked about, the first that is near', () => {
  expect(isMeantToBe(['rider', 'drivr_id'], ['x', 'driver_id'])).toBe(
    '; is drivr_id meant to be driver_id?',
  );
  expect(isMeantToBe(['rider'], ['driver_id'])).toBe('');
});

test('of very many names only the first are looked at, of similar length still fewer', () => {
  let looked = 0;
  const endless = (function* (): Generator<string> {
    for (;;) {
      looked += 1;
      yield looked === 900 ? 'feature_view_no_xyz' : 'some_other_name_abc';
    }
  })();
  expect(closestWord('feature_view_no_xyy', endless)).toBeUndefined();
  expect(looked).toBeLessThan(900);
  looked = 1_000;
  expect(closestWord('short', endless)).toBeUndefined();
  expect(looked).toBeLessThan(30_000);
  expect(closestWord('x'.repeat(2_000_000), ['x'])).toBeUndefined();
});
