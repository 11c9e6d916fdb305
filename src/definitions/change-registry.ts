import { create, type DescMessage, equals, type MessageShape } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { FeatureView } from '../../gen/feast/core/FeatureView_pb.ts';
import type { OnDemandFeatureView } from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import { ProjectMetaSchema, ProjectSchema } from '../../gen/feast/core/Project_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import { carryUnknown } from './carry-unknown.ts';
import { checkProjectName } from './check-name.ts';
import { stampEmbeddedSources } from './embedded-sources.ts';
import { type KeptObject, keptObjects, refuseTakenNames } from './foreign-objects.ts';
import { diffMessages, type FieldChange } from './message-diff.ts';
import { settleFunction } from './on-demand-function.ts';
import {
  dataSourceKind,
  entityKind,
  featureServiceKind,
  featureViewKind,
  type ObjectKind,
  onDemandKind,
  type RegistryKind,
} from './registry-kinds.ts';
import type { RegistryObjects } from './registry-objects.ts';
import { schemaChanged } from './schema-changed.ts';
import { forgetVersions, recordVersion, type VersionedChange } from './version-history.ts';

/** One line of a plan. */
export interface ObjectChange {
  readonly action: 'create' | 'update' | 'delete';
  readonly kind: ObjectKind;
  readonly name: string;
  /** What an update changes; empty for the other actions. */
  readonly fields: readonly FieldChange[];
}

/** What became of a registry. */
export interface RegistryChanges {
  /**
   * The project, what is deleted, then entities, data sources, views and services; empty = the registry already says
   * all this.
   */
  readonly changes: readonly ObjectChange[];
  /** Objects of the project that definitions cannot express or that such objects need; they stay as they are. */
  readonly kept: readonly KeptObject[];
}

/** Time and names come from outside, so that the same input gives the same registry. */
export interface ChangeContext {
  readonly project: string;
  readonly nowMs: number;
  /** A new unique id for each call. */
  readonly newId: () => string;
}

/** What merging needs besides the objects themselves. */
interface MergeContext extends ChangeContext {
  readonly registry: Registry;
  readonly now: Timestamp;
  /** `kind name` of what must not be deleted. */
  readonly protectedNames: ReadonlySet<string>;
  readonly changes: ObjectChange[];
}

/**
 * Makes a registry say what the definitions say, for one project: creates, updates and deletes objects of that project
 * and touches nothing else. Objects that do not change keep every byte, those that do keep when they were created, what
 * was materialized, their state, and fields that this program does not know.
 *
 * @param registry is edited in place
 * @throws SideboardError INVALID_DEFINITION when a name is taken by an object that definitions cannot express, or the
 * project is new and Feast would refuse its name
 */
export function changeRegistry(
  registry: Registry,
  objects: RegistryObjects,
  context: ChangeContext,
): RegistryChanges {
  refuseTakenNames(registry, objects, context.project);
  const kept = keptObjects(registry, objects, context.project);
  const merge: MergeContext = {
    ...context,
    registry,
    now: timestampFromMs(context.nowMs),
    protectedNames: new Set(kept.map(({ kind, name }) => `${kind} ${name}`)),
    changes: [],
  };
  createProject(merge);
  // First what goes, so that a name is free for an object of another kind.
  deleteUndefined(merge, featureServiceKind, objects.featureServices);
  deleteUndefined(merge, onDemandKind, objects.onDemandFeatureViews);
  deleteUndefined(merge, featureViewKind, objects.featureViews);
  deleteUndefined(merge, dataSourceKind, objects.dataSources);
  deleteUndefined(merge, entityKind, objects.entities);
  upsert(merge, entityKind, objects.entities);
  upsert(merge, dataSourceKind, objects.dataSources);
  const recorded = registry.dataSources.filter((source) => source.project === context.project);
  stampEmbeddedSources(recorded, objects);
  upsert(merge, featureViewKind, objects.featureViews, {
    committed: (before, next) =>
      versionView(merge, featureViewKind, { before, next, meta: next.meta }),
  });
  upsert(merge, onDemandKind, objects.onDemandFeatureViews, {
    prepare: settleFunction,
    committed: (before, next) =>
      versionView(merge, onDemandKind, { before, next, meta: next.meta }),
  });
  upsert(merge, featureServiceKind, objects.featureServices);
  return { changes: merge.changes, kept };
}

