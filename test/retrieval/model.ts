/**
 * Retrieval done the slow, straightforward way: every message decoded with protobuf-es, every row looked up by its entity
 * in a plain map, no plan, no bytes. Written from the contract, not from the code it checks.
 */
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { TimestampSchema, type Timestamp } from '@bufbuild/protobuf/wkt';
import {
  FieldStatus,
  GetOnlineFeaturesRequestSchema,
  GetOnlineFeaturesResponseSchema,
  type GetOnlineFeaturesResponse,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';
import type { ErrorCode } from '../../src/errors.ts';
import type { RegistrySnapshot, ViewDefinition } from '../../src/registry/registry-model.ts';
import type { RetrievalSemantics } from '../../src/retrieval/retrieval-request.ts';
import { convert, sameEntity } from './model-values.ts';

/** A row of a view as it was written. */
export interface ModelRow {
  readonly viewName: string;
  /** That it was written for; 0 = the first, or the only one there is. */
  readonly version: number;
  /** Of a view without entities: whether it stands where Feast's push puts it. */
  readonly isPushed?: boolean;
  /** Join key → value. */
  readonly entity: Readonly<Record<string, Value>>;
  readonly eventTimestamp: Timestamp | undefined;
  readonly features: Readonly<Record<string, Value>>;
}

export interface ModelWorld {
  readonly snapshot: RegistrySnapshot;
  /** Later rows replace the features that they have. */
  readonly rows: readonly ModelRow[];
  readonly semantics: RetrievalSemantics;
  readonly enforceTtl: boolean;
  readonly nowSeconds: number;
}

/** The answer; or every reason not to give one. */
export type ModelAnswer =
  | { readonly response: GetOnlineFeaturesResponse }
  | { readonly errors: ReadonlySet<ErrorCode> };

interface Wanted {
  /** At the version that is read. */
  readonly view: ViewDefinition;
  readonly feature: string;
  readonly outputName: string;
  readonly joinKeyMap: ReadonlyMap<string, string>;
}

export function answerByModel(world: ModelWorld, message: Uint8Array): ModelAnswer {
  const request = fromBinary(GetOnlineFeaturesRequestSchema, message);
  const errors = new Set<ErrorCode>();
  const wanted = listWanted(world.snapshot, request, errors);
  const names = wanted.map(({ outputName }) => outputName);
  if (new Set(names).size < names.length) errors.add('FEATURE_NAME_COLLISION');
  for (const { view } of wanted) {
    const current = world.snapshot.views.get(view.name)!;
    if (current.disabled) errors.add('FEATURE_VIEW_DISABLED');
    if (current.state === 'generated') errors.add('FEATURE_VIEW_NOT_SERVABLE');
  }

  const columns = new Map(
    Object.entries(request.entities)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { val }]) => [name, val]),
  );
  const lengths = new Set([...columns.values()].map((values) => values.length));
  if (lengths.size > 1) errors.add('ENTITY_ROW_LENGTH_MISMATCH');
  if (columns.size === 0) errors.add('INVALID_REQUEST').add('MISSING_JOIN_KEY');
  const rowCount = [...lengths][0] ?? 0;

  const named = nameColumns(world.snapshot, wanted, columns);
  const typed = new Map<string, number>();
  const sources = wanted.map(({ view, joinKeyMap }) => {
    const columnOf = new Map<string, string>();
    for (const { name, valueType } of view.joinKeys) {
      if (name === '__dummy_id') continue;
      const mapped = joinKeyMap.get(name) ?? name;
      const isNeeded = wanted.some((other) =>
        other.view.joinKeys.some((key) => key.name === name && !other.joinKeyMap.has(name)),
      );
      if (mapped !== name && named.has(mapped) && named.has(name) && !isNeeded) {
        errors.add('AMBIGUOUS_JOIN_KEY');
      }
      const column = [mapped, name].find((candidate) => named.has(candidate));
      if (column === undefined) errors.add('MISSING_JOIN_KEY');
      else {
        columnOf.set(name, column);
        typed.set(column, valueType);
      }
    }
    return columnOf;
  });

  const converted = new Map<string, readonly Value[]>();
  for (const [name, values] of named) {
    const type = typed.get(name);
    converted.set(
      name,
      values.map((each) => (type === undefined ? each : convert(each, type, errors))),
    );
  }
  if (errors.size > 0) return { errors };

  const outputs = [...named.keys()].filter((name) => name !== '__dummy_id');
  const init: MessageInitShape<typeof GetOnlineFeaturesResponseSchema> = {
    metadata: {
      featureNames: { val: [...outputs, ...names] },
      featureViewMetadata: request.includeFeatureViewVersionMetadata ? versionsOf(wanted) : [],
    },
    results: [
      ...outputs.map((name) => ({
        values: [...converted.get(name)!],
        statuses: Array(rowCount).fill(FieldStatus.PRESENT) as FieldStatus[],
        eventTimestamps: Array.from({ length: rowCount }, () => create(TimestampSchema)),
      })),
      ...wanted.map((feature, index) => {
        const cells = Array.from({ length: rowCount }, (_, row) => {
          const entity: Record<string, Value> = {};
          for (const [joinKey, column] of sources[index]!)
            entity[joinKey] = converted.get(column)![row]!;
          return readCell(world, feature, entity, wanted);
        });
        return {
          values: cells.map(({ value }) => value),
          statuses: cells.map(({ status }) => status),
          eventTimestamps: cells.map(({ timestamp }) => timestamp),
        };
      }),
    ],
  };
  return { response: create(GetOnlineFeaturesResponseSchema, init) };
}

