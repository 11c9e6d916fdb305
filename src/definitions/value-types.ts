import { ValueType_Enum as Enum, type ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';

/**
 * The type of a feature or of an entity's join key. `name` is the name in Feast's `feast.types` (`Int64`,
 * `Array(String)`), `valueType` the number of `feast.types.ValueType.Enum` that the registry keeps. `tags` is what Feast
 * puts on a field to remember the part of a type that the number cannot say; absent for all but structs and nested lists.
 */
export interface FeatureType<Name extends string = string> {
  readonly name: Name;
  readonly valueType: ValueType_Enum;
  /** How Feast spells the type inside `feast:nested_inner_type`, such as `INT64` or `Array(INT64)`. */
  readonly spelling: string;
  readonly tags?: Readonly<Record<string, string>>;
}

function scalar<const Name extends string>(
  name: Name,
  spelling: keyof typeof Enum,
): FeatureType<Name> {
  return Object.freeze({ name, spelling, valueType: Enum[spelling] });
}

/** 32-bit signed integer. */
export const Int32: FeatureType<'Int32'> = scalar('Int32', 'INT32');
/** 64-bit signed integer. */
export const Int64: FeatureType<'Int64'> = scalar('Int64', 'INT64');
/** Single-precision number. */
export const Float32: FeatureType<'Float32'> = scalar('Float32', 'FLOAT');
/** Double-precision number. */
export const Float64: FeatureType<'Float64'> = scalar('Float64', 'DOUBLE');
/** Truth value. */
export const Bool: FeatureType<'Bool'> = scalar('Bool', 'BOOL');
/** Any bytes. */
export const Bytes: FeatureType<'Bytes'> = scalar('Bytes', 'BYTES');
/** A moment, kept as whole seconds since the epoch. */
export const UnixTimestamp: FeatureType<'UnixTimestamp'> = scalar(
  'UnixTimestamp',
  'UNIX_TIMESTAMP',
);
/** A UUID of any version, as canonical text. */
export const Uuid: FeatureType<'Uuid'> = scalar('Uuid', 'UUID');
/** A version-1 UUID, as canonical text. */
export const TimeUuid: FeatureType<'TimeUuid'> = scalar('TimeUuid', 'TIME_UUID');
/** A decimal number of any precision, as text. */
export const Decimal: FeatureType<'Decimal'> = scalar('Decimal', 'DECIMAL');
/** A JSON document, as text. */
export const Json: FeatureType<'Json'> = scalar('Json', 'JSON');
/** A map whose keys are not all strings. */
export const ScalarMap: FeatureType<'ScalarMap'> = scalar('ScalarMap', 'SCALAR_MAP');
/** A moment with the name of its time zone. */
export const ZonedTimestamp: FeatureType<'ZonedTimestamp'> = scalar(
  'ZonedTimestamp',
  'ZONED_TIMESTAMP',
);
// The two below shadow globals where they are imported, as the names of Feast's types do in Python. In this file they
// keep other names.
const StringType: FeatureType<'String'> = scalar('String', 'STRING');
const MapType: FeatureType<'Map'> = scalar('Map', 'MAP');
export { StringType as String, MapType as Map };

/** Feast's `Array(element)`: a list of values of one type. Lists of lists and lists of sets may be nested. */
export function listOf<Name extends string>(
  element: FeatureType<Name>,
): FeatureType<`Array(${Name})`> {
  return collection('Array', element);
}

/** Feast's `Set(element)`: distinct values of one type, in no order. */
export function setOf<Name extends string>(
  element: FeatureType<Name>,
): FeatureType<`Set(${Name})`> {
  return collection('Set', element);
}

/** Feast's `Struct({...})`: a map with known keys, each of one scalar type. */
export function structOf(fields: Readonly<Record<string, FeatureType>>): FeatureType<'Struct'> {
  // Feast writes this tag with Python's JSON: a space after each colon and comma.
  const members = Object.entries(fields).map(
    ([name, type]) => `${JSON.stringify(name)}: ${JSON.stringify(type.spelling)}`,
  );
  return Object.freeze({
    name: 'Struct',
    spelling: 'STRUCT',
    valueType: Enum.STRUCT,
    tags: Object.freeze({ 'feast:struct_schema': `{${members.join(', ')}}` }),
  });
}

function collection<const Kind extends 'Array' | 'Set', Name extends string>(
  kind: Kind,
  element: FeatureType<Name>,
): FeatureType<`${Kind}(${Name})`> {
  const suffix = kind === 'Array' ? 'LIST' : 'SET';
  const spelling = `${kind}(${element.spelling})`;
  const flat = Object.hasOwn(Enum, `${element.spelling}_${suffix}`);
  const key = (flat ? `${element.spelling}_${suffix}` : `VALUE_${suffix}`) as keyof typeof Enum;
  const nested = element.spelling.includes('(');
  if (!flat && !nested) {
    throw new TypeError(
      `${kind}(${element.name}) does not exist in Feast; use another element type`,
    );
  }
  const tags = nested ? { 'feast:nested_inner_type': spelling } : element.tags;
  return Object.freeze({
    name: `${kind}(${element.name})` as const,
    spelling,
    valueType: Enum[key],
    ...(tags === undefined ? {} : { tags: Object.freeze(tags) }),
  });
}
