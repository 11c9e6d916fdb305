import { describe, expect, test } from 'vitest';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { coerceEntityColumn } from '../../src/retrieval/coerce-entity-column.ts';
import { coerceEntityValue } from '../../src/retrieval/coerce-entity-value.ts';
import { pythonNumberText } from '../../src/retrieval/python-number-text.ts';
import { packColumn } from '../../src/retrieval/request-from-columns.ts';
import { codeOf, encoded, errorOf, type ValueInit } from './ask.ts';

const { BYTES, STRING, INT32, INT64, UNIX_TIMESTAMP } = ValueType;
const coerce = (init: ValueInit, type: number, lossy = false) =>
  coerceEntityValue(readValue(encoded(init)), type, lossy);

test.each<[ValueInit, number, unknown]>([
  [['int32Val', -7], INT64, -7n],
  [['int64Val', 7n], INT32, 7],
  [['int64Val', 2n ** 31n], INT32, undefined],
  [['int64Val', -(2n ** 31n)], INT32, -(2 ** 31)],
  [['unixTimestampVal', 5n], INT64, 5n],
  [['int64Val', 5n], UNIX_TIMESTAMP, 5n],
  [['stringVal', '-1001'], INT64, -1001n],
  [['stringVal', '007'], INT64, 7n],
  [['stringVal', '9223372036854775807'], INT64, 2n ** 63n - 1n],
  [['stringVal', '9223372036854775808'], INT64, undefined],
  [['stringVal', ' 1'], INT64, undefined],
  [['stringVal', '+1'], INT64, undefined],
  [['stringVal', '1_0'], INT64, undefined],
  [['stringVal', '1.0'], INT64, undefined],
  [['stringVal', '1e3'], INT64, undefined],
  [['stringVal', '\u0663'], INT64, undefined],
  [['stringVal', ''], INT64, undefined],
  [['stringVal', '9'.repeat(1000)], INT64, undefined],
  [['doubleVal', 1001], INT64, 1001n],
  [['floatVal', 3], INT32, 3],
  [['doubleVal', 1001.7], INT64, undefined],
  [['doubleVal', NaN], INT64, undefined],
  [['doubleVal', 1e300], INT64, undefined],
  [['boolVal', true], INT64, undefined],
  [['bytesVal', Uint8Array.of(49)], INT64, undefined],
  [['int64Val', -5n], STRING, '-5'],
  [['int32Val', 5], STRING, '5'],
  [['uuidVal', 'u'], STRING, 'u'],
  [['decimalVal', '1.50'], STRING, '1.50'],
  [['doubleVal', 1.5], STRING, '1.5'],
  [['doubleVal', 1], STRING, '1.0'],
  [['floatVal', 0.5], STRING, '0.5'],
  [['doubleVal', NaN], STRING, undefined],
  [['boolVal', true], STRING, undefined],
  [['unixTimestampVal', 1n], STRING, undefined],
  [['bytesVal', Uint8Array.of(1)], BYTES, Uint8Array.of(1)],
  [['stringVal', 'x'], BYTES, undefined],
])('%o to type %i', (init, type, expected) => {
  const value = coerce(init, type);
  expect(value instanceof Uint8Array ? Uint8Array.from(value) : value).toEqual(expected);
});

test.each<[ValueInit, number, unknown]>([
  [['doubleVal', 1001.7], INT64, 1001n],
  [['doubleVal', -1.7], INT32, -1],
  [['doubleVal', Infinity], INT64, undefined],
  [['boolVal', true], INT64, 1n],
  [['boolVal', false], STRING, 'False'],
  [['stringVal', ' +1_001\n'], INT64, 1001n],
  [['stringVal', '-1_001'], INT64, -1001n],
  [['stringVal', '1__0'], INT64, undefined],
  [['stringVal', '-١٠_٩'], INT64, -109n],
  [['stringVal', '𝟏𝟘𝟣'], INT64, 101n],
  [['stringVal', '½'], INT64, undefined],
])('as Python: %o to type %i', (init, type, expected) => {
  expect(coerce(init, type, true)).toEqual(expected);
});

test.each([
  [0, '0.0'],
  [-0, '-0.0'],
  [1.5, '1.5'],
  [-2, '-2.0'],
  [0.0001, '0.0001'],
  [0.00001, '1e-05'],
  [1e15, '1000000000000000.0'],
  [123456789012345680, '1.2345678901234568e+17'],
  [1e16, '1e+16'],
  [1e22, '1e+22'],
  [5e-324, '5e-324'],
  [0.1, '0.1'],
])('Python writes %d as %s', (value, text) => {
  expect(pythonNumberText(value)).toBe(text);
});

describe('columns', () => {
  const int64Column = { requestColumn: 0, valueType: INT64, isJoinKey: true };
  const column = (...values: (ValueInit | undefined)[]) =>
    packColumn({ name: 'id', values: values.map(encoded) });

  test('that need nothing are returned as they are', () => {
    const same = column(['int64Val', 1n], undefined, ['nullVal', 0]);
    expect(coerceEntityColumn(same, int64Column, false)).toBe(same);
    const echoed = column(['doubleVal', 1.5]);
    const echo = { requestColumn: 0, valueType: 0, isJoinKey: false };
    expect(coerceEntityColumn(echoed, echo, false)).toBe(echoed);
  });

  test.each([
    [ValueType.INT32, ['int64Val', 2n ** 31n], true],
    [ValueType.INT32, ['doubleVal', -3e9], true],
    [ValueType.UNIX_TIMESTAMP, ['stringVal', '9'.repeat(19)], true],
    [ValueType.INT64, ['stringVal', '1.5'], false],
    [ValueType.INT64, ['doubleVal', Number.NaN], false],
    [ValueType.INT64, ['boolVal', true], false],
    [ValueType.STRING, ['bytesVal', new Uint8Array(1)], false],
  ] as const)('out of range or not: %#', async (valueType, value, isBeyond) => {
    const plan = { ...int64Column, valueType };
    const { message } = await errorOf(() => coerceEntityColumn(column(value), plan, false));
    expect(/the number is out of the range of/.test(message)).toBe(isBeyond);
  });

  test('are converted as a whole, nulls stay', () => {
    const converted = coerceEntityColumn(
      column(['int32Val', 1], undefined, ['int64Val', 2n]),
      int64Column,
      false,
    );
    const values = Array.from(converted.starts, (start, row) =>
      Buffer.from(converted.bytes.subarray(start, converted.ends[row])).toString('hex'),
    );
    expect(values).toEqual(['2001', '', '2002']);
  });

  test('of no declared type must be what a key can hold', async () => {
    const untyped = { ...int64Column, valueType: 0 };
    const fine = column(['stringVal', 'x'], ['int32Val', 1], undefined);
    expect(coerceEntityColumn(fine, untyped, false)).toBe(fine);
    expect(await codeOf(() => coerceEntityColumn(column(['boolVal', true]), untyped, false))).toBe(
      'UNSUPPORTED_JOIN_KEY_TYPE',
    );
  });
});