function listWanted(
  snapshot: RegistrySnapshot,
  request: ReturnType<typeof fromBinary<typeof GetOnlineFeaturesRequestSchema>>,
  errors: Set<ErrorCode>,
): readonly Wanted[] {
  const wanted: Wanted[] = [];
  const joinKeyMaps = new Map<string, ReadonlyMap<string, string>>();
  const add = (
    viewName: string,
    pinned: number | undefined,
    feature: string,
    alias: string,
    joinKeyMap: ReadonlyMap<string, string>,
  ) => {
    if (pinned !== undefined && !snapshot.versioningEnabled) {
      return errors.add('VERSIONED_READ_UNSUPPORTED');
    }
    const current = snapshot.views.get(viewName);
    if (current === undefined) return errors.add('FEATURE_VIEW_NOT_FOUND');
    const view = pinned === undefined ? current : snapshot.viewVersions.get(viewName)!.get(pinned);
    if (view === undefined) return errors.add('FEATURE_VIEW_VERSION_NOT_FOUND');
    if (!view.features.some(({ name }) => name === feature)) return errors.add('FEATURE_NOT_FOUND');
    const nameToUse = pinned === undefined ? alias : `${alias}@v${pinned}`;
    const outputName = request.fullFeatureNames ? `${nameToUse}__${feature}` : feature;
    // Of what has one name the first says which columns are read.
    const key = `${viewName} ${nameToUse}`;
    const shared = joinKeyMaps.get(key) ?? joinKeyMap;
    joinKeyMaps.set(key, shared);
    return wanted.push({ view, feature, outputName, joinKeyMap: shared });
  };
  let mentions = 0;
  if (request.kind.case === 'featureService' && request.kind.value !== '') {
    const service = snapshot.featureServices.get(request.kind.value);
    if (service === undefined) {
      errors.add('FEATURE_SERVICE_NOT_FOUND');
      return [];
    }
    for (const projection of service.projections) {
      const { viewName, alias, featureNames, joinKeyMap, versionTag } = projection;
      for (const feature of featureNames) {
        mentions++;
        add(viewName, versionTag, feature, alias === '' ? viewName : alias, joinKeyMap);
      }
    }
  } else if (request.kind.case === 'features') {
    for (const reference of request.kind.value.val) {
      mentions++;
      const [viewName = '', ...rest] = reference.split(':');
      const [name = '', suffix, ...more] = viewName.split('@');
      const isVersion = more.length === 0 && /^(?:v[0-9]+|latest|)$/i.test(suffix ?? 'no');
      const pinned = isVersion && /^v/i.test(suffix!) ? Number(suffix!.slice(1)) : undefined;
      const plainName = isVersion ? name : viewName;
      if (rest.length === 0) errors.add('INVALID_FEATURE_REFERENCE');
      else add(plainName, pinned, rest.join(':'), plainName, new Map());
    }
  }
  if (mentions === 0) errors.add('NO_FEATURES_REQUESTED');
  return wanted;
}

