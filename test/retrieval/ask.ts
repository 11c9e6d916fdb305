import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  GetOnlineFeaturesRequestSchema,
  GetOnlineFeaturesResponseSchema,
  type GetOnlineFeaturesResponse,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';
import { isSideboardError, type ErrorCode } from '../../src/errors.ts';
import { serializeEntityKey, type EntityKeyValue } from '../../src/feast-encoding/entity-key.ts';
import type { RegistrySnapshot } from '../../src/registry/registry-model.ts';
import { assembleResponse } from '../../src/retrieval/assemble-response.ts';
import { decodeRequest } from '../../src/retrieval/decode-request.ts';
import {
  createFeatureReader,
  type FeatureReader,
  type FeatureReaderOptions,
  type ReadFeaturesOptions,
} from '../../src/retrieval/feature-reader.ts';
import type { RetrievalLimits, RetrievalSemantics } from '../../src/retrieval/retrieval-request.ts';
import {
  createMemoryOnlineStore,
  fieldOf,
  type MemoryOnlineStore,
} from '../support/memory-online-store.ts';
import { registryOf } from './registry-fixture.ts';

export const LIMITS: RetrievalLimits = {
  maxRows: 5000,
  maxFeatures: 2500,
  maxCells: 1_000_000,
  maxRequestBytes: 4 << 20,
  maxResponseBytes: 64 << 20,
  planCacheBytes: 16 << 20,
};

export const SEMANTICS: RetrievalSemantics = {
  onlineTtl: 'protocol',
  nullStatus: 'present',
  missingEntity: 'not_found',
  lossyEntityCoercion: false,
  readEntitylessPushes: false,
  partialResults: false,
};

export const NOW_SECONDS = 1_800_000_000;

export const OPTIONS: ReadFeaturesOptions = {
  enforceTtl: false,
  nowSeconds: NOW_SECONDS,
  deadlineAtMs: Infinity,
};

/** A `Value` in few words: `['int64Val', 7n]`. */
export type ValueInit =
  Extract<Value['val'], { case: string }> extends infer Member
    ? Member extends { case: infer Case; value: infer Of }
      ? readonly [Case, Of]
      : never
    : never;

/** `undefined` = unset. */
export function value(init: ValueInit | undefined): Value {
  if (init === undefined) return create(ValueSchema);
  return create(ValueSchema, { val: { case: init[0], value: init[1] } as Value['val'] });
}

export function encoded(init: ValueInit | undefined): Uint8Array {
  return toBinary(ValueSchema, value(init));
}

export interface Question {
  readonly features?: readonly string[];
  readonly featureService?: string;
  readonly entities?: Readonly<Record<string, readonly (ValueInit | undefined)[]>>;
  readonly requestContext?: Readonly<Record<string, readonly (ValueInit | undefined)[]>>;
  readonly fullFeatureNames?: boolean;
  readonly includeVersions?: boolean;
}

export function encodeQuestion(question: Question): Uint8Array {
  const columns = (map: Question['entities']) =>
    Object.fromEntries(
      Object.entries(map ?? {}).map(([name, values]) => [name, { val: values.map(value) }]),
    );
  const init: MessageInitShape<typeof GetOnlineFeaturesRequestSchema> = {
    entities: columns(question.entities),
    requestContext: columns(question.requestContext),
    fullFeatureNames: question.fullFeatureNames ?? false,
    includeFeatureViewVersionMetadata: question.includeVersions ?? false,
  };
  if (question.featureService !== undefined) {
    init.kind = { case: 'featureService', value: question.featureService };
  } else if (question.features !== undefined) {
    init.kind = { case: 'features', value: { val: [...question.features] } };
  }
  return toBinary(GetOnlineFeaturesRequestSchema, create(GetOnlineFeaturesRequestSchema, init));
}

/** A reader over a memory store. */
export interface Fixture {
  readonly store: MemoryOnlineStore;
  readonly reader: FeatureReader;
  readonly snapshot: RegistrySnapshot;
}

