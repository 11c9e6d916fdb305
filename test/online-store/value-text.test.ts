import { Buffer } from 'node:buffer';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { pythonFloat, storedText, valueText } from '../../src/online-store/value-text.ts';

test.each([
  [0, '0.0'],
  [-0, '-0.0'],
  [1, '1.0'],
  [-2.5, '-2.5'],
  [0.1, '0.1'],
  [0.0001, '0.0001'],
  [0.000_099_999_999_999_999_99, '9.999999999999999e-05'],
  [1e-5, '1e-05'],
  [-1.25e-7, '-1.25e-07'],
  [5e-324, '5e-324'],
  [123_456_789.125, '123456789.125'],
  [9_999_999_999_999_998, '9999999999999998.0'],
  [1e16, '1e+16'],
  [1.5e22, '1.5e+22'],
  [-1.797_693_134_862_315_7e308, '-1.7976931348623157e+308'],
  [Number.NaN, 'nan'],
  [Number.POSITIVE_INFINITY, 'inf'],
  [Number.NEGATIVE_INFINITY, '-inf'],
])('%d is %s, as Python prints it', (value, text) => {
  expect(pythonFloat(value)).toBe(text);
});

test('what is stored has the text of the value that it is', () => {
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const stored = fc.oneof(
    fc.nat(300).map((value) => writeValue(ValueType.INT64, value)),
    fc.nat().map((value) => writeValue(ValueType.INT64, value)),
    int64.map((value) => writeValue(ValueType.INT64, value)),
    fc.integer().map((value) => writeValue(ValueType.INT32, value)),
    fc.double().map((value) => writeValue(ValueType.DOUBLE, value)),
    fc.string({ maxLength: 200 }).map((value) => writeValue(ValueType.STRING, value)),
    fc
      .string({ unit: 'binary', maxLength: 80 })
      .map((value) => writeValue(ValueType.STRING, value)),
    fc.uint8Array().map((value) => writeValue(ValueType.BYTES, value)),
    fc.constant(new Uint8Array(0)),
  );
  // Two members, of which the last one counts.
  const doubled = fc.tuple(stored, stored).map((both) => Buffer.concat(both));
  fc.assert(
    fc.property(fc.oneof(stored, doubled), (bytes) => {
      expect(storedText(Buffer.from(bytes))).toBe(valueText(readValue(bytes)));
    }),
    { numRuns: 1_000 },
  );
});
