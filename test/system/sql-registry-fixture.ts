import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { DataSourceSchema } from '../../gen/feast/core/DataSource_pb.ts';
import { EntitySchema } from '../../gen/feast/core/Entity_pb.ts';
import { FeatureServiceSchema } from '../../gen/feast/core/FeatureService_pb.ts';
import { FeatureViewSchema } from '../../gen/feast/core/FeatureView_pb.ts';
import { LabelViewSchema } from '../../gen/feast/core/LabelView_pb.ts';
import { OnDemandFeatureViewSchema } from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import { ProjectSchema } from '../../gen/feast/core/Project_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { StreamFeatureViewSchema } from '../../gen/feast/core/StreamFeatureView_pb.ts';

type Parameter = string | number | Uint8Array;

/** Runs one statement; `?` stands for the parameters. */
export type Execute = (sql: string, parameters?: readonly Parameter[]) => Promise<void>;

/** Types of the columns that differ between databases. */
const BYTES = { postgresql: 'BYTEA', mysql: 'LONGBLOB', sqlite: 'BLOB' } as const;

/** Tables with one object per row: table, name column, payload column. */
const OBJECTS = [
  ['entities', 'entity_name', 'entity_proto'],
  ['data_sources', 'data_source_name', 'data_source_proto'],
  ['feature_views', 'feature_view_name', 'feature_view_proto'],
  ['stream_feature_views', 'feature_view_name', 'feature_view_proto'],
  ['on_demand_feature_views', 'feature_view_name', 'feature_view_proto'],
  ['label_views', 'feature_view_name', 'feature_view_proto'],
  ['feature_services', 'feature_service_name', 'feature_service_proto'],
  ['permissions', 'permission_name', 'permission_proto'],
] as const;

/** Creates the tables of Feast's SQL registry (feast/infra/registry/sql.py). */
export async function createTables(execute: Execute, dialect: keyof typeof BYTES): Promise<void> {
  const bytes = BYTES[dialect];
  for (const [table, name, proto] of OBJECTS) {
    await execute(
      `CREATE TABLE ${table} (${name} VARCHAR(255), project_id VARCHAR(255), last_updated_timestamp BIGINT NOT NULL, ${proto} ${bytes} NOT NULL, PRIMARY KEY (${name}, project_id))`,
    );
  }
  await execute(
    `CREATE TABLE projects (project_id VARCHAR(255) PRIMARY KEY, project_name VARCHAR(255) NOT NULL, last_updated_timestamp BIGINT NOT NULL, project_proto ${bytes} NOT NULL)`,
  );
  await execute(
    `CREATE TABLE feature_view_version_history (feature_view_name VARCHAR(255), project_id VARCHAR(255), version_number INTEGER, feature_view_type VARCHAR(50) NOT NULL, feature_view_proto ${bytes} NOT NULL, created_timestamp BIGINT NOT NULL, description TEXT, version_id VARCHAR(36) NOT NULL, PRIMARY KEY (feature_view_name, project_id, version_number))`,
  );
  await execute(
    'CREATE TABLE feast_metadata (project_id VARCHAR(255), metadata_key VARCHAR(50), metadata_value TEXT NOT NULL, last_updated_timestamp BIGINT NOT NULL, PRIMARY KEY (project_id, metadata_key))',
  );
}

/** Fills the tables with what a registry file holds, as Feast does: the project stands in its column and not in the objects. */
export async function fillTables(
  execute: Execute,
  file: Uint8Array,
  changedSeconds: number,
): Promise<void> {
  const registry = fromBinary(RegistrySchema, file);
  const insert = async (
    [table, name, proto]: (typeof OBJECTS)[number],
    object: { readonly name: string; readonly project: string },
    bytes: Uint8Array,
  ): Promise<void> =>
    await execute(
      `INSERT INTO ${table} (${name}, project_id, last_updated_timestamp, ${proto}) VALUES (?, ?, ?, ?)`,
      [object.name, object.project, changedSeconds, bytes],
    );
  const kinds = [
    [OBJECTS[0], EntitySchema, registry.entities],
    [OBJECTS[2], FeatureViewSchema, registry.featureViews],
    [OBJECTS[3], StreamFeatureViewSchema, registry.streamFeatureViews],
    [OBJECTS[4], OnDemandFeatureViewSchema, registry.onDemandFeatureViews],
    [OBJECTS[5], LabelViewSchema, registry.labelViews],
    [OBJECTS[6], FeatureServiceSchema, registry.featureServices],
  ] as const;
  for (const [table, schema, objects] of kinds) {
    for (const object of objects) {
      const { name, project } = object.spec!;
      object.spec!.project = '';
      await insert(table, { name, project }, toBinary(schema, object as never));
    }
  }
  for (const source of registry.dataSources) {
    const { name, project } = source;
    source.project = '';
    await insert(OBJECTS[1], { name, project }, toBinary(DataSourceSchema, source));
  }
  for (const record of registry.featureViewVersionHistory?.records ?? []) {
    await execute(
      'INSERT INTO feature_view_version_history (feature_view_name, project_id, version_number, feature_view_type, feature_view_proto, created_timestamp, description, version_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      [
        record.featureViewName,
        record.projectId,
        record.versionNumber,
        record.featureViewType,
        record.featureViewProto,
        Number(record.createdTimestamp?.seconds ?? 0n),
        record.description,
        record.versionId,
      ],
    );
  }
  for (const project of registry.projects) {
    const name = project.spec!.name;
    await execute(
      'INSERT INTO projects (project_id, project_name, last_updated_timestamp, project_proto) VALUES (?, ?, ?, ?)',
      [name, name, changedSeconds, toBinary(ProjectSchema, project)],
    );
    await noteChange(execute, name, changedSeconds);
  }
}

/** Adds a feature view of `driver_id` with one feature to a project. */
export async function addView(
  execute: Execute,
  project: string,
  name: string,
  changedSeconds: number,
): Promise<void> {
  const view = create(FeatureViewSchema, {
    spec: {
      name,
      online: true,
      entities: ['driver'],
      entityColumns: [{ name: 'driver_id', valueType: 4 }],
      features: [{ name: 'a', valueType: 4 }],
    },
  });
  await execute(
    'INSERT INTO feature_views (feature_view_name, project_id, last_updated_timestamp, feature_view_proto) VALUES (?, ?, ?, ?)',
    [name, project, changedSeconds, toBinary(FeatureViewSchema, view)],
  );
}

async function noteChange(execute: Execute, project: string, seconds: number): Promise<void> {
  await execute(
    'INSERT INTO feast_metadata (project_id, metadata_key, metadata_value, last_updated_timestamp) VALUES (?, ?, ?, ?)',
    [project, 'last_updated_timestamp', String(seconds), seconds],
  );
}
