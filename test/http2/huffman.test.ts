import { describe, expect, it } from 'vitest';
import { decodeHuffman } from '../../src/http2/huffman.ts';

function decode(hex: string): string | undefined {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const out = Buffer.alloc(2 * bytes.length + 8);
  const end = decodeHuffman(bytes, 0, bytes.length, out, 0);
  return end < 0 ? undefined : out.toString('latin1', 0, end);
}

describe('decodeHuffman', () => {
  // RFC 7541 appendix C.4 and C.6.
  it.each([
    ['f1e3 c2e5 f23a 6ba0 ab90 f4ff', 'www.example.com'],
    ['a8eb 1064 9cbf', 'no-cache'],
    ['25a8 49e9 5ba9 7d7f', 'custom-key'],
    ['25a8 49e9 5bb8 e8b4 bf', 'custom-value'],
    ['d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3', 'https://www.example.com'],
    [
      '94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ],
    ['', ''],
  ])('%s', (hex, text) => {
    expect(decode(hex)).toBe(text);
  });

  it('takes padding of at most seven ones', () => {
    expect(decode('1f')).toBe('a');
    expect(decode('1fff')).toBeUndefined();
    expect(decode('ff')).toBeUndefined();
    expect(decode('18')).toBeUndefined();
    expect(decode('00')).toBeUndefined();
  });

  it('refuses the end-of-string symbol', () => {
    expect(decode('ffffffff')).toBeUndefined();
    expect(decode('1fffffffff')).toBeUndefined();
  });
});
