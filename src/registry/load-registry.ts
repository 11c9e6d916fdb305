import { fromBinary } from '@bufbuild/protobuf';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { EntitySchema } from '../../gen/feast/core/Entity_pb.ts';
import { FeatureServiceSchema } from '../../gen/feast/core/FeatureService_pb.ts';
import { FeatureViewVersionRecordSchema } from '../../gen/feast/core/FeatureViewVersion_pb.ts';
import { PermissionSchema } from '../../gen/feast/core/Permission_pb.ts';
import { ProjectSchema } from '../../gen/feast/core/Project_pb.ts';
import { ProjectMetadataSchema } from '../../gen/feast/core/Registry_pb.ts';
import type {
  EntityDefinition,
  FeatureServiceDefinition,
  RegistrySnapshot,
  ViewDefinition,
  ViewKind,
} from './registry-model.ts';
import { definePermission } from './permission-definition.ts';
import { projectsNamedBy } from './registry-snapshot.ts';
import type { SnapshotOptions } from './registry-snapshot.ts';
import {
  assembleSnapshot,
  defineEntities,
  defineService,
  isInScope,
  scopeOf,
} from './snapshot-builder.ts';
import type { ProjectScope, ViewEntry } from './snapshot-builder.ts';
import { splitRegistry } from './split-registry.ts';
import { decodeView, defineEarlierView } from './version-record.ts';
import { defineView, pushSourceOf, VIEW_KINDS } from './view-definition.ts';

/** A registry file, decoded; kept for the next load, which takes over what did not change. */
export interface LoadedRegistry {
  readonly bytes: Uint8Array;
  readonly snapshot: RegistrySnapshot;
  /** Project names that the registry mentions. */
  readonly projectNames: readonly string[];
  /** Whether the registry's list of projects holds ours; registries of old Feast releases have no such list. */
  readonly listsProject: boolean;
  /** Names that several objects of the project have, as sentences. */
  readonly duplicates: readonly string[];
  readonly parts: DecodedParts;
}

/** Objects in file order, each beside its bytes; `undefined` = not of this project, or of no use. */
export interface DecodedParts {
  readonly scope: ProjectScope;
  readonly entities: ReadonlyMap<string, EntityDefinition>;
  readonly views: Readonly<Record<ViewKind, readonly Decoded<ViewEntry>[]>>;
  readonly services: readonly Decoded<FeatureServiceDefinition>[];
  readonly history: readonly Decoded<ViewDefinition>[];
}

/** An object of the file and what it was decoded to. */
export interface Decoded<T> {
  readonly bytes: Uint8Array;
  readonly value: T | undefined;
}

/** How far ahead in the previous file an object is looked for: Feast moves what it changes to the end. */
const LOOK_AHEAD = 8;

/**
 * Decodes a registry file object by object, yielding after each. Objects whose bytes the previous file held too are taken
 * over as they are, which makes a reload cost what has changed.
 *
 * @throws Error for bytes that are no registry
 */
export function* loadRegistry(
  bytes: Uint8Array,
  { project, versioningEnabled }: SnapshotOptions,
  previous?: LoadedRegistry,
): Generator<undefined, LoadedRegistry> {
  const split = splitRegistry(bytes);
  const entityMessages = yield* decodeEach(EntitySchema, split.entities);
  const projects = yield* decodeEach(ProjectSchema, split.projects);
  const projectMetadata = yield* decodeEach(ProjectMetadataSchema, split.projectMetadata);
  const projectNames = projectsNamedBy({ projects, projectMetadata, entities: entityMessages });
  const scope = scopeOf(project, projectNames);
  const permissions = yield* decodeEach(PermissionSchema, split.permissions);
  const entities = defineEntities(entityMessages, scope);
  yield;

  const old = isReusable(previous?.parts, scope, entities) ? previous?.parts : undefined;
  const views = {} as Record<ViewKind, Decoded<ViewEntry>[]>;
  for (const kind of VIEW_KINDS) {
    views[kind] = yield* decodeAll(split.views[kind], old?.views[kind], (part) =>
      readView(kind, part, { scope, entities }),
    );
  }
  const services = yield* decodeAll(split.services, old?.services, (part) =>
    readService(part, scope),
  );
  const records = versioningEnabled ? split.history : [];
  const history = yield* decodeAll(records, old?.history, (part) => {
    const record = fromBinary(FeatureViewVersionRecordSchema, part);
    return isInScope(record.projectId, scope) ? defineEarlierView(record, entities) : undefined;
  });

  const allViews = VIEW_KINDS.flatMap((kind) => valuesOf(views[kind]));
  const allServices = valuesOf(services);
  yield;
  const snapshot = assembleSnapshot({
    project,
    versionId: split.versionId,
    lastUpdatedMs: split.lastUpdatedMs,
    entities,
    views: allViews,
    history: valuesOf(history),
    services: allServices,
    permissions: permissions
      .filter(({ spec }) => isInScope(spec?.project ?? '', scope))
      .map(definePermission),
    versioningEnabled,
  });
  return {
    bytes,
    snapshot,
    projectNames,
    listsProject: projects.some(({ spec }) => spec?.name === project),
    duplicates: [
      ...duplicatesOf(
        'feature views',
        allViews.map(({ view }) => view.name),
      ),
      ...duplicatesOf(
        'feature services',
        allServices.map(({ name }) => name),
      ),
    ],
    parts: { scope, entities, views, services, history },
  };
}

