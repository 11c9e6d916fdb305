import type { FeatureType } from './value-types.ts';

/**
 * What a feature repository is made of. Definitions are frozen plain data that carry the symbol below, so that `apply`
 * can tell them from whatever else a file exports. Their generic parameters are the names of features (`F`) and of join
 * keys (`K`), and the types of features (`T`); they exist for the compiler alone.
 */
export const DEFINITION: unique symbol = Symbol.for('sideboard.definition');

/** Where definitions carry the types of their features: for the compiler alone, no object has it. */
export declare const TYPES: unique symbol;

/** Name of a feature → name of its type (`Int64`). */
export type TypeNames<F extends string = string> = Readonly<Record<F, string>>;

/** What may be said of every object of a registry. */
export interface Description {
  /** One line for people; '' = none. */
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Usually a mail address; '' = none. */
  readonly owner: string;
}

/** A feature of a view, or a field of a request: what `field()` makes, with its name. */
export interface FeatureField {
  readonly name: string;
  readonly type: FeatureType;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  /** `undefined` = not an embedding that is searched by similarity. */
  readonly vector: VectorOptions | undefined;
}

/** How a feature that holds an embedding is indexed. */
export interface VectorOptions {
  /** Number of dimensions; 0 = not said. */
  readonly length: number;
  /** `cosine`, `l2`, … as the vector store knows it; '' = its default. */
  readonly searchMetric: string;
}

/** Something that features describe, and the join key that identifies one of it. */
export interface Entity<K extends string = string> extends Description {
  readonly [DEFINITION]: 'entity';
  readonly name: string;
  readonly joinKey: K;
  readonly valueType: FeatureType;
}

/** A Parquet or CSV file, or a folder of them, with one row per entity and event. */
export interface FileSource extends Description {
  readonly [DEFINITION]: 'file_source';
  readonly name: string;
  /** As written: relative paths belong to the feature repository's folder. */
  readonly path: string;
  /** The column that holds the event timestamp. */
  readonly timestampField: string;
  /** The column that breaks ties between equal event timestamps; '' = none. */
  readonly createdTimestampColumn: string;
  /** Column in the file → name of the feature or join key. */
  readonly fieldMapping: Readonly<Record<string, string>>;
  /** Endpoint of an S3 that is not Amazon's; '' = none. */
  readonly s3EndpointOverride: string;
}

/** Rows that are pushed to the server; its batch source is what `materialize` reads. */
export interface PushSource extends Description {
  readonly [DEFINITION]: 'push_source';
  readonly name: string;
  readonly batchSource: FileSource;
}

/** Data that a caller sends with the request, for on-demand feature views. */
export interface RequestSource extends Description {
  readonly [DEFINITION]: 'request_source';
  readonly name: string;
  readonly schema: readonly FeatureField[];
}

/** The data of a feature view, without its methods. */
export interface FeatureViewData extends Description {
  readonly [DEFINITION]: 'feature_view';
  readonly name: string;
  /** Empty = entityless: one row for everybody. */
  readonly entities: readonly Entity[];
  readonly features: readonly FeatureField[];
  /** Whole seconds; 0 = values never grow too old. */
  readonly ttlSeconds: number;
  readonly source: FileSource | PushSource;
  /** Whether `materialize` without names takes it. */
  readonly online: boolean;
  /** `false`: reads and writes are refused. */
  readonly enabled: boolean;
}

/** The data of an on-demand feature view, without its methods. */
export interface OnDemandFeatureViewData extends Description {
  readonly [DEFINITION]: 'on_demand_feature_view';
  readonly name: string;
  readonly sources: readonly (FeatureViewProjectionData | RequestSource)[];
  readonly features: readonly FeatureField[];
  readonly mode: OnDemandMode;
  /** Of its rows, where it is written to the online store; else there are none. */
  readonly entities: readonly Entity[];
  /** Whether it is computed when it is written, and then read like a feature view. */
  readonly writeToOnlineStore: boolean;
  /** Python source of the function, for Feast's own servers; `undefined` = keep what the registry has. */
  readonly pythonSource: string | undefined;
  /** The function as this server runs it; `undefined` = there is none in TypeScript. */
  readonly compute: ComputeFunction | undefined;
}

