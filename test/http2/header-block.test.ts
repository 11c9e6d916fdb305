import { describe, expect, it } from 'vitest';
import { encodeHeaderBlock } from '../../src/http2/header-block.ts';

const hex = (fields: Parameters<typeof encodeHeaderBlock>[0]): string =>
  Buffer.from(encodeHeaderBlock(fields).bytes).toString('hex');

describe('encodeHeaderBlock', () => {
  it('refers to the static table and never asks to remember', () => {
    // :status 200 is field 8; content-type is field 31, beyond what fits a prefix of four bits.
    expect(hex({ ':status': 200, 'content-type': 'a/b' })).toBe('880f1003612f62');
    expect(hex({ 'grpc-status': 0 })).toBe(`000b${Buffer.from('grpc-status').toString('hex')}0130`);
  });

  it('writes long values with their length in several bytes', () => {
    const { bytes } = encodeHeaderBlock({ via: 'v'.repeat(1000) });
    expect([...bytes.subarray(0, 5)]).toEqual([0x0f, 45, 127, 0xe9, 0x06]);
    expect(bytes).toHaveLength(5 + 1000);
  });

  it('repeats a field that has several values', () => {
    expect(hex({ 'set-cookie': ['a', 'b'] })).toBe('0f2801610f280162');
  });

  it.each([
    ['a name in upper case', { 'Content-Type': 'a' }],
    ['a name with a space', { 'a b': 'a' }],
    ['a line break', { a: 'b\r\nc: d' }],
    ['a NUL', { a: '\0' }],
    ['a space at an end', { a: 'b ' }],
    ['a character beyond one byte', { a: 'ł' }],
  ])('refuses %s', (_name, fields) => {
    expect(() => encodeHeaderBlock(fields as Record<string, string>)).toThrow(TypeError);
  });
});
