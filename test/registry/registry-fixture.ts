import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { RegistrySchema, type Registry } from '../../gen/feast/core/Registry_pb.ts';
import { ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';

/** What a test says of a registry file. */
export interface RegistryContent {
  readonly version: string;
  /** Names of feature views by project; each has the features `a` and `b` and the entity `driver`. */
  readonly views: Readonly<Record<string, readonly string[]>>;
  /** Whether the list of projects stands at its end, as in every registry since Feast 0.41. */
  readonly listsProjects?: boolean;
  /** Merged into it. */
  readonly more?: Exclude<MessageInitShape<typeof RegistrySchema>, Registry>;
}

/** The bytes of a registry file as Feast writes it: one serialized `feast.core.Registry`. */
export function registryBytes(content: RegistryContent): Uint8Array {
  const { version, views, listsProjects = true, more = {} } = content;
  const projects = Object.keys(views);
  return toBinary(
    RegistrySchema,
    create(RegistrySchema, {
      registrySchemaVersion: '1',
      versionId: version,
      lastUpdated: { seconds: 1_735_689_600n, nanos: 0 },
      entities: projects.map((project) => ({
        spec: { name: 'driver', project, joinKey: 'driver_id', valueType: ValueType_Enum.INT64 },
      })),
      featureViews: projects.flatMap((project) =>
        (views[project] ?? []).map((name) => ({
          spec: {
            name,
            project,
            online: true,
            entities: ['driver'],
            entityColumns: [{ name: 'driver_id', valueType: ValueType_Enum.INT64 }],
            features: ['a', 'b'].map((feature) => ({
              name: feature,
              valueType: ValueType_Enum.INT64,
            })),
          },
        })),
      ),
      projects: listsProjects ? projects.map((name) => ({ spec: { name } })) : [],
      ...more,
    }),
  );
}
