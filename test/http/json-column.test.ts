import { expect, it } from 'vitest';
import { GrowingBytes } from '../../src/feast-encoding/growing-bytes.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { frameFromJson } from '../../src/http/json-frame.ts';
import { checkJson } from '../../src/http/json-syntax.ts';
import { compileValueEncoder } from '../../src/ingestion/value-encoder.ts';
import { isMissing } from '../../src/ingestion/plain-value.ts';
import { plainLosesAsKey } from '../../src/ingestion/plain-column.ts';

const VALUES = [
  '0, -0, 1, -1, 2147483647, 2147483648, -2147483648, -2147483649, 4294967296, 9007199254740993',
  '9223372036854775807, -9223372036854775808, 9223372036854775808, 123456789012345678901234567890',
  '0.0, -0.0, 1.0, 1.5, -2.5, 1e2, 1e400, -1e400, 1e-400, 3.4e38, 1e40, NaN, Infinity, -Infinity',
  '"", "x", "5", "1.5", "true", "2025-01-01T00:00:00Z", "\\u00e9\\n\\ud83d\\ude9a", "\u00e9", "[1, 2]", "{}"',
  'true, false, null, [], [1, 2.5, null], ["a", "a"], {}, {"a": 1, "b": [true]}, [{"a": 1}], [[1]]',
].join(', ');
const SPACED = `{"values" : [ ${VALUES} ] }`;

const appended = (append: (out: GrowingBytes) => boolean): string | undefined => {
  const out = new GrowingBytes();
  out.put(Buffer.from('before'));
  const fits = append(out);
  return fits ? out.bytes.toString('hex', 'before'.length, out.at) : undefined;
};

it.each(Object.entries(ValueType))(
  'a value in JSON becomes a %s as the value that it is would, without being made one',
  (_name, valueType) => {
    const text = Buffer.from(SPACED);
    const { columns, rowCount } = frameFromJson(text, checkJson(text));
    const column = columns.get('values')!;
    const encoder = compileValueEncoder(valueType);
    expect(rowCount).toBe(48);
    for (let row = 0; row < rowCount; row++) {
      const plain = column.plain(row)!;
      expect(
        [
          appended((out) => column.append(out, row, encoder)),
          column.isNull(row),
          column.losesAsKey(row, valueType),
        ],
        `value ${row}`,
      ).toEqual([
        appended((out) => encoder.appendPlain(out, plain)),
        isMissing(plain),
        plainLosesAsKey(plain, valueType),
      ]);
    }
  },
);
