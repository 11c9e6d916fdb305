import { fromBinary } from '@bufbuild/protobuf';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { EntitySchema } from '../../gen/feast/core/Entity_pb.ts';
import { FeatureServiceSchema } from '../../gen/feast/core/FeatureService_pb.ts';
import { FeatureViewVersionRecordSchema } from '../../gen/feast/core/FeatureViewVersion_pb.ts';
import { PermissionSchema } from '../../gen/feast/core/Permission_pb.ts';
import { ProjectSchema } from '../../gen/feast/core/Project_pb.ts';
import { ProjectMetadataSchema } from '../../gen/feast/core/Registry_pb.ts';
import { keepSame } from './is-same.ts';
import type {
  EntityDefinition,
  FeatureServiceDefinition,
  PermissionDefinition,
  RegistrySnapshot,
  ViewDefinition,
  ViewKind,
} from './registry-model.ts';
import { definePermission } from './permission-definition.ts';
import { projectsNamedBy } from './registry-snapshot.ts';
import type { SnapshotOptions } from './registry-snapshot.ts';
import type { Work } from './run-in-slices.ts';
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
  readonly permissions: readonly Decoded<PermissionDefinition>[];
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
 * over without being decoded, which makes a reload cost what has changed; so are definitions that say what they said
 * before. A definition is another object only if it is another definition.
 *
 * @throws Error for bytes that are no registry
 */
export function* loadRegistry(
  bytes: Uint8Array,
  { project, versioningEnabled }: SnapshotOptions,
  previous?: LoadedRegistry,
): Work<LoadedRegistry> {
  const split = yield* splitRegistry(bytes);
  const entityMessages = yield* decodeEach(EntitySchema, split.entities);
  const projects = yield* decodeEach(ProjectSchema, split.projects);
  const projectMetadata = yield* decodeEach(ProjectMetadataSchema, split.projectMetadata);
  const projectNames = projectsNamedBy({ projects, projectMetadata, entities: entityMessages });
  const was = previous?.snapshot;
  const scope = keepSame(scopeOf(project, projectNames), previous?.parts.scope);
  const entities = keepSame(defineEntities(entityMessages, scope), was?.entities);
  yield;

  // What was decoded depends on the entities and on which objects are ours; both rarely change.
  const isReusable = previous?.parts.scope === scope && was?.entities === entities;
  const old = isReusable ? previous?.parts : undefined;
  const permissions = yield* decodeAll(split.permissions, old?.permissions, (part) =>
    readPermission(part, scope),
  );
  const views = {} as Record<ViewKind, Decoded<ViewEntry>[]>;
  for (const kind of VIEW_KINDS) {
    views[kind] = yield* decodeAll(split.views[kind], old?.views[kind], (part) =>
      readView(kind, part, { scope, entities, was }),
    );
  }
  const services = yield* decodeAll(split.services, old?.services, (part) =>
    readService(part, scope, was),
  );
  const records = versioningEnabled ? split.history : [];
  const history = yield* decodeAll(records, old?.history, (part) =>
    readRecord(part, { scope, entities, was }),
  );

  const { snapshot, duplicates } = yield* assembleSnapshot({
    project,
    versionId: split.versionId,
    lastUpdatedMs: split.lastUpdatedMs,
    entities,
    views: valuesOf(...VIEW_KINDS.map((kind) => views[kind])),
    history: valuesOf(history),
    services: valuesOf(services),
    permissions: keepSame([...valuesOf(permissions)], was?.permissions),
    versioningEnabled,
    was,
  });
  return {
    bytes,
    snapshot,
    projectNames,
    listsProject: projects.some(({ spec }) => spec?.name === project),
    duplicates,
    parts: { scope, entities, permissions, views, services, history },
  };
}

function* decodeEach<Desc extends DescMessage>(
  schema: Desc,
  parts: readonly Uint8Array[],
): Work<MessageShape<Desc>[]> {
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
): Work<Decoded<T>[]> {
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

/** What an object is decoded with, and the snapshot whose definitions it may share. */
interface DecodingContext extends Pick<DecodedParts, 'scope' | 'entities'> {
  readonly was: RegistrySnapshot | undefined;
}

function readView(
  kind: ViewKind,
  bytes: Uint8Array,
  { scope, entities, was }: DecodingContext,
): ViewEntry | undefined {
  const message = decodeView(kind, bytes);
  const { spec } = message.view;
  if (spec === undefined || !isInScope(spec.project, scope)) return undefined;
  const view = defineView(message, entities, { before: was?.views.get(spec.name) });
  return { view, pushSource: pushSourceOf(message) };
}

function readService(
  bytes: Uint8Array,
  scope: ProjectScope,
  was: RegistrySnapshot | undefined,
): FeatureServiceDefinition | undefined {
  const service = fromBinary(FeatureServiceSchema, bytes);
  return service.spec !== undefined && isInScope(service.spec.project, scope)
    ? keepSame(defineService(service), was?.featureServices.get(service.spec.name))
    : undefined;
}

function readPermission(bytes: Uint8Array, scope: ProjectScope): PermissionDefinition | undefined {
  const permission = fromBinary(PermissionSchema, bytes);
  return isInScope(permission.spec?.project ?? '', scope)
    ? definePermission(permission)
    : undefined;
}

function readRecord(
  bytes: Uint8Array,
  { scope, entities, was }: DecodingContext,
): ViewDefinition | undefined {
  const record = fromBinary(FeatureViewVersionRecordSchema, bytes);
  if (!isInScope(record.projectId, scope)) return undefined;
  const versions = was?.viewVersions.get(record.featureViewName);
  return defineEarlierView(record, entities, versions?.get(record.versionNumber));
}

function* valuesOf<T>(...lists: readonly (readonly Decoded<T>[])[]): Generator<T> {
  for (const list of lists) {
    for (const { value } of list) if (value !== undefined) yield value;
  }
}
