import { checkObjectName } from './check-name.ts';
import { invalidDefinition } from './definition-error.ts';
import {
  DEFINITION,
  type FileSource,
  type PushSource,
  type RequestSource,
  type TYPES,
  type TypeNames,
} from './definition.ts';
import { describe, type DescriptionOptions } from './describe.ts';
import { fieldsOfSchema, type FieldNames, type FieldTypes, type Schema } from './field.ts';

/** What `defineFileSource` takes. */
export interface FileSourceOptions extends DescriptionOptions {
  readonly name: string;
  /** A Parquet or CSV file; a relative path belongs to the feature repository's folder. */
  readonly path: string;
  /** The column that holds the event timestamp. */
  readonly timestampField: string;
  /** The column that says which of two rows with one event timestamp is newer. */
  readonly createdTimestampColumn?: string;
  /** Column in the file → name of the feature or join key, for columns that are called something else there. */
  readonly fieldMapping?: Readonly<Record<string, string>>;
  /** Endpoint of an S3 that is not Amazon's. */
  readonly s3EndpointOverride?: string;
}

/**
 * Defines a file that feature views are materialized from.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function defineFileSource(options: FileSourceOptions): FileSource {
  checkObjectName('file source', options.name);
  const subject = `file source "${options.name}"`;
  if (!options.path) {
    throw invalidDefinition(subject, 'it has no path', 'name a Parquet or CSV file');
  }
  if (!options.timestampField) {
    throw invalidDefinition(
      subject,
      'it has no timestamp field',
      'set timestampField to the column that holds the event timestamp',
    );
  }
  const fieldMapping = { ...options.fieldMapping };
  const targets = new Set<string>();
  for (const target of Object.values(fieldMapping)) {
    if (targets.has(target)) {
      throw invalidDefinition(
        subject,
        `fieldMapping gives two columns the name "${target}"`,
        'keep one of them',
      );
    }
    targets.add(target);
  }
  return Object.freeze({
    [DEFINITION]: 'file_source' as const,
    name: options.name,
    path: options.path,
    timestampField: options.timestampField,
    createdTimestampColumn: options.createdTimestampColumn ?? '',
    fieldMapping: Object.freeze(fieldMapping),
    s3EndpointOverride: options.s3EndpointOverride ?? '',
    ...describe(subject, options),
  });
}

/** What `definePushSource` takes. */
export interface PushSourceOptions extends DescriptionOptions {
  /** The name that `push` is called with. */
  readonly name: string;
  /** Where `materialize` reads the same rows from. */
  readonly batchSource: FileSource;
}

/**
 * Defines a source whose rows are pushed to the server.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function definePushSource(options: PushSourceOptions): PushSource {
  checkObjectName('push source', options.name);
  const subject = `push source "${options.name}"`;
  if (options.batchSource?.[DEFINITION] !== 'file_source') {
    throw invalidDefinition(
      subject,
      'its batchSource is not a file source',
      'give it what defineFileSource() returns',
    );
  }
  return Object.freeze({
    [DEFINITION]: 'push_source' as const,
    name: options.name,
    batchSource: options.batchSource,
    ...describe(subject, options),
  });
}

/** What `defineRequestSource` takes. */
export interface RequestSourceOptions<S extends Schema> extends DescriptionOptions {
  readonly name: string;
  /** Name → type of what a caller has to send. */
  readonly schema: S;
}

/** A request source that remembers the names and types of its fields for the compiler. */
export interface TypedRequestSource<
  F extends string,
  T extends TypeNames<F> = TypeNames<F>,
> extends RequestSource {
  readonly [TYPES]?: { readonly features: T; readonly joinKeys: never };
  /** Names of the fields, in order. */
  readonly fieldNames: readonly F[];
}

/**
 * Defines data that a caller sends with a request, for on-demand feature views.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function defineRequestSource<const S extends Schema>(
  options: RequestSourceOptions<S>,
): TypedRequestSource<FieldNames<S>, FieldTypes<S>> {
  checkObjectName('request source', options.name);
  const subject = `request source "${options.name}"`;
  const schema = fieldsOfSchema(subject, 'field', options.schema);
  return Object.freeze({
    [DEFINITION]: 'request_source' as const,
    name: options.name,
    schema,
    fieldNames: schema.map((field) => field.name as FieldNames<S>),
    ...describe(subject, options),
  });
}
