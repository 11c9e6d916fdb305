import { describe, expect, it } from 'vitest';
import { parseEntityArguments } from '../../src/cli/entity-arguments.ts';

function values(...texts: string[]): Record<string, unknown[]> {
  return Object.fromEntries(
    [...parseEntityArguments(texts)].map(([name, column]) => [
      name,
      column.map(({ val }) => (val.case === undefined ? null : [val.case, val.value])),
    ]),
  );
}

describe('parseEntityArguments', () => {
  it('takes integers for int64 and everything else for a string', () => {
    expect(values('driver_id=1001,-2,9223372036854775807', 'city=Zürich,a=b')).toEqual({
      driver_id: [
        ['int64Val', 1001n],
        ['int64Val', -2n],
        ['int64Val', 9223372036854775807n],
      ],
      city: [
        ['stringVal', 'Zürich'],
        ['stringVal', 'a=b'],
      ],
    });
    expect(values('k=9223372036854775808,1.5,')).toEqual({
      k: [
        ['stringVal', '9223372036854775808'],
        ['stringVal', '1.5'],
        ['stringVal', ''],
      ],
    });
  });

  it('lets a type be forced', () => {
    expect(
      values('a:string=1', 'b:int32=7', 'c:double=1e3', 'd:bool=true', 'e:bytes=AP8='),
    ).toEqual({
      a: [['stringVal', '1']],
      b: [['int32Val', 7]],
      c: [['doubleVal', 1000]],
      d: [['boolVal', true]],
      e: [['bytesVal', Buffer.from([0, 255])]],
    });
  });

  it('takes JSON arrays, and appends to a column that stood before', () => {
    expect(values('c=["Paris, TX", null]', 'c=[5]')).toEqual({
      c: [['stringVal', 'Paris, TX'], null, ['int64Val', 5n]],
    });
  });

  it.each([
    ['nonsense', /KEY=VALUE/],
    ['=1', /KEY=VALUE/],
    ['k:int32=2147483648', /is no int32/],
    ['k:int64=x', /is no int64/],
    ['k:bytes=?', /is no base64/],
    ['k:uuid=x', /there is no type uuid; there are string, int64/],
    ['k:constructor=x', /there is no type constructor/],
    ['k=[1', /not a JSON array/],
  ])('refuses %s, naming it', (text, message) => {
    expect(() => parseEntityArguments([text])).toThrow(message);
    expect(() => parseEntityArguments([text])).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST' }) as Error,
    );
  });
});
