import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import { murmur3 } from '../../src/feast-encoding/murmur3.ts';
import { describeWithShared } from '../support/shared.ts';
import { goldenLines } from './golden-lines.ts';

describeWithShared('golden hash fields', () => {
  it('equals every vector', () => {
    const lines = goldenLines<{
      view: string;
      feature: string;
      field_hex: string;
      timestamp_field_b64: string;
    }>('hash_fields.jsonl');
    expect(lines.length).toBeGreaterThan(100);
    for (const line of lines) {
      const field = Buffer.from(hashFeatureField(line.view, line.feature));
      expect([line.view, line.feature, field.toString('hex')]).toEqual([
        line.view,
        line.feature,
        line.field_hex,
      ]);
      expect(Buffer.from(timestampField(line.view)).toString('base64')).toBe(
        line.timestamp_field_b64,
      );
    }
  });
});

describe('murmur3', () => {
  // Published vectors of the reference implementation, every tail length and a seed.
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['test', 0, 0xba6bd213],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aa', 0x9747b28c, 0x5d211726],
    ['a', 0x9747b28c, 0x7fa09ea6],
  ])('hashes %j with seed %i', (text, seed, expected) => {
    expect(murmur3(Buffer.from(text), seed)).toBe(expected);
  });
});
