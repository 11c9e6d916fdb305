import { ValueType_Enum as Enum } from '../../gen/feast/types/Value_pb.ts';
import type { TYPES } from './definition.ts';
import type { FieldTypes, Schema } from './field.ts';

/** A value of a type as functions in TypeScript get it; `never` = they do not. */
export type ColumnValue<Name extends string> = Name extends 'Int64'
  ? bigint
  : Name extends 'Int32' | 'Float32' | 'Float64'
    ? number
    : Name extends 'Bool'
      ? boolean
      : Name extends 'String' | 'Json' | 'Uuid' | 'TimeUuid' | 'Decimal'
        ? string
        : Name extends 'Bytes'
          ? Uint8Array
          : Name extends 'UnixTimestamp'
            ? Date
            : Name extends `Array(${infer Item})` | `Set(${infer Item})`
              ? readonly ColumnValue<Item>[]
              : never;

/** What may be given for it: whole numbers count as Int64 as far as they are exact. */
type GivenValue<Name extends string> = Name extends 'Int64'
  ? bigint | number
  : Name extends `Array(${infer Item})` | `Set(${infer Item})`
    ? readonly GivenValue<Item>[]
    : ColumnValue<Name>;

/** The values of a join key: its type is the entity's business. */
type KeyValue = bigint | number | boolean | string | Uint8Array | Date;

type ColumnsOf<Source> = Source extends {
  readonly [TYPES]?: {
    readonly features: infer T extends Readonly<Record<string, string>>;
    readonly joinKeys: infer K extends string;
  };
}
  ? { readonly [F in keyof T]: readonly (ColumnValue<T[F]> | null)[] } & {
      readonly [J in K]: readonly (KeyValue | null)[];
    }
  : unknown;

type Intersection<Union> = (Union extends unknown ? (item: Union) => void : never) extends (
  item: infer All,
) => void
  ? All
  : never;

/** What the function of an on-demand view is given. */
export type InputColumns<Sources extends readonly unknown[]> = Intersection<
  ColumnsOf<Sources[number]>
> & { readonly [fullName: `${string}__${string}`]: readonly unknown[] };

/** What it gives: one column per feature, as long as those that it got. */
export type OutputColumns<S extends Schema> = {
  readonly [F in keyof FieldTypes<S>]: ArrayLike<GivenValue<FieldTypes<S>[F]> | null | undefined>;
};

/** What stands in a column. */
export interface ColumnKind {
  readonly item: 'bigint' | 'int32' | 'float' | 'boolean' | 'text' | 'json' | 'bytes' | 'moment';
  readonly isList: boolean;
}

const SCALARS: Readonly<Record<number, ColumnKind['item']>> = {
  [Enum.INT32]: 'int32',
  [Enum.INT64]: 'bigint',
  [Enum.FLOAT]: 'float',
  [Enum.DOUBLE]: 'float',
  [Enum.BOOL]: 'boolean',
  [Enum.STRING]: 'text',
  [Enum.UUID]: 'text',
  [Enum.TIME_UUID]: 'text',
  [Enum.DECIMAL]: 'text',
  [Enum.JSON]: 'json',
  [Enum.BYTES]: 'bytes',
  [Enum.UNIX_TIMESTAMP]: 'moment',
};

const NAMES = new Map<number, string>(Object.entries(Enum).map(([name, type]) => [type, name]));

/** How values of a type stand in columns, as `ColumnValue` says; `undefined` = they do not. */
export function columnKind(valueType: number): ColumnKind | undefined {
  const scalar = SCALARS[valueType];
  if (scalar !== undefined) return { item: scalar, isList: false };
  const itemName = /^(\w+)_(LIST|SET)$/.exec(NAMES.get(valueType) ?? '')?.[1];
  const item = itemName === undefined ? undefined : SCALARS[Enum[itemName as keyof typeof Enum]];
  return item === undefined ? undefined : { item, isList: true };
}
