import { create } from '@bufbuild/protobuf';
import { ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';

type ValueInit = Value['val'];

/** The one row of a `df` as typed features, by the types of its JSON; `undefined` where they cannot say the same. */
export function typedFeatures(
  df: Readonly<Record<string, unknown>>,
): Record<string, Value> | undefined {
  const features: Record<string, Value> = {};
  for (const [name, column] of Object.entries(df)) {
    if (!Array.isArray(column) || column.length !== 1) return undefined;
    const val = typedValue(column[0]);
    if (val === undefined) return undefined;
    features[name] = create(ValueSchema, { val });
  }
  return features;
}

function typedValue(value: unknown): ValueInit | undefined {
  switch (typeof value) {
    case 'string':
      return { case: 'stringVal', value };
    case 'boolean':
      return { case: 'boolVal', value };
    case 'number':
      if (!Number.isInteger(value)) return { case: 'doubleVal', value };
      return Number.isSafeInteger(value) ? { case: 'int64Val', value: BigInt(value) } : undefined;
    default:
      if (value === null) return { case: undefined };
      return Array.isArray(value) ? typedList(value) : typedMap(value as object);
  }
}

function typedList(list: readonly unknown[]): ValueInit | undefined {
  if (list.every((item) => typeof item === 'string')) {
    return {
      case: 'stringListVal',
      value: { $typeName: 'feast.types.StringList', val: [...list] },
    };
  }
  if (list.every((item) => typeof item === 'number' && Number.isSafeInteger(item))) {
    const val = list.map((item) => BigInt(item as number));
    return { case: 'int64ListVal', value: { $typeName: 'feast.types.Int64List', val } };
  }
  return undefined;
}

function typedMap(map: object): ValueInit | undefined {
  const val: Record<string, Value> = {};
  for (const [name, item] of Object.entries(map)) {
    const typed = typedValue(item);
    if (typed === undefined) return undefined;
    val[name] = create(ValueSchema, { val: typed });
  }
  return { case: 'mapVal', value: { $typeName: 'feast.types.Map', val } };
}