/**
 * The function of an on-demand view: name → values, one per row, null = none. It treats every row by itself, since rows of
 * several requests may or may not come together.
 */
export type ComputeFunction = (
  inputs: Readonly<Record<string, readonly unknown[]>>,
  rowCount: number,
) => Readonly<Record<string, ArrayLike<unknown>>>;

/** What the function of an on-demand view takes: a data frame, or a dictionary of lists. */
export type OnDemandMode = 'pandas' | 'python';

/** Some features of a view under an optional other name, as a feature service or an on-demand view uses it. */
export interface FeatureViewProjectionData {
  readonly [DEFINITION]: 'projection';
  readonly view: FeatureViewData | OnDemandFeatureViewData;
  /** In the order in which they were selected. */
  readonly features: readonly FeatureField[];
  /** '' = the view's own name. */
  readonly alias: string;
  /** Join key of the view → column of the request. */
  readonly joinKeyMap: Readonly<Record<string, string>>;
}

/** What can be narrowed and renamed: a view, or what a former `select` made of it. */
export interface Projectable<
  F extends string,
  K extends string,
  T extends TypeNames<F> = TypeNames<F>,
> {
  /** Takes some of the features, in this order. A name that the view does not have is a compile-time error. */
  select<P extends F>(...names: readonly [P, ...P[]]): FeatureViewProjection<P, K, Pick<T, P>>;
  /** Uses another name for the view in full feature names and in references inside the service. */
  withName(alias: string): FeatureViewProjection<F, K, T>;
  /** Reads the entity from other columns of the request: `{ location_id: 'origin_id' }`. */
  withJoinKeyMap(map: { readonly [J in K]?: string }): FeatureViewProjection<F, K, T>;
}

export interface FeatureViewProjection<
  F extends string = string,
  K extends string = string,
  T extends TypeNames<F> = TypeNames<F>,
>
  extends FeatureViewProjectionData, Projectable<F, K, T> {
  readonly [TYPES]?: { readonly features: T; readonly joinKeys: K };
}

/** Features of an entity, kept in the online store. */
export interface FeatureView<
  F extends string = string,
  K extends string = string,
  T extends TypeNames<F> = TypeNames<F>,
>
  extends FeatureViewData, Projectable<F, K, T> {
  readonly [TYPES]?: { readonly features: T; readonly joinKeys: K };
}

/** Features computed while a request is answered, from stored features and from request data. */
export interface OnDemandFeatureView<F extends string = string>
  extends OnDemandFeatureViewData, Projectable<F, never> {}

/** The features that one model reads, asked for by one name. */
export interface FeatureService extends Description {
  readonly [DEFINITION]: 'feature_service';
  readonly name: string;
  readonly projections: readonly FeatureViewProjectionData[];
  readonly precomputeOnline: boolean;
}

/** Whatever a file of a feature repository may export for `apply`. */
export type Definition =
  | Entity
  | FileSource
  | PushSource
  | RequestSource
  | FeatureViewData
  | OnDemandFeatureViewData
  | FeatureService;

/** Whether `value` was made by one of the `define…` functions. Projections alone are not definitions. */
export function isDefinition(value: unknown): value is Definition {
  return (
    typeof value === 'object' &&
    value !== null &&
    DEFINITION in value &&
    value[DEFINITION] !== 'projection'
  );
}

/** How messages call an object: `feature view "credit_history"`. */
export function describeDefinition(definition: Definition): string {
  return `${definition[DEFINITION].replaceAll('_', ' ')} "${definition.name}"`;
}
