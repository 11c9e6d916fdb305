/** What the model does with entity values. */
import { inspect } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';
import type { ErrorCode } from '../../src/errors.ts';

const CASE_OF_TYPE: Readonly<Record<number, string>> = {
  1: 'bytesVal',
  2: 'stringVal',
  3: 'int32Val',
  4: 'int64Val',
  8: 'unixTimestampVal',
};

/** Among integers, from digits and whole numbers to integers, from numbers to text; anything else must have the type already. */
export function convert(value: Value, type: number, errors: Set<ErrorCode>): Value {
  const from = value.val;
  const to = CASE_OF_TYPE[type]!;
  if (from.case === undefined || from.case === 'nullVal' || from.case === to) return value;
  const isInteger = /^(int32|int64|unixTimestamp)Val$/.test(from.case);
  if (to === 'stringVal' && isInteger && from.case !== 'unixTimestampVal') {
    return make(to, (from.value as number | bigint).toString());
  }
  if (to === 'stringVal' && from.case === 'doubleVal') {
    // Of the numbers that requests here hold, Python writes only whole ones otherwise than JavaScript.
    return make(to, Number.isInteger(from.value) ? from.value.toFixed(1) : `${from.value}`);
  }
  if (to !== 'stringVal' && to !== 'bytesVal') {
    const isDigits = from.case === 'stringVal' && /^-?[0-9]+$/.test(from.value);
    const isWhole = from.case === 'doubleVal' && Number.isInteger(from.value);
    if (isInteger || isDigits || isWhole) {
      const integer = BigInt(from.value as string | number | bigint);
      const bits = to === 'int32Val' ? 32 : 64;
      if (BigInt.asIntN(bits, integer) === integer) {
        return make(to, to === 'int32Val' ? Number(integer) : integer);
      }
    }
  }
  errors.add('INVALID_ENTITY_VALUE');
  return value;
}

function make(name: string, value: unknown): Value {
  return create(ValueSchema, { val: { case: name, value } as Value['val'] });
}

export function sameEntity(
  a: Readonly<Record<string, Value>>,
  b: Readonly<Record<string, Value>>,
): boolean {
  const text = (entity: Readonly<Record<string, Value>>) =>
    Object.entries(entity)
      .map(([name, { val }]) => `${name}=${val.case}:${inspect(val.value)}`)
      .sort()
      .join();
  return text(a) === text(b);
}