export function fixtureOf(
  snapshot: RegistrySnapshot,
  overrides: {
    readonly limits?: Partial<RetrievalLimits>;
    readonly semantics?: Partial<RetrievalSemantics>;
    readonly store?: MemoryOnlineStore;
    readonly entityKeyVersion?: 2 | 3;
    readonly onRetrieved?: FeatureReaderOptions['onRetrieved'];
    readonly onVectors?: FeatureReaderOptions['onVectors'];
    readonly transform?: FeatureReaderOptions['transform'];
    readonly authorize?: FeatureReaderOptions['authorize'];
  } = {},
): Fixture {
  const store = overrides.store ?? createMemoryOnlineStore();
  const reader = createFeatureReader({
    registry: registryOf(snapshot),
    store,
    entityKeyVersion: overrides.entityKeyVersion ?? 3,
    limits: { ...LIMITS, ...overrides.limits },
    semantics: { ...SEMANTICS, ...overrides.semantics },
    transform: overrides.transform,
    authorize: overrides.authorize,
    onVectors: overrides.onVectors,
    runners: { delegates: overrides.transform !== undefined, computes: false },
    ...(overrides.onRetrieved === undefined ? {} : { onRetrieved: overrides.onRetrieved }),
  });
  return { store, reader, snapshot };
}

/** Puts bytes into a row as they are. `null` timestamp = none is stored. */
export function put(
  store: MemoryOnlineStore,
  key: Readonly<Record<string, EntityKeyValue>>,
  storedViewName: string,
  timestamp: Uint8Array | null,
  features: Readonly<Record<string, Uint8Array>>,
  entityKeyVersion: 2 | 3 = 3,
): void {
  const entityKey = serializeEntityKey(Object.keys(key), Object.values(key), entityKeyVersion);
  const id = Buffer.concat([entityKey, Buffer.from('shop')]).toString('hex');
  const fields = store.entities.get(id) ?? new Map<string, Uint8Array>();
  store.entities.set(id, fields);
  if (timestamp !== null) fields.set(fieldOf(storedViewName), timestamp);
  for (const [name, bytes] of Object.entries(features)) {
    fields.set(fieldOf(storedViewName, name), bytes);
  }
}

/** The answer as bytes. */
export async function answerBytes(
  reader: FeatureReader,
  message: Uint8Array,
  options: Partial<ReadFeaturesOptions> = {},
): Promise<Uint8Array> {
  const headroom = 5;
  return reader.read(decodeRequest(message, LIMITS), { ...OPTIONS, ...options }, (retrieved) =>
    assembleResponse(retrieved, headroom).subarray(headroom),
  );
}

/** The answer, checked to be encoded as protobuf-es encodes it. */
export async function ask(
  { reader }: Fixture,
  question: Question,
  options: Partial<ReadFeaturesOptions> = {},
): Promise<GetOnlineFeaturesResponse> {
  const bytes = await answerBytes(reader, encodeQuestion(question), options);
  const response = fromBinary(GetOnlineFeaturesResponseSchema, bytes);
  const again = toBinary(GetOnlineFeaturesResponseSchema, response);
  if (Buffer.compare(bytes, again) !== 0) throw new Error('spliced bytes differ from protobuf-es');
  return response;
}

/** The error code of an action that must fail with one. */
export async function codeOf(action: () => unknown): Promise<ErrorCode> {
  return (await errorOf(action)).code;
}

export async function errorOf(
  action: () => unknown,
): Promise<{ readonly code: ErrorCode; readonly message: string }> {
  try {
    await action();
  } catch (error) {
    if (isSideboardError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A column of an answer in plain values: `[value, status, seconds]` per row. */
export function columnOf(
  response: GetOnlineFeaturesResponse,
  name: string,
): readonly (readonly [unknown, number, bigint])[] {
  const index = response.metadata?.featureNames?.val.indexOf(name) ?? -1;
  const vector = response.results[index];
  if (vector === undefined) throw new Error(`no column ${name}`);
  return vector.values.map((each, row) => [
    each.val.value,
    vector.statuses[row]!,
    vector.eventTimestamps[row]!.seconds,
  ]);
}

export function namesOf(response: GetOnlineFeaturesResponse): readonly string[] {
  return response.metadata?.featureNames?.val ?? [];
}