function* decodeEach<Desc extends DescMessage>(
  schema: Desc,
  parts: readonly Uint8Array[],
): Generator<undefined, MessageShape<Desc>[]> {
  const messages: MessageShape<Desc>[] = [];
  for (const part of parts) {
    messages.push(fromBinary(schema, part));
    yield;
  }
  return messages;
}

function* decodeAll<T>(
  parts: readonly Uint8Array[],
  previous: readonly Decoded<T>[] | undefined,
  decode: (part: Uint8Array) => T | undefined,
): Generator<undefined, Decoded<T>[]> {
  const decoded: Decoded<T>[] = [];
  let at = 0;
  for (const bytes of parts) {
    const found = previous === undefined ? -1 : findSame(previous, at, bytes);
    if (found < 0) decoded.push({ bytes, value: decode(bytes) });
    else {
      decoded.push({ bytes, value: previous?.[found]?.value });
      at = found + 1;
    }
    yield;
  }
  return decoded;
}

/** Index of the object with these bytes among the next ones of the previous file, or -1. */
function findSame(previous: readonly Decoded<unknown>[], at: number, bytes: Uint8Array): number {
  const end = Math.min(previous.length, at + LOOK_AHEAD);
  for (let index = at; index < end; index += 1) {
    const other = previous[index]?.bytes;
    if (other?.length === bytes.length && Buffer.compare(other, bytes) === 0) return index;
  }
  return -1;
}

/** What was decoded depends on the entities and on which objects are ours; both rarely change. */
function isReusable(
  parts: DecodedParts | undefined,
  scope: ProjectScope,
  entities: ReadonlyMap<string, EntityDefinition>,
): boolean {
  return (
    parts !== undefined &&
    parts.scope.project === scope.project &&
    parts.scope.takesUnnamed === scope.takesUnnamed &&
    parts.entities.size === entities.size &&
    [...entities.values()].every(({ name, joinKey, valueType }) => {
      const other = parts.entities.get(name);
      return other?.joinKey === joinKey && other.valueType === valueType;
    })
  );
}

function readView(
  kind: ViewKind,
  bytes: Uint8Array,
  { scope, entities }: Pick<DecodedParts, 'scope' | 'entities'>,
): ViewEntry | undefined {
  const message = decodeView(kind, bytes);
  const { spec } = message.view;
  if (spec === undefined || !isInScope(spec.project, scope)) return undefined;
  return { view: defineView(message, entities), pushSource: pushSourceOf(message) };
}

function readService(bytes: Uint8Array, scope: ProjectScope): FeatureServiceDefinition | undefined {
  const service = fromBinary(FeatureServiceSchema, bytes);
  return service.spec !== undefined && isInScope(service.spec.project, scope)
    ? defineService(service)
    : undefined;
}

function valuesOf<T>(decoded: readonly Decoded<T>[]): T[] {
  return decoded.flatMap(({ value }) => value ?? []);
}

function duplicatesOf(what: string, names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) (seen.has(name) ? twice : seen).add(name);
  return [...twice].map(
    (name) => `several ${what} are called ${name}; the first of them is served`,
  );
}
