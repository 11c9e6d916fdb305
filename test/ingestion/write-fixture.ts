import type {
  FieldDefinition,
  RegistrySnapshot,
  RegistrySource,
  ViewDefinition,
  ViewKind,
} from '../../src/registry/registry-model.ts';

type Field = readonly [name: string, valueType: number];

/** What a test may say about a view; everything else is usual. */
export interface ViewOptions {
  readonly name?: string;
  readonly kind?: ViewKind;
  readonly joinKeys?: readonly Field[];
  readonly features: readonly Field[];
  readonly source?: {
    readonly timestampField?: string;
    readonly createdTimestampField?: string;
    readonly fieldMapping?: Readonly<Record<string, string>>;
  };
}

export function viewOf(options: ViewOptions): ViewDefinition {
  const { name = 'stats', kind = 'feature_view', source = {} } = options;
  const fields = (list: readonly Field[]): FieldDefinition[] =>
    list.map(([field, valueType]) => ({ name: field, valueType }));
  const features = fields(options.features);
  const joinKeys = fields(options.joinKeys ?? []);
  const isOnDemand = kind === 'on_demand_feature_view';
  return {
    kind,
    name,
    entityNames: joinKeys.length === 0 ? ['__dummy'] : joinKeys.map((field) => field.name),
    joinKeys: joinKeys.length === 0 ? [{ name: '__dummy_id', valueType: 2 }] : joinKeys,
    features,
    featuresByName: new Map(features.map((field) => [field.name, field])),
    ttlSeconds: 0,
    disabled: false,
    online: true,
    state: 'available_online',
    versionNumber: 0,
    tags: {},
    owner: '',
    description: '',
    ...(isOnDemand
      ? {
          onDemand: { mode: 'python', writeToOnlineStore: true, sources: [], requestFields: [] },
        }
      : {
          materialization: {
            batchSource: {
              name: `${name}_source`,
              kind: 'file',
              s3EndpointOverride: '',
              uri: 'data.parquet',
              timestampField: source.timestampField ?? 'event_timestamp',
              createdTimestampField: source.createdTimestampField ?? '',
              fieldMapping: new Map(Object.entries(source.fieldMapping ?? {})),
            },
          },
        }),
  };
}

export function snapshotOf(
  views: readonly ViewDefinition[],
  pushSources: Readonly<Record<string, readonly string[]>> = {},
): RegistrySnapshot {
  return {
    project: 'rides',
    versionId: '1',
    lastUpdatedMs: 0,
    entities: new Map(),
    views: new Map(views.map((view) => [view.name, view])),
    viewVersions: new Map(),
    featureServices: new Map(),
    pushSources: new Map(Object.entries(pushSources)),
    permissions: [],
    versioningEnabled: false,
  };
}

/** A registry that a test drives: `refresh` shows what `next` holds. */
export interface TestRegistry extends RegistrySource {
  next: RegistrySnapshot;
  age: number;
  refreshCount: number;
  refreshFails: boolean;
}

export function registryOf(snapshot: RegistrySnapshot): TestRegistry {
  let current = snapshot;
  const registry: TestRegistry = {
    next: snapshot,
    age: 0,
    refreshCount: 0,
    refreshFails: false,
    current: () => current,
    ageMs: () => registry.age,
    onChange: () => () => {},
    refresh() {
      registry.refreshCount++;
      if (registry.refreshFails) return Promise.reject(new Error('away'));
      current = registry.next;
      return Promise.resolve(true);
    },
    close: () => Promise.resolve(),
  };
  return registry;
}
