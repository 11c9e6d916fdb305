import type { ScalarValue } from '../feast-encoding/typed-value.ts';
import { ValueType } from '../feast-encoding/value-type.ts';

/** Reads every item; `undefined` where one of them cannot be. */
export function readAll<In, Out>(
  items: readonly In[],
  read: (item: In) => Out | undefined,
): Out[] | undefined {
  const list: Out[] = [];
  for (const item of items) {
    const value = read(item);
    if (value === undefined) {
      return undefined;
    }
    list.push(value);
  }
  return list;
}

/** What Feast writes for "no moment" (pandas' NaT): a missing timestamp is not null. */
export const NOT_A_TIME = -0x8000_0000_0000_0000n;

/** Element type of each list type whose elements are scalars. */
export const LIST_ELEMENTS: ReadonlyMap<number, number> = new Map<number, number>([
  [ValueType.BYTES_LIST, ValueType.BYTES],
  [ValueType.STRING_LIST, ValueType.STRING],
  [ValueType.INT32_LIST, ValueType.INT32],
  [ValueType.INT64_LIST, ValueType.INT64],
  [ValueType.DOUBLE_LIST, ValueType.DOUBLE],
  [ValueType.FLOAT_LIST, ValueType.FLOAT],
  [ValueType.BOOL_LIST, ValueType.BOOL],
  [ValueType.UNIX_TIMESTAMP_LIST, ValueType.UNIX_TIMESTAMP],
  [ValueType.JSON_LIST, ValueType.JSON],
  [ValueType.UUID_LIST, ValueType.UUID],
  [ValueType.TIME_UUID_LIST, ValueType.TIME_UUID],
  [ValueType.DECIMAL_LIST, ValueType.DECIMAL],
]);

/** Element type of each set type. */
export const SET_ELEMENTS: ReadonlyMap<number, number> = new Map<number, number>([
  [ValueType.BYTES_SET, ValueType.BYTES],
  [ValueType.STRING_SET, ValueType.STRING],
  [ValueType.INT32_SET, ValueType.INT32],
  [ValueType.INT64_SET, ValueType.INT64],
  [ValueType.DOUBLE_SET, ValueType.DOUBLE],
  [ValueType.FLOAT_SET, ValueType.FLOAT],
  [ValueType.BOOL_SET, ValueType.BOOL],
  [ValueType.UNIX_TIMESTAMP_SET, ValueType.UNIX_TIMESTAMP],
  [ValueType.UUID_SET, ValueType.UUID],
  [ValueType.TIME_UUID_SET, ValueType.TIME_UUID],
  [ValueType.DECIMAL_SET, ValueType.DECIMAL],
]);

/** What stands for null inside a list, by element type. */
export const LIST_ZEROS: ReadonlyMap<number, ScalarValue> = new Map<number, ScalarValue>([
  [ValueType.BYTES, new Uint8Array(0)],
  [ValueType.STRING, ''],
  [ValueType.INT32, 0],
  [ValueType.INT64, 0],
  [ValueType.DOUBLE, Number.NaN],
  [ValueType.FLOAT, Number.NaN],
  [ValueType.BOOL, false],
  [ValueType.UNIX_TIMESTAMP, NOT_A_TIME],
  [ValueType.JSON, 'null'],
  [ValueType.UUID, ''],
  [ValueType.TIME_UUID, ''],
  [ValueType.DECIMAL, ''],
]);
