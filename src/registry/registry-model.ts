/**
 * A Feast registry as a feature server wants it: one project, indexed, immutable. `registry-snapshot.ts` builds it from
 * a `feast.core.Registry`; a refresh replaces it as a whole, nothing ever changes it.
 */

/** Numbers of `feast.types.ValueType.Enum`; also the field number of the `Value` oneof member of that type. */
export type ValueTypeNumber = number;

/** A feature, or a join key column, of a view. */
export interface FieldDefinition {
  readonly name: string;
  readonly valueType: ValueTypeNumber;
}

export interface EntityDefinition {
  readonly name: string;
  readonly joinKey: string;
  /** 0 (INVALID) for `__dummy` and where the definition did not say. */
  readonly valueType: ValueTypeNumber;
}

/** What kind of object of the registry a view is; all of them can be asked for by `view:feature`. */
export type ViewKind =
  | 'feature_view'
  | 'stream_feature_view'
  | 'on_demand_feature_view'
  | 'label_view';

/** Names of `feast.core.FeatureViewState` in lower case. */
export type ViewState =
  | 'unspecified'
  | 'created'
  | 'generated'
  | 'materializing'
  | 'available_online'
  | 'other';

/** One feature view (of any kind) at one version. */
export interface ViewDefinition {
  readonly kind: ViewKind;
  readonly name: string;
  /** Names of its entities; `['__dummy']` when it has none. */
  readonly entityNames: readonly string[];
  /**
   * Its join keys with their declared types, in the order of `entityNames`; `__dummy_id` STRING when entityless. Types
   * come from the view's `entity_columns`, else from the entity.
   */
  readonly joinKeys: readonly FieldDefinition[];
  /** Declared features, in declaration order. */
  readonly features: readonly FieldDefinition[];
  readonly featuresByName: ReadonlyMap<string, FieldDefinition>;
  /** Whole seconds; 0 = no limit. */
  readonly ttlSeconds: number;
  readonly disabled: boolean;
  readonly online: boolean;
  readonly state: ViewState;
  /** Of this definition: the number in the version history, 0 for the first or where versions are not kept. */
  readonly versionNumber: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly owner: string;
  readonly description: string;
  /** Feature views that Feast makes of its class `BatchFeatureView`: those with a transformation. */
  readonly isBatchView?: boolean;
  /** Where its rows come from and how far they were taken; absent for on-demand views. */
  readonly materialization?: MaterializationDefinition;
  /** On-demand views only. */
  readonly onDemand?: OnDemandDefinition;
}

/** What writing rows needs to know of a feature view, stream feature view or label view. */
export interface MaterializationDefinition {
  /** Where its rows are read; absent where it has no batch source (it is filled by pushes alone). */
  readonly batchSource?: BatchSourceDefinition;
  /** What makes its rows out of those of the source, in Feast's words (`python transformation`); absent = nothing. */
  readonly computedBy?: string;
  /** Latest end of what was materialized, nanoseconds since the epoch; absent = never. */
  readonly materializedUntilNs?: bigint;
}

/** The batch source of a view. Names of columns are those that features have: after `fieldMapping`. */
export interface BatchSourceDefinition {
  readonly name: string;
  /** `file`, `bigquery`, `snowflake`, `redshift`, `spark`, `trino`, `athena`, `custom`, … */
  readonly kind: string;
  /** Files only: path or URI as written, relative to the feature repository; '' otherwise. */
  readonly uri: string;
  /** Files in S3 only: where that is, if not at Amazon; '' = not said. */
  readonly s3EndpointOverride: string;
  readonly timestampField: string;
  /** Decides between rows with equal event timestamps; '' = none. */
  readonly createdTimestampField: string;
  /** Column of the source → name of the feature, join key or timestamp; columns that keep their name are left out. */
  readonly fieldMapping: ReadonlyMap<string, string>;
}

export interface OnDemandDefinition {
  /** `pandas`, `python`, `substrait`, … as written. */
  readonly mode: string;
  /** Of its function in TypeScript, as `apply` found it; absent = it has none. */
  readonly functionHash?: string | undefined;
  readonly writeToOnlineStore: boolean;
  /** Source projections, in registry order. */
  readonly sources: readonly ProjectionDefinition[];
  /** Request-data fields that a caller must send. */
  readonly requestFields: readonly FieldDefinition[];
}