/** Columns by the name that they are answered under; what is no entity column is left out. */
function nameColumns(
  snapshot: RegistrySnapshot,
  wanted: readonly Wanted[],
  columns: ReadonlyMap<string, readonly Value[]>,
): Map<string, readonly Value[]> {
  const joinKeys = new Set([...snapshot.entities.values()].map(({ joinKey }) => joinKey));
  for (const { joinKeyMap } of wanted) for (const alias of joinKeyMap.values()) joinKeys.add(alias);
  const named = new Map<string, readonly Value[]>();
  for (const [name, values] of columns) {
    const entity = snapshot.entities.get(name);
    if (joinKeys.has(name)) named.set(name, values);
    else if (entity !== undefined) named.set(entity.joinKey, values);
  }
  return named;
}

/** Each view and version once, in order of first mention. */
function versionsOf(wanted: readonly Wanted[]): { name: string; version: number }[] {
  const versions = new Map(
    wanted.map(({ view }) => [
      `${view.name}@${view.versionNumber}`,
      { name: view.name, version: view.versionNumber },
    ]),
  );
  return [...versions.values()];
}

function readCell(
  { rows, semantics, enforceTtl, nowSeconds, snapshot }: ModelWorld,
  { view, feature }: Wanted,
  entity: Readonly<Record<string, Value>>,
  allWanted: readonly Wanted[],
): { value: Value; status: FieldStatus; timestamp: Timestamp } {
  const isNull = (value: Value) => value.val.case === undefined || value.val.case === 'nullVal';
  const absent =
    semantics.missingEntity === 'present' ? FieldStatus.PRESENT : FieldStatus.NOT_FOUND;
  const nothing = {
    value: create(ValueSchema),
    status: absent,
    timestamp: create(TimestampSchema),
  };
  if (Object.values(entity).some(isNull)) return nothing;
  const version = snapshot.versioningEnabled ? view.versionNumber : 0;
  const stored = (isPushed: boolean) =>
    rows.filter(
      (row) =>
        row.viewName === view.name &&
        row.version === version &&
        (row.isPushed ?? false) === isPushed &&
        sameEntity(row.entity, entity),
    );
  const asked = allWanted.filter((other) => other.view === view).map((other) => other.feature);
  const isMissing = stored(false).every(
    (row) =>
      row.eventTimestamp === undefined && asked.every((name) => row.features[name] === undefined),
  );
  let timestamp: Timestamp | undefined;
  let value: Value | undefined;
  for (const row of stored(isMissing && semantics.readEntitylessPushes)) {
    timestamp = row.eventTimestamp ?? timestamp;
    value = row.features[feature] ?? value;
  }
  const time = timestamp ?? create(TimestampSchema);
  if (value === undefined) return { ...nothing, timestamp: time };
  const rule = semantics.onlineTtl;
  const isEnforced = rule === 'enforce' || (rule === 'protocol' && enforceTtl);
  const isOld =
    timestamp !== undefined &&
    view.ttlSeconds > 0 &&
    BigInt(nowSeconds) - timestamp.seconds > BigInt(view.ttlSeconds);
  if (isEnforced && isOld) return { value, status: FieldStatus.OUTSIDE_MAX_AGE, timestamp: time };
  const nullStatus =
    semantics.nullStatus === 'null_value' ? FieldStatus.NULL_VALUE : FieldStatus.PRESENT;
  return { value, status: isNull(value) ? nullStatus : FieldStatus.PRESENT, timestamp: time };
}
