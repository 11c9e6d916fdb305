import { checkFieldName } from './check-name.ts';
import { invalidDefinition } from './definition-error.ts';
import type { FeatureField, VectorOptions } from './definition.ts';
import type { FeatureType } from './value-types.ts';

/** A type with what else is to be said of the feature; made by `field()`. */
export interface Field<Name extends string = string> {
  readonly type: FeatureType<Name>;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly vector: VectorOptions | undefined;
}

/** Feature name → type, in the order that responses have. Names that look like whole numbers come first in JavaScript. */
export type Schema = Readonly<Record<string, FeatureType | Field>>;

/** Names of a schema, for the compiler. */
export type FieldNames<S extends Schema> = Extract<keyof S, string>;

/** Names of the types of a schema, for the compiler. */
export type FieldTypes<S extends Schema> = {
  readonly [F in FieldNames<S>]: S[F] extends FeatureType<infer Name>
    ? Name
    : S[F] extends Field<infer Name>
      ? Name
      : string;
};

/** Says more of a feature than its type: `amount: field(Int64, { description: 'in cents' })`. */
export function field<Name extends string>(
  type: FeatureType<Name>,
  options: {
    readonly description?: string;
    readonly tags?: Readonly<Record<string, string>>;
    /** Makes the feature one that vector stores index; `length` is the number of dimensions. */
    readonly vector?: { readonly length: number; readonly searchMetric?: string };
  } = {},
): Field<Name> {
  const vector = options.vector && {
    length: options.vector.length,
    searchMetric: options.vector.searchMetric ?? '',
  };
  return { type, description: options.description ?? '', tags: options.tags ?? {}, vector };
}

/**
 * Turns a schema into fields, in order. `subject` is the object that has it and `what` its word for a field.
 *
 * @throws SideboardError INVALID_DEFINITION when it is empty, a name is reserved or a type is not one of ours
 */
export function fieldsOfSchema(
  subject: string,
  what: string,
  schema: Schema,
): readonly FeatureField[] {
  const entries = Object.entries(schema ?? {});
  if (entries.length === 0) {
    throw invalidDefinition(
      subject,
      'its schema is empty',
      `list at least one ${what}, as in schema: { amount: Int64 }`,
    );
  }
  return Object.freeze(
    entries.map(([name, entry]) => {
      checkFieldName(subject, what, name);
      return Object.freeze({ name, ...completeField(subject, what, name, entry) });
    }),
  );
}

function completeField(
  subject: string,
  what: string,
  name: string,
  entry: FeatureType | Field,
): Field {
  if (isFeatureType(entry)) {
    return { type: entry, description: '', tags: entry.tags ?? {}, vector: undefined };
  }
  if (isFeatureType(entry?.type)) {
    return { ...entry, tags: { ...entry.type.tags, ...entry.tags } };
  }
  throw invalidDefinition(
    subject,
    `${what} "${name}" has no type`,
    'give it one of the types of sideboard, such as Int64 or listOf(String)',
  );
}

/** Whether a value is a type of the vocabulary (users of plain JavaScript have no compiler to tell them). */
export function isFeatureType(value: unknown): value is FeatureType {
  return typeof value === 'object' && value !== null && 'valueType' in value && 'spelling' in value;
}