/** A view as a feature service (or an on-demand view) uses it. */
export interface ProjectionDefinition {
  readonly viewName: string;
  /** `feature_view_name_alias`, or '' for none. */
  readonly alias: string;
  readonly featureNames: readonly string[];
  /** Join key of the view → column name in the request. */
  readonly joinKeyMap: ReadonlyMap<string, string>;
  /** Pinned version number, or `undefined` = the current one. */
  readonly versionTag: number | undefined;
}

export interface FeatureServiceDefinition {
  readonly name: string;
  readonly projections: readonly ProjectionDefinition[];
  readonly precomputeOnline: boolean;
  readonly tags: Readonly<Record<string, string>>;
  readonly owner: string;
  readonly description: string;
}

/** What may be done with an object, in Feast's words. */
export type PermissionAction =
  | 'CREATE'
  | 'DESCRIBE'
  | 'UPDATE'
  | 'DELETE'
  | 'READ_ONLINE'
  | 'READ_OFFLINE'
  | 'WRITE_ONLINE'
  | 'WRITE_OFFLINE';

/** Kinds of objects that permissions are about, as far as a feature server has them. */
export type PermissionObjectType =
  | 'FEATURE_VIEW'
  | 'BATCH_FEATURE_VIEW'
  | 'STREAM_FEATURE_VIEW'
  | 'ON_DEMAND_FEATURE_VIEW'
  | 'LABEL_VIEW'
  | 'FEATURE_SERVICE';

/** Whom a permission admits. */
export type PolicyDefinition =
  | { readonly kind: 'everybody' }
  | { readonly kind: 'roles'; readonly roles: readonly string[] }
  | {
      readonly kind: 'groups_or_namespaces';
      readonly groups: readonly string[];
      readonly namespaces: readonly string[];
    }
  /** Of a kind that a later Feast has: nobody. */
  | { readonly kind: 'unknown' };

/** Lets some callers do something with some objects. */
export interface PermissionDefinition {
  readonly name: string;
  readonly objectTypes: ReadonlySet<PermissionObjectType>;
  /** Regular expressions of Python, one of which has to match the whole name; empty = any name. */
  readonly namePatterns: readonly string[];
  readonly requiredTags: Readonly<Record<string, string>>;
  readonly actions: ReadonlySet<PermissionAction>;
  readonly policy: PolicyDefinition;
}

/** One project of a registry, frozen. */
export interface RegistrySnapshot {
  readonly project: string;
  /** `Registry.version_id`. */
  readonly versionId: string;
  /** `Registry.last_updated`, milliseconds since the epoch. */
  readonly lastUpdatedMs: number;
  readonly entities: ReadonlyMap<string, EntityDefinition>;
  /** All kinds of views by name, at their current version; on a clash Feast's order FV, SFV, ODFV, LV decides. */
  readonly views: ReadonlyMap<string, ViewDefinition>;
  /** Earlier versions: view name → version number → definition. Holds the current one too. */
  readonly viewVersions: ReadonlyMap<string, ReadonlyMap<number, ViewDefinition>>;
  readonly featureServices: ReadonlyMap<string, FeatureServiceDefinition>;
  /** Push source name → names of the views that it feeds. */
  readonly pushSources: ReadonlyMap<string, readonly string[]>;
  /** In registry order. */
  readonly permissions: readonly PermissionDefinition[];
  /** `registry.enable_online_feature_view_versioning`. */
  readonly versioningEnabled: boolean;
}

/** What there is in a snapshot to read and how: what answers are compiled from. */
export type RegistryDefinitions = Pick<
  RegistrySnapshot,
  'project' | 'versioningEnabled' | 'entities' | 'views' | 'viewVersions' | 'featureServices'
>;

/** Where the server gets its snapshot from; `current()` never does I/O. */
export interface RegistrySource {
  /** The snapshot that new requests use. @throws SideboardError REGISTRY_UNAVAILABLE before the first load. */
  current(): RegistrySnapshot;
  /** Milliseconds since the current snapshot was confirmed to be the newest. */
  ageMs(): number;
  /** Called after each swap, with the new snapshot. Returns the unsubscribe function. */
  onChange(listener: (snapshot: RegistrySnapshot) => void): () => void;
  /** Reloads now; resolves to whether the content changed. Keeps the last good copy and rejects when it is bad. */
  refresh(): Promise<boolean>;
  close(): Promise<void>;
}