function createProject(merge: MergeContext): void {
  const { registry, project, now } = merge;
  if (registry.projects.some(({ spec }) => spec?.name === project)) return;
  checkProjectName(project);
  const meta = create(ProjectMetaSchema, { createdTimestamp: now, lastUpdatedTimestamp: now });
  registry.projects.push(create(ProjectSchema, { spec: { name: project }, meta }));
  merge.changes.push({ action: 'create', kind: 'project', name: project, fields: [] });
}

/** What a kind does besides being replaced. */
interface Hooks<D extends DescMessage> {
  /** Completes a definition from what the registry has, before the two are compared. */
  prepare?(before: MessageShape<D> | undefined, next: MessageShape<D>): void;
  /** After an object was created or changed. */
  committed?(before: MessageShape<D> | undefined, next: MessageShape<D>): void;
}

function upsert<D extends DescMessage>(
  merge: MergeContext,
  kind: RegistryKind<D>,
  wanted: readonly MessageShape<D>[],
  hooks: Hooks<D> = {},
): void {
  const list = kind.list(merge.registry);
  for (const next of wanted) {
    const { name } = kind.identity(next);
    const index = list.findIndex((object) => isNamed(kind, object, name, merge.project));
    const before = list[index];
    hooks.prepare?.(before, next);
    const fields = before === undefined ? [] : differences(kind, before, next);
    if (before !== undefined && fields === undefined) continue;
    if (before !== undefined) carryUnknown(kind.schema, before, next);
    const times = kind.adoptMeta(before, next);
    times.createdTimestamp ??= merge.now;
    times.lastUpdatedTimestamp = merge.now;
    if (before === undefined) list.push(next);
    else list[index] = next;
    hooks.committed?.(before, next);
    const action = before === undefined ? 'create' : 'update';
    merge.changes.push({ action, kind: kind.kind, name, fields: fields ?? [] });
  }
}

function deleteUndefined<D extends DescMessage>(
  merge: MergeContext,
  kind: RegistryKind<D>,
  wanted: readonly MessageShape<D>[],
): void {
  const list = kind.list(merge.registry);
  const wantedNames = new Set(wanted.map((object) => kind.identity(object).name));
  const gone = list.filter((object) => {
    const { name, project } = kind.identity(object);
    const isProtected = merge.protectedNames.has(`${kind.kind} ${name}`);
    return project === merge.project && !wantedNames.has(name) && !isProtected;
  });
  for (const object of gone) {
    const { name, project } = kind.identity(object);
    list.splice(list.indexOf(object), 1);
    forgetVersions(merge.registry, { viewType: kind.kind, name, project });
    merge.changes.push({ action: 'delete', kind: kind.kind, name, fields: [] });
  }
}

function isNamed<D extends DescMessage>(
  kind: RegistryKind<D>,
  object: MessageShape<D>,
  name: string,
  project: string,
): boolean {
  const identity = kind.identity(object);
  return identity.name === name && identity.project === project;
}

/** `undefined` when both say the same. */
function differences<D extends DescMessage>(
  kind: RegistryKind<D>,
  before: MessageShape<D>,
  next: MessageShape<D>,
): readonly FieldChange[] | undefined {
  const [old, wanted] = [kind.comparable(before), kind.comparable(next)];
  if (equals(kind.schema, old, wanted)) return undefined;
  return diffMessages(kind.schema, old, wanted).map((change) => ({
    ...change,
    field: change.field.replace(/^spec\./, ''),
  }));
}

function versionView<D extends DescMessage>(
  merge: MergeContext,
  kind: RegistryKind<D>,
  change: Pick<VersionedChange<D>, 'before' | 'next' | 'meta'>,
): void {
  const views = [change.before, change.next].map((view) => view && kind.comparable(view));
  const [old, wanted] = views as unknown as (FeatureView | OnDemandFeatureView | undefined)[];
  if (old !== undefined && wanted !== undefined && !schemaChanged(old, wanted)) return;
  recordVersion(merge.registry, {
    ...change,
    ...kind.identity(change.next),
    schema: kind.schema,
    viewType: kind.kind,
    now: merge.now,
    newId: merge.newId,
  });
}
