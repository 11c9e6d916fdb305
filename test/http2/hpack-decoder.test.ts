import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionError, ErrorCode } from '../../src/http2/frame.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { STATIC_FIELDS } from '../../src/http2/hpack-static-table.ts';
import { integer, plainString, type Fields } from './frames.ts';
import { TableOfClient } from './table-of-client.ts';

const LIMIT = 16_384;

function decode(decoder: HpackDecoder, block: Buffer | string, limit = LIMIT): Fields {
  const bytes = typeof block === 'string' ? Buffer.from(block.replaceAll(' ', ''), 'hex') : block;
  // With bytes around it that are not its own.
  const around = Buffer.concat([Buffer.from([0xff, 0x82]), bytes, Buffer.from([0x83, 0xff])]);
  decoder.decode(around, 2, 2 + bytes.length, limit);
  return decoder.fields.map(({ name, value }) => [name, value]);
}

function refusal(block: Buffer | string, decoder = new HpackDecoder()): number | undefined {
  try {
    decode(decoder, block);
    return undefined;
  } catch (error) {
    if (error instanceof ConnectionError) return error.code;
    throw error;
  }
}

describe('HpackDecoder', () => {
  const GET_EXAMPLE: Fields = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ];

  // RFC 7541 appendices C.3 and C.4.
  it.each([
    [
      'plain',
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
    ],
    [
      'Huffman-coded',
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ],
  ])('decodes three requests of the RFC, %s', (_name, [first, second, third]) => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, first!)).toEqual(GET_EXAMPLE);
    expect(decode(decoder, second!)).toEqual([...GET_EXAMPLE, ['cache-control', 'no-cache']]);
    expect(decode(decoder, third!)).toEqual([
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ]);
  });

  it('reads literals that are not to be indexed, and never', () => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, '040c 2f73 616d 706c 652f 7061 7468')).toEqual([
      [':path', '/sample/path'],
    ]);
    expect(decode(decoder, '1008 7061 7373 776f 7264 0673 6563 7265 74')).toEqual([
      ['password', 'secret'],
    ]);
    expect(refusal('be', decoder)).toBe(ErrorCode.COMPRESSION_ERROR);
  });

  it.each([
    ['index 0', '80'],
    ['an index that is not there', 'be'],
    ['a name that is not there', '7f2001 61'],
    ['an index that is cut off', 'ff'],
    ['an index that never ends', 'ffffffffffffffffff'],
    ['an integer of five bytes and more', 'ff8080808001'],
    ['a string that is cut off', '0003 6162'],
    ['a length that is missing', '00'],
    ['a value that is missing', '0001 61'],
    ['bad Huffman coding', '0081 00 0161'],
    ['a table larger than allowed', '3fe2 1f'],
    ['three changes of the table size', '2020 20'],
    ['a change of the table size after a field', '8220'],
  ])('refuses %s', (_name, block) => {
    expect(refusal(block)).toBe(ErrorCode.COMPRESSION_ERROR);
  });

  it('keeps fields within the size that the client chose', () => {
    const decoder = new HpackDecoder();
    const add = (name: string): Buffer =>
      Buffer.concat([Buffer.from([0x40]), plainString(name), plainString('v')]);
    // Room for two fields of 34 bytes.
    decode(decoder, Buffer.concat([integer(0x20, 5, 70), add('a'), add('b'), add('c')]));
    expect(decode(decoder, 'bebf')).toEqual([
      ['c', 'v'],
      ['b', 'v'],
    ]);
    expect(refusal('c0', decoder)).toBe(ErrorCode.COMPRESSION_ERROR);
    // A field that is larger than the table empties it.
    decode(decoder, add('d'.repeat(60)));
    expect(refusal('be', decoder)).toBe(ErrorCode.COMPRESSION_ERROR);
    // Down to nothing and up again, as a client that changed its mind does.
    expect(decode(decoder, Buffer.concat([Buffer.from('203fe11f', 'hex'), add('e')]))).toEqual([
      ['e', 'v'],
    ]);
    expect(decode(decoder, 'be')).toEqual([['e', 'v']]);
  });

  it('names a field of the table that the same literal drives out', () => {
    const decoder = new HpackDecoder();
    decode(decoder, Buffer.concat([integer(0x20, 5, 40), Buffer.from('400261610162', 'hex')]));
    expect(decode(decoder, '7e0163')).toEqual([['aa', 'c']]);
    expect(decode(decoder, 'be')).toEqual([['aa', 'c']]);
  });

  it('drops what is over the limit and keeps the table as the client has it', () => {
    const decoder = new HpackDecoder();
    const bomb = Buffer.concat([
      Buffer.from([0x40]),
      plainString('bomb'),
      plainString('x'.repeat(4000)),
      Buffer.alloc(10_000, 0xbe),
      Buffer.from([0x40]),
      plainString('after'),
      plainString('1'),
    ]);
    decode(decoder, bomb);
    expect(decoder.isOverLimit).toBe(true);
    expect(decoder.fields.length).toBeLessThanOrEqual(4);
    expect(decode(decoder, 'be')).toEqual([['after', '1']]);
    expect(decoder.isOverLimit).toBe(false);
  });

  it('follows a client that uses its table in any way', () => {
    const field = fc.tuple(
      fc.constantFrom(
        ...STATIC_FIELDS.slice(0, 40).map(([name]) => name),
        'a',
        'b',
        'grpc-timeout',
      ),
      fc.oneof(fc.constantFrom('', '1', 'GET', '/'), fc.string({ unit: 'binary-ascii' })),
    );
    const block = fc.record({
      tableBytes: fc.option(fc.nat({ max: 4096 }), { freq: 5 }),
      fields: fc.array(fc.tuple(field, fc.nat({ max: 4 })), { maxLength: 40 }),
    });
    fc.assert(
      fc.property(fc.array(block, { maxLength: 10 }), (blocks) => {
        const client = new TableOfClient();
        const decoder = new HpackDecoder();
        for (const { tableBytes, fields } of blocks) {
          const block = Buffer.concat([
            ...(tableBytes === null ? [] : [client.resize(tableBytes)]),
            ...fields.map(([[name, value], way]) => client.encode(name, value, way)),
          ]);
          expect(decode(decoder, block)).toEqual(fields.map(([each]) => each));
        }
      }),
      { numRuns: 300 },
    );
  });
});
