/** One table of Feast's SQL registry whose rows are objects of a `feast.core.Registry`. */
export interface RegistryTable {
  readonly table: string;
  /** Column with the object's name; rows are read in its order. */
  readonly name: string;
  /** Column with the object, serialized. */
  readonly proto: string;
  /** Field of `feast.core.Registry` that holds such objects. */
  readonly field: number;
}

/**
 * The tables that a feature server needs something of (feast/infra/registry/sql.py), in the order of Feast's own whole
 * registry. Each has `project_id` and `last_updated_timestamp` (seconds since the epoch) too.
 */
export const REGISTRY_TABLES: readonly RegistryTable[] = [
  { table: 'entities', name: 'entity_name', proto: 'entity_proto', field: 1 },
  { table: 'data_sources', name: 'data_source_name', proto: 'data_source_proto', field: 12 },
  { table: 'feature_views', name: 'feature_view_name', proto: 'feature_view_proto', field: 6 },
  {
    table: 'stream_feature_views',
    name: 'feature_view_name',
    proto: 'feature_view_proto',
    field: 14,
  },
  {
    table: 'on_demand_feature_views',
    name: 'feature_view_name',
    proto: 'feature_view_proto',
    field: 8,
  },
  { table: 'label_views', name: 'feature_view_name', proto: 'feature_view_proto', field: 19 },
  {
    table: 'feature_services',
    name: 'feature_service_name',
    proto: 'feature_service_proto',
    field: 7,
  },
  { table: 'permissions', name: 'permission_name', proto: 'permission_proto', field: 16 },
  { table: 'projects', name: 'project_id', proto: 'project_proto', field: 17 },
];

/** The version history; without `last_updated_timestamp`. */
export const HISTORY_TABLE = 'feature_view_version_history';

/** Key and value per project; also of projects that have no row in `projects`. */
export const METADATA_TABLE = 'feast_metadata';

/**
 * SQL that tells one state of the registry from another without reading it: rows, newest change and bytes of each table.
 * One row per table; the second column is the newest change, whole seconds since the epoch, NULL where there is no row.
 *
 * @param tables that exist.
 * @returns one `?` per table: the project.
 */
export function identityQuery(tables: ReadonlySet<string>): string {
  const looks = REGISTRY_TABLES.filter(({ table }) => tables.has(table)).map(
    ({ table, proto }) =>
      `SELECT '${table}', max(last_updated_timestamp), count(*), sum(length(${proto})) FROM ${table} WHERE project_id = ?`,
  );
  if (tables.has(HISTORY_TABLE)) {
    looks.push(
      `SELECT '${HISTORY_TABLE}', max(created_timestamp), count(*), sum(length(feature_view_proto)) FROM ${HISTORY_TABLE} WHERE project_id = ?`,
    );
  }
  return looks.join(' UNION ALL ');
}
