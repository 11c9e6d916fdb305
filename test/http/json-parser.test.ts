import { describe, expect, it } from 'vitest';
import { parseJson } from '../../src/http/json-parser.ts';
import { JsonSyntaxError } from '../../src/http/json-syntax.ts';

function failure(text: string): { message: string; position: number } {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) {
      return { message: error.message, position: error.position };
    }
    throw error;
  }
  throw new Error(`parsed ${text}`);
}

describe('parseJson', () => {
  it('keeps integers exact and apart from floats', () => {
    expect(parseJson('[1, -0, 9007199254740991, 9007199254740993, -9223372036854775808]')).toEqual([
      1,
      0,
      9007199254740991,
      9007199254740993n,
      -9223372036854775808n,
    ]);
    expect(parseJson('[1.0, 1e2, -0.0, NaN, -Infinity]')).toEqual([
      { float: 1 },
      { float: 100 },
      { float: -0 },
      { float: NaN },
      { float: -Infinity },
    ]);
  });

  it('reads everything else as JSON has it', () => {
    expect(parseJson(' {"a": [true, false, null, "x"], "b": {}, "a": []}\n')).toEqual(
      new Map<string, unknown>([
        ['a', []],
        ['b', new Map()],
      ]),
    );
    expect(parseJson('"\\u00e9\\n\\"\\/\\ud83d\\ude9a é"')).toBe('é\n"/🚚 é');
    expect(parseJson('{"__proto__": 1}')).toEqual(new Map([['__proto__', 1]]));
  });

  // What Python's json says of the same texts.
  it.each([
    ['', 'Expecting value', 0],
    ['  \n', 'Expecting value', 3],
    ['{"a": 1,}', 'Expecting property name enclosed in double quotes', 8],
    ["{'a': 1}", 'Expecting property name enclosed in double quotes', 1],
    ['{"a" 1}', "Expecting ':' delimiter", 5],
    ['[1 2]', "Expecting ',' delimiter", 3],
    ['[00101]', "Expecting ',' delimiter", 2],
    ['[1,]', 'Expecting value', 3],
    ['[1, "abc', 'Unterminated string starting at', 4],
    ['"🚚é" x', 'Extra data', 5],
    ['"a\nb"', 'Invalid control character at', 2],
    ['"a\\xb"', 'Invalid \\escape', 2],
    ['"\\u12g4"', 'Invalid \\uXXXX escape', 2],
    ['tru', 'Expecting value', 0],
    ['-', 'Expecting value', 0],
    ['[.5]', 'Expecting value', 1],
  ])('refuses %j', (text, message, position) => {
    expect(failure(text)).toEqual({ message, position });
  });

  it('refuses half a surrogate pair and bottomless nesting', () => {
    expect(failure('["\\ud83d"]').message).toBe('Unpaired surrogate in string starting at');
    expect(failure('['.repeat(100_000)).message).toMatch(/^Nested more than/);
  });

  it('refuses integers of more digits than Python reads, which would take seconds to read', () => {
    const longest = '9'.repeat(4300);
    expect(parseJson(`-${longest}`)).toBe(-BigInt(longest));
    expect(failure(`[1, 9${longest}]`)).toEqual({
      message: 'Integer of more than 4300 digits',
      position: 4,
    });
  });

  it('agrees with JSON.parse on what both understand', () => {
    const texts = [
      '{"a":{"b":[1,2,{"c":"d"}]}}',
      '[[],[[]],{}]',
      '"\\b\\f\\t"',
      ' [ ] ',
      '{"":""}',
    ];
    for (const text of texts) {
      const plain = (value: unknown): unknown =>
        value instanceof Map
          ? Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]))
          : Array.isArray(value)
            ? value.map(plain)
            : value;
      expect(plain(parseJson(text))).toEqual(JSON.parse(text));
    }
  });
});
