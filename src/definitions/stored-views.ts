import { create, equals } from '@bufbuild/protobuf';
import { InfraObjectSchema, InfraSchema } from '../../gen/feast/core/InfraObject_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';

/** The class of Feast that stands for one table of its SQLite store. */
const SQLITE_TABLE_CLASS = 'feast.infra.online_stores.sqlite.SqliteTable';

/**
 * Names under which an online store keeps the rows of a project's views: feature views, stream feature views, label views
 * and on-demand views that are written. With versions on, a version above 0 is kept as `view_v2`, beside the others.
 */
export function storedViewNames(
  registry: Registry,
  project: string,
  versioningEnabled: boolean,
): readonly string[] {
  const views = [
    ...registry.featureViews,
    ...registry.streamFeatureViews,
    ...registry.labelViews,
    ...registry.onDemandFeatureViews.filter(({ spec }) => spec?.writeToOnlineStore === true),
  ];
  const names = views.flatMap(({ spec }) => (spec?.project === project ? [spec.name] : []));
  if (!versioningEnabled) return [...new Set(names)];
  const known = new Set(names);
  for (const record of registry.featureViewVersionHistory?.records ?? []) {
    const { featureViewName: name, projectId, versionNumber } = record;
    if (projectId !== project || !known.has(name) || versionNumber === 0) continue;
    names.push(`${name}_v${versionNumber}`);
  }
  return [...new Set(names)];
}

/** Which SQLite tables a registry should say that a project has. */
export interface SqliteTables {
  /** Absolute path of the database file. */
  readonly path: string;
  readonly project: string;
  readonly keep: readonly string[];
  readonly remove: readonly string[];
}

/**
 * Notes a project's tables in the registry, where Feast looks for what to create and drop. Entries of other projects and
 * other stores stay.
 *
 * @param registry is edited in place
 * @returns whether anything changed
 */
export function noteSqliteTables(registry: Registry, tables: SqliteTables): boolean {
  const { path, project } = tables;
  const before = registry.infra?.infraObjects ?? [];
  const dropped = new Set(tables.remove.map((name) => `${project}_${name}`));
  const next = before.filter(({ infraObject }) => {
    const table = infraObject.case === 'sqliteTable' ? infraObject.value : undefined;
    return table === undefined || !dropped.has(table.name);
  });
  for (const name of tables.keep.map((view) => `${project}_${view}`)) {
    const table = create(InfraObjectSchema, {
      infraObjectClassType: SQLITE_TABLE_CLASS,
      infraObject: { case: 'sqliteTable', value: { path, name } },
    });
    const at = next.findIndex(({ infraObject }) =>
      infraObject.case === 'sqliteTable' ? infraObject.value.name === name : false,
    );
    const known = next[at];
    if (known === undefined) next.push(table);
    else if (!equals(InfraObjectSchema, known, table)) next[at] = table;
  }
  const same = next.length === before.length && next.every((entry, at) => entry === before[at]);
  if (same) return false;
  registry.infra ??= create(InfraSchema);
  registry.infra.infraObjects = next;
  return true;
}
