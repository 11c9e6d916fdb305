import { describe, expect, test } from 'vitest';
import type { ComputeFunction } from '../../src/definitions/definition.ts';
import type { FeatureValue } from '../../src/feast-encoding/typed-value.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { packColumns, slabValue } from '../../src/transformation/column-slab.ts';
import { runFunction } from '../../src/transformation/run-function.ts';

interface Input {
  readonly name: string;
  readonly shortName?: string;
  readonly valueType: number;
  readonly values: readonly FeatureValue[];
}

interface Outcome {
  readonly columns: Record<string, readonly FeatureValue[]>;
  readonly failedRows: readonly number[];
}

function run(
  compute: ComputeFunction,
  inputs: readonly Input[],
  outputs: Readonly<Record<string, number>>,
  onError: 'fail' | 'invalid' = 'fail',
): Outcome {
  const rowCount = inputs[0]!.values.length;
  const fields = Object.entries(outputs).map(([name, valueType]) => ({ name, valueType }));
  const call = {
    viewName: 'view',
    rowCount,
    inputs: inputs.map(({ name, shortName, valueType }) => ({ name, shortName, valueType })),
    values: packColumns(inputs.length, rowCount, (column, row) => {
      const { valueType, values } = inputs[column]!;
      const value = values[row]!;
      return value === null ? new Uint8Array(0) : writeValue(valueType, value);
    }),
    outputs: fields,
  };
  const { values, failedRows } = runFunction(call, { compute, repoPath: '/repository', onError });
  const columns = Object.fromEntries(
    fields.map(({ name }, column) => [
      name,
      Array.from({ length: rowCount }, (_, row) => {
        return readValue(slabValue(values, column * rowCount + row)).value;
      }),
    ]),
  );
  return { columns, failedRows };
}

const EVERY_TYPE: readonly (readonly [keyof typeof ValueType, FeatureValue, unknown])[] = [
  ['INT32', -7, -7],
  ['INT64', -(2n ** 63n), -(2n ** 63n)],
  ['FLOAT', 1.5, 1.5],
  ['DOUBLE', -0.1, -0.1],
  ['BOOL', true, true],
  ['STRING', 'Köln', 'Köln'],
  ['JSON', '{"a": 1}', '{"a": 1}'],
  ['DECIMAL', '1.10', '1.10'],
  ['BYTES', Uint8Array.of(0, 255), Uint8Array.of(0, 255)],
  ['UNIX_TIMESTAMP', -86_400n, new Date('1969-12-31T00:00:00Z')],
  ['INT64_LIST', [1n, 2n ** 60n], [1n, 2n ** 60n]],
  ['STRING_SET', ['a', 'b'], ['a', 'b']],
  ['BYTES_LIST', [Uint8Array.of(1)], [Uint8Array.of(1)]],
  ['UNIX_TIMESTAMP_LIST', [0n], [new Date(0)]],
];

test.each(EVERY_TYPE)('hands over %s and takes it back', (name, stored, seen) => {
  const valueType = ValueType[name];
  let given: unknown;
  const { columns } = run(
    ({ a }) => {
      given = a;
      return { b: a! };
    },
    [{ name: 'a', valueType, values: [stored, null] }],
    { b: valueType },
  );
  expect(given).toEqual([seen, null]);
  expect(columns).toEqual({ b: [stored, null] });
});

describe('outputs', () => {
  const input: Input = { name: 'a', valueType: ValueType.INT64, values: [0n, 1n] };

  test.each<readonly [string, keyof typeof ValueType, unknown]>([
    ['a fraction for an integer', 'INT64', 1.5],
    ['an inexact integer', 'INT64', 2 ** 53],
    ['an integer of 65 bits', 'INT64', 2n ** 63n],
    ['a wide INT32', 'INT32', 2 ** 31],
    ['text for a number', 'DOUBLE', '1'],
    ['a bigint for a number', 'DOUBLE', 1n],
    ['a number for text', 'STRING', 1],
    ['half a surrogate pair', 'STRING', '\ud800'],
    ['what is no JSON', 'JSON', '{'],
    ['no time', 'UNIX_TIMESTAMP', new Date(Number.NaN)],
    ['a scalar for a list', 'INT64_LIST', 1n],
    ['null in a list', 'INT64_LIST', [null]],
  ])('refuses %s, naming the row', (_, type, value) => {
    expect(() => run(() => ({ b: [null, value] }), [input], { b: ValueType[type] })).toThrow(
      /^On-demand feature view view: /,
    );
    const byRow: ComputeFunction = ({ a }) => ({
      b: a!.map((each) => (each === 1n ? value : null)),
    });
    expect(() => run(byRow, [input], { b: ValueType[type] })).toThrow(
      'On-demand feature view view: its output b does not fit its declared type, first in row 1',
    );
  });

  test('takes exact numbers for Int64, and NaN and undefined for null', () => {
    const outcome = run(() => ({ b: [5, undefined], c: Float64Array.of(Number.NaN, 2) }), [input], {
      b: ValueType.INT64,
      c: ValueType.DOUBLE,
    });
    expect(outcome.columns).toEqual({ b: [5n, null], c: [null, 2] });
  });

  test.each<readonly [string, ComputeFunction, string]>([
    ['a column that is not given', () => ({}), 'gives no column b'],
    ['a short column', () => ({ b: [] }), 'gives 0 rows'],
    ['a promise', (() => Promise.resolve({})) as never, 'gives no columns'],
    ['nothing', (() => undefined) as never, 'gives no columns'],
  ])('refuses %s', (_, compute, message) => {
    expect(() => run(compute, [input], { b: ValueType.INT64 })).toThrow(message);
  });
});

describe('a function that throws', () => {
  const input: Input = { name: 'a', valueType: ValueType.INT64, values: [1n, 2n, 3n, 2n] };
  const compute: ComputeFunction = ({ a }) => ({
    b: a!.map((each) => {
      if (each === 2n) throw new RangeError('two');
      return each;
    }),
  });

  test('fails the call with the first row, and without its message', () => {
    const call = (): unknown => run(compute, [input], { b: ValueType.INT64 });
    expect(call).toThrow('its function threw RangeError, first in row 1');
    expect(call).not.toThrow('two');
  });

  test('fails its rows alone where that is wanted', () => {
    const { columns, failedRows } = run(compute, [input], { b: ValueType.INT64 }, 'invalid');
    expect(columns).toEqual({ b: [1n, null, 3n, null] });
    expect(failedRows).toEqual([1, 3]);
  });
});

test('knows short names of features, and says which to use where two sources have one', () => {
  const inputs: Input[] = [
    { name: 'v__a', shortName: 'a', valueType: ValueType.INT64, values: [1n] },
    { name: 'w__a', shortName: 'a', valueType: ValueType.INT64, values: [2n] },
    { name: 'w__b', shortName: 'b', valueType: ValueType.INT64, values: [3n] },
  ];
  const outputs = { sum: ValueType.INT64 };
  const sum =
    (first: string): ComputeFunction =>
    (columns) => ({ sum: [(columns[first]![0] as bigint) + (columns['b']![0] as bigint)] });
  expect(run(sum('v__a'), inputs, outputs).columns).toEqual({ sum: [4n] });
  expect(() => run(sum('a'), inputs, outputs)).toThrow('say v__a or w__a');
});
