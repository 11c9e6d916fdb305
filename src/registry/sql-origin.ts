import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  FeatureViewVersionHistorySchema,
  FeatureViewVersionRecordSchema,
} from '../../gen/feast/core/FeatureViewVersion_pb.ts';
import { ProjectSchema } from '../../gen/feast/core/Project_pb.ts';
import { SideboardError } from '../errors.ts';
import { encodeRegistry, type EncodedObject } from './encode-registry.ts';
import type { DatabaseQuery, DatabaseRow, RegistryDatabase } from './registry-database.ts';
import type { RegistryContent, RegistryOrigin } from './registry-origin.ts';
import {
  HISTORY_TABLE,
  identityQuery,
  METADATA_TABLE,
  REGISTRY_TABLES,
} from './registry-tables.ts';

/** Times of changes are whole seconds of the writer's clock: what changed just now may change again unseen. */
const SETTLE_SECONDS = 5;
/** A writer whose clock is so far ahead is believed as it is. */
const MAX_SKEW_SECONDS = 60;

const PROJECTS_FIELD = 17;
const HISTORY_FIELD = 18;

/** Feast's SQL registry: one project of it, as the registry that a file would hold. */
export function createSqlOrigin(
  database: RegistryDatabase,
  { project, versioningEnabled }: { readonly project: string; readonly versioningEnabled: boolean },
  now: () => number = Date.now,
): RegistryOrigin {
  let known: ReadonlySet<string> | undefined;
  const identify = async (
    query: DatabaseQuery,
    tables: ReadonlySet<string>,
  ): Promise<string | undefined> => {
    const sql = identityQuery(tables);
    const rows = await query(
      sql,
      Array.from(sql.matchAll(/\?/g), () => project),
    );
    const newest = Math.max(0, ...rows.map(([, changed]) => Number(changed ?? 0)));
    const restedSeconds = now() / 1000 - newest;
    const isSettled = restedSeconds >= SETTLE_SECONDS || restedSeconds < -MAX_SKEW_SECONDS;
    return isSettled
      ? rows
          .map((row) => row.join(' '))
          .sort()
          .join('\n')
      : undefined;
  };
  return {
    name: database.name,
    minPollMs: 5000,
    remedy: 'see registry in feature_store.yaml, and apply with "feast apply"',
    identify: (signal) =>
      database.read(
        async (query) => (known === undefined ? undefined : await identify(query, known)),
        signal,
      ),
    read: (signal) =>
      database.read(async (query): Promise<RegistryContent> => {
        const found = await query(database.tablesQuery, []);
        const tables = new Set(found.map(([name]) => String(name)));
        if (!tables.has('feature_views') || !tables.has('entities')) {
          throw unusable('the database has no tables of a Feast registry');
        }
        known = tables;
        const identity = await identify(query, tables);
        const bytes = await readProject(query, { project, versioningEnabled, tables });
        return { bytes, identity };
      }, signal),
    explain: (error) => ({
      reason: database.explain(error) ?? `the database cannot be read (${codeOf(error)})`,
    }),
    close: () => database.close(),
  };
}

interface ProjectToRead {
  readonly project: string;
  readonly versioningEnabled: boolean;
  readonly tables: ReadonlySet<string>;
}

/** The objects of a project as one serialized `feast.core.Registry`; equal rows give equal bytes. */
async function readProject(
  query: DatabaseQuery,
  { project, versioningEnabled, tables }: ProjectToRead,
): Promise<Uint8Array> {
  const objects: EncodedObject[] = [];
  let hasProject = false;
  for (const { table, name, proto, field } of REGISTRY_TABLES) {
    if (!tables.has(table)) continue;
    const rows = await query(
      `SELECT ${proto} FROM ${table} WHERE project_id = ? ORDER BY ${name}`,
      [project],
    );
    hasProject ||= field === PROJECTS_FIELD && rows.length > 0;
    for (const [object] of rows) objects.push({ field, bytes: bytesOf(object) });
  }
  const updatedSeconds = await lastUpdated(query, project, tables);
  if (!hasProject) {
    // Older Feast versions keep projects in the metadata alone.
    if (updatedSeconds === undefined) throw unusable(await describeAbsence(query, project, tables));
    const listed = create(ProjectSchema, { spec: { name: project } });
    objects.push({ field: PROJECTS_FIELD, bytes: toBinary(ProjectSchema, listed) });
  }
  if (versioningEnabled && tables.has(HISTORY_TABLE)) {
    objects.push({ field: HISTORY_FIELD, bytes: await readHistory(query, project) });
  }
  return await encodeRegistry(objects, (updatedSeconds ?? 0) * 1000);
}

async function readHistory(query: DatabaseQuery, project: string): Promise<Uint8Array> {
  const rows = await query(
    `SELECT feature_view_name, version_number, feature_view_type, feature_view_proto, created_timestamp, version_id FROM ${HISTORY_TABLE} WHERE project_id = ? ORDER BY feature_view_name, version_number`,
    [project],
  );
  const records = rows.map(([name, version, type, proto, created, id]) =>
    create(FeatureViewVersionRecordSchema, {
      featureViewName: String(name),
      projectId: project,
      versionNumber: Number(version),
      featureViewType: String(type),
      featureViewProto: bytesOf(proto),
      createdTimestamp: timestampFromMs(Number(created) * 1000),
      versionId: String(id),
    }),
  );
  return toBinary(
    FeatureViewVersionHistorySchema,
    create(FeatureViewVersionHistorySchema, { records }),
  );
}

/** When the project last changed, whole seconds since the epoch; `undefined` where nothing is noted of it. */
async function lastUpdated(
  query: DatabaseQuery,
  project: string,
  tables: ReadonlySet<string>,
): Promise<number | undefined> {
  if (!tables.has(METADATA_TABLE)) return undefined;
  const [row] = await query(
    `SELECT max(last_updated_timestamp) FROM ${METADATA_TABLE} WHERE project_id = ?`,
    [project],
  );
  return row?.[0] == null ? undefined : Number(row[0]);
}

async function describeAbsence(
  query: DatabaseQuery,
  project: string,
  tables: ReadonlySet<string>,
): Promise<string> {
  const rows: DatabaseRow[] = tables.has('projects')
    ? await query('SELECT project_id FROM projects ORDER BY project_id', [])
    : [];
  const others = rows.map(([name]) => String(name)).join(', ') || 'none';
  return `it does not hold project ${project} (it holds: ${others})`;
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw unusable('a column that holds serialized objects is no column of bytes');
}

function unusable(reason: string): SideboardError {
  return new SideboardError('REGISTRY_UNAVAILABLE', reason);
}

function codeOf(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  return String(code ?? name);
}
